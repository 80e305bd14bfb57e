#define _GNU_SOURCE
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fsutil.h"

static int
take(const char *dir, const char *name, int operation)
{
	char *path = path_join(dir, name);
	int fd = -1, err;

	if (make_dirs(dir) == 0)
		fd = open_regular(path, O_RDWR | O_CREAT, 0644);
	/* another user's lock file can still be locked through a read */
	if (fd < 0 && errno == EACCES)
		fd = open_regular(path, O_RDONLY, 0);
	free(path);
	if (fd < 0)
		return -1;
	if (flock(fd, operation) < 0) {
		err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static int
flock_mode(enum lock_mode mode)
{
	return mode == LOCK_SHARED ? LOCK_SH : LOCK_EX;
}

int
lock_try(const char *dir, const char *name, enum lock_mode mode)
{
	return take(dir, name, flock_mode(mode) | LOCK_NB);
}

int
lock_wait(const char *dir, const char *name, enum lock_mode mode)
{
	return take(dir, name, flock_mode(mode));
}

void
lock_release(int fd)
{
	if (fd < 0)
		return;
	/* also for a child that still has the descriptor */
	flock(fd, LOCK_UN);
	close(fd);
}

static void
put_process(struct buf *out, long pid)
{
	char *path = xasprintf("/proc/%ld/comm", pid);
	char comm[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, comm, sizeof comm - 1) : -1;

	if (fd >= 0)
		close(fd);
	free(path);
	if (n > 0 && comm[n - 1] == '\n')
		n--;
	buf_printf(out, "%s%ld", out->len ? ", " : "", pid);
	if (n > 0) {
		buf_puts(out, " (");
		buf_escape(out, comm, (size_t)n);
		buf_putc(out, ')');
	}
}

void
lock_holders(const char *dir, const char *name, struct buf *out)
{
	char *path = path_join(dir, name);
	char kind[16], line[256];
	unsigned int major, minor;
	unsigned long ino;
	struct stat st;
	FILE *f;
	long pid;

	buf_reset(out);
	if (stat(path, &st) == 0 && (f = fopen("/proc/locks", "re"))) {
		/* "1: FLOCK  ADVISORY  WRITE 4242 08:01:1234 0 EOF" */
		while (fgets(line, sizeof line, f))
			if (sscanf(line, "%*d: %15s %*s %*s %ld %x:%x:%lu",
			    kind, &pid, &major, &minor, &ino) == 5 &&
			    !strcmp(kind, "FLOCK") && ino == st.st_ino &&
			    makedev(major, minor) == st.st_dev)
				put_process(out, pid);
		fclose(f);
	}
	free(path);
}
