#define _GNU_SOURCE
#include "store/archived.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fnv.h"
#include "base/fsutil.h"
#include "store/short_name.h"

static void
temporary_name(char name[64])
{
	char token[UNIQUE_NAME + 1];

	unique_name(token);
	snprintf(name, 64, ".ntt.%s.tmp", token);
}

/* Is this a file system whose hard links cannot be taken for granted? */
static int
may_lack_links(int dir)
{
	struct statfs fs;

	return !syncfs_reaches_disk(dir) || (fstatfs(dir, &fs) == 0 &&
	    ((uint32_t)fs.f_type == MSDOS_SUPER_MAGIC ||
	    (uint32_t)fs.f_type == EXFAT_SUPER_MAGIC));
}

/* 0, or -1 with errno: EOPNOTSUPP there are none. */
static int
try_link(int dir)
{
	char name[64], other[68];
	int fd, rc, err;

	temporary_name(name);
	snprintf(other, sizeof other, "%s.2", name);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	close(fd);
	rc = linkat(dir, name, dir, other, 0);
	err = rc < 0 && store_no_links(errno) ? EOPNOTSUPP : errno;
	unlinkat(dir, other, 0);
	unlinkat(dir, name, 0);
	errno = err;
	return rc;
}

int
archived_open(struct archived *a, const char *root, const char *medium,
    const struct store *s)
{
	struct stat tree, blobs;
	char *path;
	int err;

	memset(a, 0, sizeof *a);
	a->root = a->parent = -1;
	a->dir_mode = store_dir_mode(s);
	if (!*root)
		return 0;
	path = path_join(root, medium);
	if (make_dirs(path) == 0)
		a->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
		    O_NOFOLLOW);
	free(path);
	if (a->root < 0)
		return -1;
	if (fstat(a->root, &tree) < 0 || fstat(s->root, &blobs) < 0)
		return -1;
	/* make_dirs() knows of no private stores */
	if (s->private && (tree.st_mode & 07777) != a->dir_mode &&
	    tree.st_uid == geteuid() && fchmod(a->root, a->dir_mode) < 0)
		return -1;
	a->by_hand = !syncfs_reaches_disk(a->root);
	a->dev = tree.st_dev;
	errno = EXDEV;
	if (tree.st_dev == blobs.st_dev &&
	    (!may_lack_links(a->root) || try_link(a->root) == 0))
		return 0;
	err = errno;
	archived_close(a);
	errno = err;
	return -1;
}

void
archived_close(struct archived *a)
{
	if (a->root >= 0)
		close(a->root);
	if (a->parent >= 0)
		close(a->parent);
	a->root = a->parent = -1;
	free(a->parent_path);
	a->parent_path = NULL;
	free(a->overflow_path);
	a->overflow_path = NULL;
	buf_free(&a->room);
}

/* Paths of media were checked by nobody: relative, and no "." or "..". */
static int
well_formed(const char *path)
{
	const char *p, *end;

	for (p = path; ; p = end + 1) {
		size_t len;

		end = strchrnul(p, '/');
		len = (size_t)(end - p);
		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.')) {
			errno = EINVAL;
			return 0;
		}
		if (*end == '\0')
			return 1;
	}
}

/* Its names; some servers have no fsync for directories. */
static int
sync_directory(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd) < 0 && errno != EINVAL && errno != ENOSYS ? -1 : 0;
	close(fd);
	return rc;
}

/* The directories above a path, one component at a time, no link followed. */
static int
make_parents_beneath(const struct archived *a, const char *path)
{
	const char *p, *slash;
	int root = a->root, at = root, next, err;

	for (p = path; (slash = strchr(p, '/')); p = slash + 1) {
		char *name = xasprintf("%.*s", (int)(slash - p), p);
		if ((mkdirat(at, name, a->dir_mode) < 0 && errno != EEXIST) ||
		    (a->by_hand && sync_directory(at) < 0)) {
			free(name);
			goto fail;
		}
		next = open_beneath(at, name, O_PATH | O_DIRECTORY, 0);
		free(name);
		if (next < 0)
			goto fail;
		if (at != root)
			close(at);
		at = next;
	}
	if (at != root)
		close(at);
	return 0;
fail:
	err = errno;
	if (at != root)
		close(at);
	errno = err;
	return -1;
}

/*
 * The directory that holds the path *of, made if it is missing.  *of and *base become
 * where it is in the tree, valid until the next call.  The descriptor is a's:
 * inodes next to each other are mostly files of one directory.
 */
