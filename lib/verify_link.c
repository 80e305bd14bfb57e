#define _GNU_SOURCE
#include "verify_link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blake3.h"
#include "buf.h"
#include "fsutil.h"

int
verify_tree_open(struct archived *a, const char *root, const char *medium)
{
	char *path;

	memset(a, 0, sizeof *a);
	a->root = -1;
	if (!*root)
		return 0;
	path = path_join(root, medium);
	a->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	free(path);
	if (a->root >= 0)
		return 1;
	return errno == ENOENT ? 0 : -1;
}

static int
same_hash(const blake3_hasher *h, const char *id)
{
	uint8_t hash[BLAKE3_OUT_LEN];
	char hex[STORE_ID + 1];

	blake3_hasher_finalize(h, hash, sizeof hash);
	hex_encode(hex, hash, sizeof hash);
	return !strcmp(hex, id);
}

static enum verify_outcome
check_symlink(int root, const char *id, const char *path)
{
	char target[PATH_MAX];
	const char *base;
	blake3_hasher h;
	int dir = open_parent_beneath(root, path, &base), err;
	ssize_t n = -1;

	if (dir >= 0)
		n = readlinkat(dir, base, target, sizeof target);
	err = errno;
	if (dir >= 0)
		close(dir);
	if (n < 0)
		return err == ENOENT ? VERIFY_MISSING : VERIFY_MISMATCH;
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
verify_link_check(const struct archived *a, int store, const char *id,
    const char *path, int symlink, char *buf)
{
	struct store s = { store, -1, 0 };

	if (symlink)
		return check_symlink(a->root, id, path);
	if (archived_check(a, &s, id, path))
		return VERIFY_GOOD;
	return check_copy(a->root, id, path, buf);
}
