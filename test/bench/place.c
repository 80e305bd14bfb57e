/*
 * place DIR N WAY: puts N small blobs into a store's directories in one of
 * the ways a copier could, then one syncfs; seconds on stdout.
 *
 *	rename    temporary name in the blob's directory, renameat2 NOREPLACE
 *	tmpfile   O_TMPFILE in the blob's directory, linkat
 *	central   temporary name in one directory, renameat2 NOREPLACE
 *	croot     O_TMPFILE in one directory, linkat
 *	direct    the blob's own name, to know what the safety costs
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t state = 88172645463325252ULL;

static uint64_t
next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void
check(int failed, const char *what)
{
	if (failed) {
		perror(what);
		exit(1);
	}
}

static void
link_open_file(int fd, const char *name)
{
	char proc[64];

	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	check(linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW) < 0,
	    "linkat");
}

static void
place(const char *way, const char *dir, const char *name, const char *data,
    size_t len, int i)
{
	char temporary[128];
	int fd;

	if (!strcmp(way, "tmpfile") || !strcmp(way, "croot")) {
		fd = open(!strcmp(way, "croot") ? "tmp" : dir,
		    O_TMPFILE | O_WRONLY, 0644);
		check(fd < 0, "open");
		check(write(fd, data, len) < 0, "write");
		link_open_file(fd, name);
	} else if (!strcmp(way, "direct")) {
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		check(fd < 0 || write(fd, data, len) < 0, "write");
	} else {
		snprintf(temporary, sizeof temporary, "%s/.t%d",
		    !strcmp(way, "central") ? "tmp" : dir, i);
		fd = open(temporary, O_CREAT | O_EXCL | O_WRONLY, 0644);
		check(fd < 0 || write(fd, data, len) < 0, "write");
		check(renameat2(AT_FDCWD, temporary, AT_FDCWD, name,
		    RENAME_NOREPLACE) < 0, "rename");
	}
	close(fd);
}

int
main(int argc, char **argv)
{
	static char data[16384];
	struct timespec from, to;
	int i, n, root;

	check(argc != 4, "usage: place DIR N WAY");
	n = atoi(argv[2]);
	memset(data, 'x', sizeof data);
	check(mkdir(argv[1], 0755) < 0 || chdir(argv[1]) < 0, argv[1]);
	check(mkdir("tmp", 0755) < 0, "tmp");
	root = open(".", O_RDONLY | O_DIRECTORY);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < n; i++) {
		uint64_t a = next_random(), b = next_random();
		char top[3], dir[6], name[64];

		snprintf(top, sizeof top, "%02x", (unsigned int)(a & 255));
		snprintf(dir, sizeof dir, "%s/%02x", top,
		    (unsigned int)(a >> 8 & 255));
		snprintf(name, sizeof name, "%s/%016llx%016llx", dir,
		    (unsigned long long)a, (unsigned long long)b);
		if (mkdir(dir, 0755) < 0 && errno == ENOENT) {
			mkdir(top, 0755);
			mkdir(dir, 0755);
		}
		memcpy(data, name, 32);
		place(argv[3], dir, name, data, 1024 + b % 8192, i);
	}
	check(syncfs(root) < 0, "syncfs");
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.2f\n", (double)(to.tv_sec - from.tv_sec) +
	    (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	return 0;
}