static int
open_parent(struct archived *a, const char **of, const char **base)
{
	const char *path = short_path(*of, &a->room), *slash;
	size_t len;

	a->shortened += path != *of;
	*of = path;
	slash = strrchr(path, '/');
	len = slash ? (size_t)(slash - path) : 0;
	*base = slash ? slash + 1 : path;
	if (!well_formed(path))
		return -1;
	if (a->parent >= 0 && strlen(a->parent_path) == len &&
	    !memcmp(a->parent_path, path, len)) {
		a->unsynced = a->by_hand;
		return a->parent;
	}
	if (archived_sync(a) < 0)
		return -1;
	if (a->parent >= 0)
		close(a->parent);
	a->parent = open_parent_beneath(a->root, path, base);
	if (a->parent < 0 && errno == ENOENT &&
	    make_parents_beneath(a, path) == 0)
		a->parent = open_parent_beneath(a->root, path, base);
	free(a->parent_path);
	a->parent_path = xasprintf("%.*s", (int)len, path);
	a->unsynced = a->by_hand;
	return a->parent;
}

int
archived_sync(struct archived *a)
{
	if (!a->unsynced || a->parent < 0)
		return 0;
	if (sync_directory(a->parent) < 0)
		return -1;
	a->unsynced = 0;
	return 0;
}

static int
is_inode(int dir, const char *base, const struct stat *want)
{
	struct stat st;

	return fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == want->st_ino && st.st_dev == want->st_dev;
}

/* Something else stands there: the new name replaces it in one step. */
static int
rename_over(int dir, const char *temporary, const char *base)
{
	int rc = renameat(dir, temporary, dir, base), err = errno;

	/* two names of one inode are left as they are, without an error */
	unlinkat(dir, temporary, 0);
	errno = err;
	return rc < 0 ? -1 : 1;
}

/*
 * The same whoever makes this link of this file, so that who does it again
 * after a kill finds what is left.
 */
static void
link_name(char name[64], ino_t ino, const char *base)
{
	snprintf(name, 64, ".ntt.%llx.%llx.tmp", (unsigned long long)ino,
	    (unsigned long long)fnv(FNV_START, base, strlen(base)));
}

static int
replace_with_link(int from_dir, const char *from, int dir, const char *base)
{
	char temporary[64];
	struct stat st;
	int rc;

	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	/* rename(2) of two names of one inode would leave both */
	if (is_inode(dir, base, &st))
		return 0;
	link_name(temporary, st.st_ino, base);
	unlinkat(dir, temporary, 0);
	if (linkat(from_dir, from, dir, temporary, 0) < 0 && errno != EEXIST)
		return -1;
	rc = rename_over(dir, temporary, base);
	/* somebody else was doing the same */
	return rc < 0 && errno == ENOENT && is_inode(dir, base, &st) ? 0 : rc;
}

static int
link_or_replace(int from_dir, const char *from, int dir, const char *base)
{
	if (linkat(from_dir, from, dir, base, 0) == 0)
		return 1;
	if (errno != EEXIST)
		return -1;
	return replace_with_link(from_dir, from, dir, base);
}

static int
copy_bytes(int from, int to)
{
	ssize_t n;

	do
		n = sendfile(to, from, NULL, 1 << 20);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -1 : 0;
}

/* A file of its own at the path, with the bytes of the blob. */
static int
overflow_copy(const struct store *s, const char *id, int dir,
    const char *base)
{
	char temporary[64];
	int from = store_read(s, id), to = -1, rc = -1, err;

	temporary_name(temporary);
	if (from >= 0)
		to = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL |
		    O_CLOEXEC | O_NOFOLLOW, store_file_mode(s));
	if (to >= 0 && copy_bytes(from, to) == 0 && fsync(to) == 0)
		rc = 0;
	err = errno;
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	errno = err;
	if (rc < 0) {
		if (to >= 0)
			unlinkat(dir, temporary, 0);
		errno = err;
		return -1;
	}
	return rename_over(dir, temporary, base);
}

