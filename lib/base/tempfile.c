#define _GNU_SOURCE
#include "base/tempfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/fsutil.h"
#include "base/unique.h"

static struct tempfile *open_files;

static void
abort_all(void)
{
	while (open_files)
		tempfile_abort(open_files);
}

static void
forget(struct tempfile *t)
{
	struct tempfile **p;

	for (p = &open_files; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			break;
		}
	}
	free(t->path);
	free(t->temporary);
	t->path = t->temporary = NULL;
	t->fd = -1;
}

/* ".<name>.": what those of a file begin with; a name may be long already. */
static char *
temporary_prefix(const char *name)
{
	enum { NAME = 120 };

	return xasprintf(".%.*s.", NAME, name);
}

static char *
temporary_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path + 1) : 0;
	char *prefix = temporary_prefix(path + dir_len), *name;
	char token[UNIQUE_NAME + 1];

	unique_name(token);
	name = xasprintf("%.*s%s%s.%ld.%s.tmp", dir_len, path, prefix,
	    unique_sight(), (long)getpid(), token);
	free(prefix);
	return name;
}

/* rest: what follows the prefix.  Its process is gone, or was a day ago. */
static int
is_left(int dir, const char *name, const char *rest)
{
	enum { DAY = 86400 };
	struct stat st;
	char *end;
	long pid;

	if (strspn(rest, "0123456789abcdef") != UNIQUE_SIGHT ||
	    rest[UNIQUE_SIGHT] != '.')
		return 0;
	pid = strtol(rest + UNIQUE_SIGHT + 1, &end, 10);
	if (pid <= 0 || *end != '.' ||
	    strspn(end + 1, "0123456789abcdef") != UNIQUE_NAME ||
	    strcmp(end + 1 + UNIQUE_NAME, ".tmp"))
		return 0;
	if (!strncmp(rest, unique_sight(), UNIQUE_SIGHT))
		return kill((pid_t)pid, 0) < 0 && errno == ESRCH;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtime < time(NULL) - DAY;
}

/* A process that was killed may have left one; no other process is to blame. */
static void
remove_left(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *where = path_directory(path);
	char *prefix = temporary_prefix(slash ? slash + 1 : path);
	DIR *dir = opendir(where);
	const struct dirent *e;
	size_t len = strlen(prefix);

	while (dir && (e = readdir(dir)))
		if (!strncmp(e->d_name, prefix, len) &&
		    is_left(dirfd(dir), e->d_name, e->d_name + len))
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	free(prefix);
	free(where);
}

/*
 * Renaming would put a file where a device, a fifo or a directory was, and
 * root may: /dev/null, or the link that /dev/stdout is.
 */
static int
may_be_replaced(const char *path)
{
	static const char devices[] = "/dev/", memory[] = "/dev/shm/";
	struct stat st;

	errno = ENOTSUP;
	if (!strncmp(path, devices, sizeof devices - 1) &&
	    strncmp(path, memory, sizeof memory - 1))
		return 0;
	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return 1;
	errno = S_ISDIR(st.st_mode) ? EISDIR : ENOTSUP;
	return 0;
}

static int
open_beside(struct tempfile *t, const char *path,
    int (*parents)(const char *path))
{
	static int registered;
	char *dir;

	t->fd = -1;
	if (!may_be_replaced(path) || parents(path) < 0)
		return -1;
	dir = path_directory(path);
	t->temporary = NULL;
	t->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	free(dir);
	if (t->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR ||
	    errno == EINVAL || errno == ENOENT)) {
		remove_left(path);
		t->temporary = temporary_name(path);
		t->fd = open(t->temporary,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	}
	if (t->fd < 0) {
		free(t->temporary);
		t->temporary = NULL;
		return -1;
	}
	t->path = xstrdup(path);
	t->next = open_files;
	open_files = t;
	if (!registered) {
		atexit(abort_all);
		registered = 1;
	}
	return 0;
}

int
tempfile_open(struct tempfile *t, const char *path)
{
	return open_beside(t, path, make_parents);
}

int
tempfile_open_output(struct tempfile *t, const char *path)
{
	return open_beside(t, path, config_make_parents);
}

/* rename(2) replaces what is there and linkat(2) does not: link, rename. */
static int
give_name(struct tempfile *t)
{
	char *proc, *name;
	int rc;

	if (t->temporary)
		return 0;
	remove_left(t->path);
	name = temporary_name(t->path);
	proc = xasprintf("/proc/self/fd/%d", t->fd);
	rc = linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
	free(proc);
	if (rc < 0) {
		free(name);
		return -1;
	}
	t->temporary = name;
	return 0;
}

int
tempfile_commit(struct tempfile *t)
{
	if (fsync(t->fd) < 0 || give_name(t) < 0 ||
	    rename(t->temporary, t->path) < 0) {
		int err = errno;

		tempfile_abort(t);
		errno = err;
		return -1;
	}
	/* it has its final name: nothing to remove any more */
	free(t->temporary);
	t->temporary = NULL;
	if (fsync_parent(t->path) < 0) {
		int err = errno;

		tempfile_abort(t);
		errno = err;
		return -1;
	}
	close(t->fd);
	forget(t);
	return 0;
}

void
tempfile_abort(struct tempfile *t)
{
	if (t->fd < 0)
		return;
	if (t->temporary)
		unlink(t->temporary);
	close(t->fd);
	forget(t);
}

int
tempfile_unnamed(const char *dir)
{
	char *name;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR &&
	    errno != EINVAL))
		return fd;
	name = path_join(dir, ".ntt.XXXXXX");
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	free(name);
	return fd;
}
