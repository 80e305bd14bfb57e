#define _GNU_SOURCE
#include "store/verify_link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "hash/blake3_hex.h"
#include "store/short_name.h"
#include "store/store.h"

int
verify_tree_open(struct verify_tree *t, const char *root, const char *medium)
{
	char *path;

	t->root = t->dir = -1;
	t->dir_path = NULL;
	if (!*root)
		return 0;
	path = path_join(root, medium);
	t->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	free(path);
	if (t->root >= 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

/* The directory that holds path, kept open for the next one; or -1. */
static int
parent_of(struct verify_tree *t, const char *path, const char **base)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	*base = slash ? slash + 1 : path;
	if (t->dir >= 0 && strlen(t->dir_path) == len &&
	    !memcmp(t->dir_path, path, len))
		return t->dir;
	if (t->dir >= 0)
		close(t->dir);
	free(t->dir_path);
	t->dir_path = xasprintf("%.*s", (int)len, path);
	t->dir = open_beneath(t->root, len ? t->dir_path : ".",
	    O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	return t->dir;
}

static int
is_blob(struct verify_tree *t, int store, const char *id, const char *path)
{
	char blob[STORE_PATH];
	struct stat want, st;
	const char *base;
	int dir = parent_of(t, path, &base);

	store_path(blob, id);
	return dir >= 0 &&
	    fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(store, blob, &want, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == want.st_ino && st.st_dev == want.st_dev;
}

static int
same_hash(const blake3_hasher *h, const char *id)
{
	char hex[STORE_ID + 1];

	blake3_hex(h, hex);
	return !strcmp(hex, id);
}

static enum verify_outcome
check_symlink(struct verify_tree *t, const char *id, const char *path)
{
	char target[PATH_MAX];
	const char *base;
	blake3_hasher h;
	int dir = parent_of(t, path, &base);
	ssize_t n = -1;

	if (dir >= 0)
		n = readlinkat(dir, base, target, sizeof target);
	if (n < 0)
		return errno == ENOENT ? VERIFY_MISSING : VERIFY_MISMATCH;
	blake3_hasher_init(&h);
	blake3_hasher_update(&h, target, (size_t)n);
	return same_hash(&h, id) ? VERIFY_GOOD : VERIFY_MISMATCH;
}

static enum verify_outcome
check_copy(int root, const char *id, const char *path, char *buf)
{
	int fd = open_beneath(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK,
	    0);
	blake3_hasher h;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? VERIFY_MISSING :
		    errno == ELOOP ? VERIFY_MISMATCH : VERIFY_UNREADABLE;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return VERIFY_MISMATCH;
	}
	blake3_hasher_init(&h);
	while ((n = read_full(fd, buf, VERIFY_BUFFER)) > 0)
		blake3_hasher_update(&h, buf, (size_t)n);
	close(fd);
	if (n < 0)
		return VERIFY_UNREADABLE;
	return same_hash(&h, id) ? VERIFY_GOOD : VERIFY_MISMATCH;
}

enum verify_outcome
verify_link_check(struct verify_tree *t, int store, const char *id,
    const char *path, int symlink, char *buf)
{
	struct buf room = BUF_INIT;
	enum verify_outcome outcome;

	path = short_path(path, &room);
	if (symlink)
		outcome = check_symlink(t, id, path);
	else if (is_blob(t, store, id, path))
		outcome = VERIFY_GOOD;
	else
		outcome = check_copy(t->root, id, path, buf);
	buf_free(&room);
	return outcome;
}
