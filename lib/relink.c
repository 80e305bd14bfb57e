#define _GNU_SOURCE
#include "relink.h"

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

void
relink_close(struct relink *r)
{
	archived_close(&r->tree);
	if (r->there.dir >= 0)
		close(r->there.dir);
	if (r->there.root >= 0)
		close(r->there.root);
	free(r->there.dir_path);
	r->there = (struct verify_tree){ -1, -1, NULL };
	free(r->buffer);
	r->buffer = NULL;
}

/* The target is the content of the blob, and must be what the id says. */
static int
make_symlink(struct relink *r, const struct relink_name *n)
{
	char target[PATH_MAX], hex[STORE_ID + 1];
	uint8_t hash[BLAKE3_OUT_LEN];
	blake3_hasher h;
	ssize_t len = -1;
	int fd = store_read(&r->store, n->id);

	if (fd >= 0) {
		len = read_full(fd, target, sizeof target - 1);
		close(fd);
	}
	if (len < 0)
		return -1;
	target[len] = '\0';
	blake3_hasher_init(&h);
	blake3_hasher_update(&h, target, (size_t)len);
	blake3_hasher_finalize(&h, hash, sizeof hash);
	hex_encode(hex, hash, sizeof hash);
	if (strcmp(hex, n->id)) {
		errno = EBADMSG;
		return -1;
	}
	return archived_symlink(&r->tree, target, n->path);
}

int
relink_repair(struct relink *r, const struct relink_name *n)
{
	if (n->type == 'd')
		return archived_mkdir(&r->tree, n->path);
	if (n->type == 'l')
		return make_symlink(r, n);
	return archived_link(&r->tree, &r->store, n->id, n->path);
}

static enum verify_outcome
check_directory(const struct relink *r, const char *path)
{
	int fd = open_beneath(r->there.root, path, O_PATH | O_DIRECTORY,
	    0);

	if (fd < 0)
		return errno == ENOENT ? VERIFY_MISSING : VERIFY_MISMATCH;
	close(fd);
	return VERIFY_GOOD;
}

/*
 * A copy is good only of a blob with so many links that a file system may
 * allow no more; none has a lower limit than this.
 */
static int
may_be_full(const struct relink *r, const char *id)
{
	enum { LOWEST_LIMIT = 100 };
	char path[STORE_PATH];
	struct stat st;

	store_path(path, id);
	return fstatat(r->store.root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_nlink >= LOWEST_LIMIT;
}

static enum verify_outcome
check_file(struct relink *r, const struct relink_name *n)
{
	const struct archived a = { .root = r->there.root, .parent = -1 };
	enum verify_outcome outcome = verify_link_check(&r->there,
	    r->store.root, n->id, n->path, 0, r->buffer);

	return outcome == VERIFY_GOOD && !may_be_full(r, n->id) &&
	    !archived_check(&a, &r->store, n->id, n->path) ?
	    VERIFY_MISMATCH : outcome;
}

enum verify_outcome
relink_check(struct relink *r, const struct relink_name *n)
{
	if (r->there.root < 0)
		return VERIFY_MISSING;
	if (!r->buffer)
		r->buffer = xmalloc(VERIFY_BUFFER);
	if (n->type == 'd')
		return check_directory(r, n->path);
	return n->type == 'f' ? check_file(r, n) : verify_link_check(&r->there,
	    r->store.root, n->id, n->path, 1, r->buffer);
}