/* 1: what stands there has the bytes of the blob. */
static int
is_copy(const struct store *s, const char *id, int dir, const char *base)
{
	enum { PIECE = 1 << 16 };
	int blob = store_read(s, id), there, same = 0;
	char *a = xmalloc(2 * PIECE), *b = a + PIECE;
	struct stat x, y;
	ssize_t n = -1;

	there = openat(dir, base, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (blob >= 0 && there >= 0 && fstat(blob, &x) == 0 &&
	    fstat(there, &y) == 0 && S_ISREG(y.st_mode) &&
	    x.st_size == y.st_size)
		do {
			n = read_full(blob, a, PIECE);
			same = n >= 0 && read_full(there, b, PIECE) == n &&
			    !memcmp(a, b, (size_t)n);
		} while (same && n > 0);
	if (blob >= 0)
		close(blob);
	if (there >= 0)
		close(there);
	free(a);
	return same;
}

static void
remember_overflow(struct archived *a, const char *id, const char *path)
{
	memcpy(a->overflow_id, id, STORE_ID + 1);
	free(a->overflow_path);
	a->overflow_path = xstrdup(path);
}

static int
link_overflow(struct archived *a, const struct store *s, const char *id,
    int dir, const char *base, const char *path)
{
	int rc;

	if (is_copy(s, id, dir, base)) {
		remember_overflow(a, id, path);
		return 0;
	}
	/* the last copy still has room for more names */
	if (a->overflow_path && !strcmp(a->overflow_id, id)) {
		const char *from_base;
		int from = open_parent_beneath(a->root, a->overflow_path,
		    &from_base);

		rc = from < 0 ? -1 :
		    link_or_replace(from, from_base, dir, base);
		if (from >= 0)
			close(from);
		if (rc >= 0)
			return rc;
	}
	rc = overflow_copy(s, id, dir, base);
	if (rc < 0)
		return -1;
	a->overflows++;
	remember_overflow(a, id, path);
	return rc;
}

int
archived_link(struct archived *a, const struct store *s, const char *id,
    const char *path)
{
	char from[STORE_PATH];
	const char *base;
	int dir, rc;

	if (a->root < 0)
		return 0;
	dir = open_parent(a, &path, &base);
	if (dir < 0)
		return -1;
	store_path(from, id);
	rc = link_or_replace(s->root, from, dir, base);
	if (rc < 0 && errno == EMLINK)
		rc = link_overflow(a, s, id, dir, base, path);
	return rc;
}

static int
is_symlink_to(int dir, const char *base, const char *target)
{
	size_t len = strlen(target);
	char *there = xmalloc(len + 1);
	ssize_t n = readlinkat(dir, base, there, len + 1);
	int same = n == (ssize_t)len && !memcmp(there, target, len);

	free(there);
	return same;
}

int
archived_symlink(struct archived *a, const char *target, const char *path)
{
	char temporary[64];
	const char *base;
	int dir, rc;

	if (a->root < 0)
		return 0;
	dir = open_parent(a, &path, &base);
	if (dir < 0)
		return -1;
	rc = symlinkat(target, dir, base) == 0 ? 1 : -1;
	if (rc < 0 && errno == EEXIST && is_symlink_to(dir, base, target)) {
		rc = 0;
	} else if (rc < 0 && errno == EEXIST) {
		temporary_name(temporary);
		if (symlinkat(target, dir, temporary) == 0)
			rc = rename_over(dir, temporary, base);
	}
	return rc;
}

int
archived_mkdir(struct archived *a, const char *path)
{
	const char *base;
	struct stat st;
	int dir, rc;

	/* the root of the medium is there */
	if (a->root < 0 || !*path)
		return 0;
	dir = open_parent(a, &path, &base);
	if (dir < 0)
		return -1;
	rc = mkdirat(dir, base, a->dir_mode) == 0 ? 1 : -1;
	if (rc < 0 && errno == EEXIST &&
	    fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		rc = S_ISDIR(st.st_mode) ? 0 : -1;
		errno = ENOTDIR;
	}
	return rc;
}

int
archived_conflict(int err)
{
	return err == ENOTDIR || err == EISDIR || err == EINVAL ||
	    err == ENAMETOOLONG || err == ELOOP || err == EEXIST ||
	    err == ENOTEMPTY;
}

int
archived_check(const struct archived *a, const struct store *s,
    const char *id, const char *path)
{
	char from[STORE_PATH];
	struct buf room = BUF_INIT;
	const char *base;
	struct stat st;
	int dir = -1, same = 0;

	store_path(from, id);
	path = short_path(path, &room);
	if (well_formed(path) &&
	    fstatat(s->root, from, &st, AT_SYMLINK_NOFOLLOW) == 0)
		dir = open_parent_beneath(a->root, path, &base);
	if (dir >= 0) {
		same = is_inode(dir, base, &st);
		close(dir);
	}
	buf_free(&room);
	return same;
}
