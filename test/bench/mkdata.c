/*
 * mkdata DIR FILES SEED: files with contents as on real disks, the same for
 * the same seed.  Three quarters are under 10 KB, the median is 3 KB, 0.4 %
 * hold most of the bytes, 35 % are duplicates of an earlier one.  100,000
 * files are about 2.3 GB.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PER_DIRECTORY = 40, BUFFER = 1 << 20 };

static uint64_t state;

static uint64_t
draw(void)
{
	uint64_t x;

	state += 0x9e3779b97f4a7c15u;
	x = state;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static double
uniform(void)
{
	return (double)(draw() >> 11) / 9007199254740992.0;
}

static uint64_t
draw_size(void)
{
	double kind = uniform(), u = uniform();

	if (kind < 0.004)		/* large: around 4.2 MB */
		return (uint64_t)(1.2e6 * exp(2.3 * u));
	if (kind < 0.75)		/* small: 0 to 10 KB, median 3 KB */
		return (uint64_t)(10000 * pow(u, 1.7));
	return (uint64_t)(10000 * exp(1.9 * u));
}

/* Half the files are text, so that nothing is gained by bad luck. */
static void
write_content(int fd, uint64_t content, uint64_t size)
{
	static uint64_t words[BUFFER / 8];
	uint64_t x = content * 0x9e3779b97f4a7c15u + 1;
	int text = content & 1;
	uint64_t done;
	size_t i, n;

	for (done = 0; done < size; done += n) {
		n = size - done < BUFFER ? (size_t)(size - done) : BUFFER;
		for (i = 0; i < (n + 7) / 8; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			words[i] = text ? (x & 0x0f0f0f0f0f0f0f0fu) |
			    0x6060606060606060u : x;
		}
		if (write(fd, words, n) != (ssize_t)n)
			err(1, "write");
	}
}

int
main(int argc, char **argv)
{
	uint64_t *sizes, *contents, made = 0;
	int i, files, root;

	if (argc != 4)
		errx(64, "usage: mkdata DIR FILES SEED");
	files = atoi(argv[2]);
	state = strtoull(argv[3], NULL, 10);
	sizes = calloc((size_t)files, sizeof *sizes);
	contents = calloc((size_t)files, sizeof *contents);
	if (!sizes || !contents)
		err(1, "memory");
	if (mkdir(argv[1], 0755) < 0 ||
	    (root = open(argv[1], O_RDONLY | O_DIRECTORY)) < 0)
		err(1, "%s", argv[1]);
	for (i = 0; i < files; i++) {
		char name[128], dir[64];
		uint64_t pick;
		int fd;

		snprintf(dir, sizeof dir, "group %02d", i / PER_DIRECTORY % 50);
		mkdirat(root, dir, 0755);
		snprintf(dir, sizeof dir, "group %02d/directory %d",
		    i / PER_DIRECTORY % 50, i / PER_DIRECTORY);
		if (i % PER_DIRECTORY == 0 && mkdirat(root, dir, 0755) < 0)
			err(1, "%s", dir);
		snprintf(name, sizeof name, "%s/a file called %d.dat", dir, i);
		if (made > 0 && uniform() < 0.35) {
			pick = draw() % made;
		} else {
			pick = made++;
			contents[pick] = draw();
			sizes[pick] = draw_size();
		}
		fd = openat(root, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0)
			err(1, "%s", name);
		write_content(fd, contents[pick], sizes[pick]);
		close(fd);
	}
	return 0;
}
