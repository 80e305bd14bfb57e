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

/* The name without O_TMPFILE: what no other process has, and a number. */
static void
temporary_name(const struct store *s, char name[64], unsigned int serial)
{
	snprintf(name, 64, "%s.%u", s->token, serial);
}

/* Of processes that are gone: whoever works writes in a day. */
static void
remove_stale(int dir_fd)
{
	enum { DAY = 86400 };
	int copy = dup(dir_fd);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir)))
		if (!is_dot(entry->d_name) &&
		    fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW)
		    == 0 && st.st_mtime < time(NULL) - DAY)
			unlinkat(dir_fd, entry->d_name, 0);
	if (dir)
		closedir(dir);
}

/* ---- where syncfs(2) does not reach the disk ---- */

struct store_unsynced {
	unsigned char directories[65536 / 8];
	unsigned char *files;	/* descriptors, as bits */
	size_t size;		/* of files, in bytes */
};

static void
note_file(const struct store *s, int fd, int open)
{
	struct store_unsynced *u = s->unsynced;
	size_t byte = (size_t)fd / 8;

	if (!u || fd < 0 || (!open && byte >= u->size))
		return;
	if (byte >= u->size) {
		u->files = xrealloc(u->files, byte + 64);
		memset(u->files + u->size, 0, byte + 64 - u->size);
		u->size = byte + 64;
	}
	if (open)
		u->files[byte] |= (unsigned char)(1 << fd % 8);
	else
		u->files[byte] &= (unsigned char)~(1 << fd % 8);
}

static unsigned long
directory_number(const char *id)
{
	char digits[5] = "";

	memcpy(digits, id, 4);
	return strtoul(digits, NULL, 16);
}

void
store_note_name(const struct store *s, const char *id)
{
	unsigned long n = directory_number(id);

	if (s->unsynced)
		s->unsynced->directories[n / 8] |= (unsigned char)(1 << n % 8);
}

/* Some servers have no fsync for directories. */
static int
sync_directory(int root, const char *path)
{
	int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	rc = fsync(fd) < 0 && errno != EINVAL && errno != ENOSYS ? -1 : 0;
	close(fd);
	return rc;
}

static int
sync_each(const struct store *s)
{
	struct store_unsynced *u = s->unsynced;
	int upper = -1, i;
	size_t fd;
	char path[6];

	for (fd = 0; fd < u->size * 8; fd++)
		if (u->files[fd / 8] >> fd % 8 & 1 && fsync((int)fd) < 0)
			return -1;
	for (i = 0; i < 65536; i++) {
		if (!(u->directories[i / 8] >> i % 8 & 1))
			continue;
		snprintf(path, sizeof path, "%02x/%02x", i >> 8, i & 0xff);
		if (sync_directory(s->root, path) < 0)
			return -1;
		path[2] = '\0';
		if (i >> 8 != upper && sync_directory(s->root, path) < 0)
			return -1;
		upper = i >> 8;
	}
	/* after a failure all of them are done again */
	memset(u->directories, 0, sizeof u->directories);
	return sync_directory(s->root, ".bad") < 0 ||
	    sync_directory(s->root, STORE_TRASH) < 0 ||
	    sync_directory(s->root, ".") < 0 ? -1 : 0;
}

int
store_open(struct store *s, const char *root)
{
	int fd;

	memset(s, 0, sizeof *s);
	s->temporaries = s->root = -1;
	s->by_descriptor = s->no_replace = 1;
	s->made = xcalloc(65536 / 8, 1);
	unique_name(s->token);
	if (make_dirs(root) < 0)
		return -1;
	s->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0)
		return -1;
	if (!syncfs_reaches_disk(s->root))
		s->unsynced = xcalloc(1, sizeof *s->unsynced);
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
	if (s->unsynced)
		free(s->unsynced->files);
	free(s->unsynced);
	s->unsynced = NULL;
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
	/* whoever gave the name may not have brought it to the disk yet */
	store_note_name(s, id);
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
		temporary_name(s, name, t->serial);
		t->fd = openat(s->temporaries, name,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    store_file_mode(s));
	}
	note_file(s, t->fd, 1);
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
		temporary_name(s, name, t->serial);
		unlinkat(s->temporaries, name, 0);
	}
	note_file(s, t->fd, 0);
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
	temporary_name(s, from, t->serial);
	if (s->no_replace && renameat2(s->temporaries, from, s->root, path,
	    RENAME_NOREPLACE) == 0)
		return 0;
	if (s->no_replace && errno != EINVAL)
		return -1;
	/* a file system without NOREPLACE: link has it by nature */
	s->no_replace = 0;
	if (linkat(s->temporaries, from, s->root, path, 0) == 0)
		return unlinkat(s->temporaries, from, 0);
	if (!store_no_links(errno))
		return -1;
	/* nor links: who comes second replaces a blob with the same bytes */
	if (faccessat(s->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(s->temporaries, from, s->root, path);
}

int
store_no_links(int err)
{
	return err == EPERM || err == EOPNOTSUPP || err == ENOSYS;
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
	unsigned long n = directory_number(id);
	int known;

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
	note_file(s, t->fd, 1);
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
	store_named(s, t, id);
	return 1;
}

void
store_named(struct store *s, struct store_temp *t, const char *id)
{
	note_file(s, t->fd, 0);
	store_note_name(s, id);
	close(t->fd);
	t->fd = -1;
}

int
store_sync(const struct store *s)
{
	return s->unsynced ? sync_each(s) : syncfs(s->root);
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
