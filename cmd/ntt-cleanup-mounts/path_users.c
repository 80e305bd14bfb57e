#define _GNU_SOURCE
#include "path_users.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fsutil.h"

/* Whether the link at/name points to dir or below it. */
static int
points_below(int at, const char *name, const char *dir)
{
	size_t len = strlen(dir);
	char target[4096];
	ssize_t n = readlinkat(at, name, target, sizeof target - 1);

	if (n < (ssize_t)len)
		return 0;
	target[n] = '\0';
	return !strncmp(target, dir, len) &&
	    (target[len] == '\0' || target[len] == '/');
}

static int
has_open(int process, const char *dir)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;
	int found = 0;

	while (list && !found && (d = readdir(list)))
		found = points_below(fd, d->d_name, dir);
	if (list)
		closedir(list);
	else if (fd >= 0)
		close(fd);
	return found;
}

static void
put_user(struct buf *out, int process, const char *pid)
{
	int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
	char comm[32];
	ssize_t n = fd >= 0 ? read_full(fd, comm, sizeof comm) : -1;

	if (fd >= 0)
		close(fd);
	buf_printf(out, "%s%s", out->len ? ", " : "", pid);
	if (n > 1) {
		buf_puts(out, " (");
		buf_escape(out, comm, (size_t)n - 1);
		buf_putc(out, ')');
	}
}

void
path_users(const char *dir, struct buf *out)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	int process;

	buf_reset(out);
	while (proc && (d = readdir(proc))) {
		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		process = openat(dirfd(proc), d->d_name,
		    O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (process < 0)
			continue;
		if (points_below(process, "cwd", dir) ||
		    points_below(process, "root", dir) ||
		    has_open(process, dir))
			put_user(out, process, d->d_name);
		close(process);
	}
	if (proc)
		closedir(proc);
}
