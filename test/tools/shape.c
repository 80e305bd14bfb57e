/*
 * shape deep DIR LEVELS: directories one in another, the last with a file.
 * shape wide DIR N: N empty files in one directory.
 * shape dirs DIR N: N empty directories in one.
 * shape long DIR N: N empty files with names of 250 bytes.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
enter(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0755) < 0)
		err(1, "%s", name);
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

static void
make_file(int at, const char *name)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		err(1, "%s", name);
	close(fd);
}

int
main(int argc, char **argv)
{
	char name[256];
	long i, n;
	int at, next;

	if (argc != 4)
		errx(64, "usage: shape deep|wide|dirs|long DIR N");
	at = enter(AT_FDCWD, argv[2]);
	n = strtol(argv[3], NULL, 10);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof name, "%s-%0*ld", argv[1],
		    strcmp(argv[1], "long") ? 1 : 245, i);
		if (!strcmp(argv[1], "deep")) {
			make_file(at, "file");
			next = enter(at, name);
			close(at);
			at = next;
		} else if (!strcmp(argv[1], "dirs")) {
			close(enter(at, name));
		} else {
			make_file(at, name);
		}
	}
	make_file(at, "last");
	return 0;
}
