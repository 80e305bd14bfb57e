/*
 * reframe FILE: what comes in becomes an archive's frames with their table,
 * whole and right whatever it holds: for archives that only their manifest
 * can tell from good ones.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "archive/seekable.h"

int
main(int argc, char **argv)
{
	static char bytes[1 << 16];
	struct seekable_writer *w;
	ssize_t n;
	int fd;

	if (argc != 2)
		errx(64, "usage: reframe FILE <TAR");
	fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	w = fd < 0 ? NULL : seekable_create(fd, 3, 1);
	if (!w)
		err(1, "%s", argv[1]);
	while ((n = read(STDIN_FILENO, bytes, sizeof bytes)) > 0)
		if (seekable_write(w, bytes, (size_t)n) < 0)
			err(1, "write");
	if (n < 0 || seekable_finish(w) < 0 || close(fd) < 0)
		err(1, "finish");
	seekable_writer_free(w);
	return 0;
}
