#define _GNU_SOURCE
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"

const char store_empty_id[] =
    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
const char store_old_empty_id[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

void
store_path(char path[STORE_PATH], const char *id)
{
	snprintf(path, STORE_PATH, "%.2s/%.2s/%.64s", id, id + 2, id);
}

/* The name without O_TMPFILE: the process and a number. */
static void
temporary_name(char name[64], unsigned int serial)
{
	snprintf(name, 64, "%ld.%u", (long)getpid(), serial);
}

/*
 * Names of processes that are gone.  Another host's process may share the
 * number of a dead one here, so only what is a day old goes.
 */
static void
remove_stale(int dir_fd)
{
	int copy = dup(dir_fd);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct stat st;
		long pid = atol(entry->d_name);

		if (pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH ||
		    fstatat(dir_fd, entry->d_name, &st, 0) < 0)
			continue;
		if (st.st_mtime < time(NULL) - 86400)
			unlinkat(dir_fd, entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

int
store_open(struct store *s, const char *root)
{
	int fd;

	memset(s, 0, sizeof *s);
	s->temporaries = s->root = -1;
	s->by_descriptor = 1;
	s->made = xcalloc(65536 / 8, 1);
	if (make_dirs(root) < 0)
		return -1;
	s->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0)
		return -1;
	fd = openat(s->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL &&
	    errno != ENOENT)
		goto fail;
	if (mkdirat(s->root, ".tmp", 0755) < 0 && errno != EEXIST)
		goto fail;
	s->temporaries = openat(s->root, ".tmp",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->temporaries < 0)
		goto fail;
	remove_stale(s->temporaries);
	return 0;
fail:
	fd = errno;
	store_close(s);
	errno = fd;
	return -1;
}

int
store_open_read(struct store *s, const char *root)
{
	memset(s, 0, sizeof *s);
	s->temporaries = -1;
	s->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->root < 0 ? -1 : 0;
}

void
store_close(struct store *s)
{
	if (s->root >= 0)
		close(s->root);
	if (s->temporaries >= 0)
		close(s->temporaries);
	s->root = s->temporaries = -1;
	free(s->made);
	s->made = NULL;
}

void
store_private(struct store *s)
{
	s->private = 1;
}

mode_t
store_file_mode(const struct store *s)
{
	return s->private ? 0440 : 0444;
}

mode_t
store_dir_mode(const struct store *s)
{
	return s->private ? 0750 : 0755;
}

int
store_has(const struct store *s, const char *id, uint64_t *size)
{
	char path[STORE_PATH];
	struct stat st;

	store_path(path, id);
	if (fstatat(s->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EBADMSG;
		return -1;
	}
	*size = (uint64_t)st.st_size;
	return 1;
}

int
store_read(const struct store *s, const char *id)
{
	char path[STORE_PATH];

	store_path(path, id);
	return openat(s->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
}

int
store_temp(struct store *s, struct store_temp *t)
{
	char name[64];

	t->serial = s->serial++;
	if (s->temporaries < 0) {
		t->fd = openat(s->root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
		    store_file_mode(s));
	} else {
		temporary_name(name, t->serial);
		/* one of a process that is gone cannot be written to */
		unlinkat(s->temporaries, name, 0);
		t->fd = openat(s->temporaries, name,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    store_file_mode(s));
	}
	return t->fd < 0 ? -1 : 0;
}

void
store_temp_discard(struct store *s, struct store_temp *t)
{
	char name[64];
	int err = errno;

	if (t->fd < 0)
		return;
	if (s->temporaries >= 0) {
		temporary_name(name, t->serial);
		unlinkat(s->temporaries, name, 0);
	}
	close(t->fd);
	t->fd = -1;
	errno = err;
}

/*
 * A descriptor may be linked by itself by who has CAP_DAC_READ_SEARCH, which
 * saves the walk through /proc; without it the answer is ENOENT.
 */
static int
link_descriptor(struct store *s, int fd, const char *path)
{
	char from[64];

	if (s->by_descriptor && linkat(fd, "", s->root, path,
	    AT_EMPTY_PATH) == 0)
		return 0;
	if (s->by_descriptor && errno != ENOENT)
		return -1;
	snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, from, s->root, path, AT_SYMLINK_FOLLOW) < 0)
		return -1;
	s->by_descriptor = 0;
	return 0;
}

/* linkat or rename, both without replacing. */
int
store_name(struct store *s, const struct store_temp *t, const char *path)
{
	char from[64];

	if (s->temporaries < 0)
		return link_descriptor(s, t->fd, path);
	temporary_name(from, t->serial);
	if (renameat2(s->temporaries, from, s->root, path,
	    RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	/* a file system without NOREPLACE: link has it by nature */
	if (linkat(s->temporaries, from, s->root, path, 0) < 0)
		return -1;
	return unlinkat(s->temporaries, from, 0);
}

/* The upper one is nearly always there. */
int
store_make_directories(const struct store *s, const char *id)
{
	mode_t mode = store_dir_mode(s);
	char upper[3], lower[6];

	snprintf(upper, sizeof upper, "%.2s", id);
	snprintf(lower, sizeof lower, "%.2s/%.2s", id, id + 2);
	if (mkdirat(s->root, lower, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -1;
	if (mkdirat(s->root, upper, mode) < 0 && errno != EEXIST)
		return -1;
	return mkdirat(s->root, lower, mode) < 0 && errno != EEXIST ? -1 : 0;
}

static int
same_size(const struct store *s, const struct store_temp *t, const char *id)
{
	struct stat st;
	uint64_t size;

	if (fstat(t->fd, &st) < 0 || store_has(s, id, &size) != 1)
		return -1;
	if (size == (uint64_t)st.st_size)
		return 0;
	errno = EBADMSG;
	return -1;
}

/* Asked of the file system once a process; 1: they were there by then. */
static int
directories_known(struct store *s, const char *id)
{
	char digits[5] = "";
	unsigned long n;
	int known;

	memcpy(digits, id, 4);
	n = strtoul(digits, NULL, 16);
	known = s->made[n / 8] >> n % 8 & 1;
	s->made[n / 8] |= (unsigned char)(1 << n % 8);
	return known;
}

int
store_temp_near(struct store *s, struct store_temp *t, const char *id)
{
	char dir[STORE_PATH];

	if (s->temporaries >= 0)
		return store_temp(s, t);
	if (!directories_known(s, id) && store_make_directories(s, id) < 0)
		return -1;
	snprintf(dir, sizeof dir, "%.2s/%.2s", id, id + 2);
	t->fd = openat(s->root, dir, O_TMPFILE | O_RDWR | O_CLOEXEC,
	    store_file_mode(s));
	/* somebody has removed it meanwhile */
	return t->fd < 0 && errno == ENOENT ? store_temp(s, t) :
	    t->fd < 0 ? -1 : 0;
}

int
store_publish(struct store *s, struct store_temp *t, const char *id)
{
	char path[STORE_PATH];
	int rc = 0, known = directories_known(s, id);

	store_path(path, id);
	if (!known)
		rc = store_make_directories(s, id);
	if (rc == 0)
		rc = store_name(s, t, path);
	if (rc < 0 && known && errno == ENOENT &&
	    store_make_directories(s, id) == 0)
		rc = store_name(s, t, path);
	if (rc < 0) {
		rc = errno == EEXIST ? same_size(s, t, id) : -1;
		store_temp_discard(s, t);
		return rc;
	}
	close(t->fd);
	t->fd = -1;
	return 1;
}

int
store_sync(const struct store *s)
{
	return syncfs(s->root);
}

int
store_free(const struct store *s, uint64_t *bytes)
{
	struct statvfs v;

	if (fstatvfs(s->root, &v) < 0)
		return -1;
	*bytes = (uint64_t)v.f_bavail * v.f_frsize;
	return 0;
}
