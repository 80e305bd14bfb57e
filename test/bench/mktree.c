/*
 * mktree DIR ENTRIES SEED: a tree whose shape, names and sizes look like a
 * disk's, the same for the same seed.  Files are holes: nothing reads them.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARENTS = 512, NAME_ROOM = 64 };

static uint64_t state;

static uint64_t
draw(uint64_t n)
{
	uint64_t x;

	state += 0x9e3779b97f4a7c15u;
	x = state;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (x ^ x >> 31) % n;
}

static void
make_name(char *name, uint64_t i)
{
	static const char *const words[] = {
		"report", "IMG", "invoice-final", "backup of letter", "scan",
		"Protokoll", "thesis_chapter", "mail", "library", "archive"
	};
	static const char *const ends[] = {
		".txt", ".jpg", ".doc", ".pdf", "", ".html", ".c", ".tar.gz"
	};

	snprintf(name, NAME_ROOM, "%s_%06" PRIu64 "%s", words[draw(10)], i,
	    ends[draw(8)]);
}

/* Three quarters below 10 KB, a few very large. */
static off_t
make_size(void)
{
	uint64_t kind = draw(1000);

	if (kind < 4)
		return (off_t)draw(1 << 28);
	return (off_t)draw(kind < 754 ? 10240 : 1 << 17);
}

static void
make_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, make_size()) < 0)
		err(1, "%s", name);
	close(fd);
}

int
main(int argc, char **argv)
{
	static int parents[PARENTS];
	char name[NAME_ROOM], last[NAME_ROOM] = "";
	uint64_t i, entries;
	int dir = -1, left = 0, dirs = 0;

	if (argc != 4)
		errx(64, "usage: mktree DIR ENTRIES SEED");
	entries = strtoull(argv[2], NULL, 10);
	state = strtoull(argv[3], NULL, 10);
	if (mkdir(argv[1], 0755) < 0 || chdir(argv[1]) < 0)
		err(1, "%s", argv[1]);
	parents[dirs++] = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 1; i < entries; i++) {
		make_name(name, i);
		if (left-- == 0) {
			/* the first ones become parents: a few levels deep */
			int from = parents[draw((uint64_t)dirs)];

			if (dir >= 0 && dir != parents[dirs - 1])
				close(dir);
			if (mkdirat(from, name, 0755) < 0)
				err(1, "%s", name);
			dir = openat(from, name, O_RDONLY | O_DIRECTORY |
			    O_CLOEXEC);
			if (dir < 0)
				err(1, "%s", name);
			left = (int)draw(draw(20) ? 24 : 400);
			if (dirs < PARENTS)
				parents[dirs++] = dir;
			last[0] = '\0';
			continue;
		}
		/* a fifth of the names are links to the file before */
		if (last[0] && draw(5) == 0) {
			if (linkat(dir, last, dir, name, 0) < 0)
				err(1, "%s", name);
			continue;
		}
		make_file(dir, name);
		strcpy(last, name);
	}
	return 0;
}
