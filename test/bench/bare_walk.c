/*
 * bare_walk DIR: the least that can be done: getdents64 and statx on every
 * name, one thread, nothing written.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BATCH = 256 << 10, STACK = 1 << 20 };

static char batch[BATCH];
static char names[STACK];
static size_t used;
static uint64_t entries;

static void
look(int dir, const struct dirent64 *d)
{
	struct statx st;
	size_t len = strlen(d->d_name) + 1;

	if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
		return;
	if (statx(dir, d->d_name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
	    STATX_TYPE | STATX_NLINK | STATX_INO | STATX_SIZE | STATX_MTIME,
	    &st) < 0)
		return;
	entries++;
	if (!S_ISDIR(st.stx_mode))
		return;
	if (used + len > STACK)
		errx(1, "too many directories");
	memcpy(names + used, d->d_name, len);
	used += len;
}

static void
walk(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t begin = used, end, next, i;
	ssize_t n;

	if (fd < 0)
		return;
	while ((n = syscall(SYS_getdents64, fd, batch, BATCH)) > 0) {
		for (i = 0; i < (size_t)n;) {
			struct dirent64 *d = (void *)(batch + i);

			look(fd, d);
			i += d->d_reclen;
		}
	}
	end = used;
	for (next = begin; next < end;) {
		const char *child = names + next;

		next += strlen(child) + 1;
		walk(fd, child);
	}
	used = begin;
	close(fd);
}

int
main(int argc, char **argv)
{
	if (argc != 2)
		errx(64, "usage: bare_walk DIR");
	walk(AT_FDCWD, argv[1]);
	printf("%" PRIu64 "\n", entries);
	return 0;
}
