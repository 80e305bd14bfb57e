#define _GNU_SOURCE
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "catalogue/db.h"
#include "hash/blake3_hex.h"
#include "raw/walk.h"
#include "rows.h"
#include "sql/statements.h"
#include "store/store.h"

struct tree {
	struct rows out;
	const char *root;
	int fd;
	uint64_t names;
	char **why;
};

static int
fail(struct tree *t, const char *doing, const char *path, size_t len, int err)
{
	if (!*t->why)
		*t->why = xasprintf("could not %s %s: %s", doing,
		    quoted_bytes(path, len), strerror(err));
	return -1;
}

/* The target of a link is a content. */
static int
link_content(const struct tree *t, const char *path, char id[STORE_ID + 1],
    uint64_t *size)
{
	const char *base;
	int dir = open_parent_beneath(t->fd, path, &base);
	char target[65536];
	blake3_hasher h;
	ssize_t n = dir < 0 ? -1 : readlinkat(dir, base, target,
	    sizeof target);
	int err = errno;

	if (dir >= 0)
		close(dir);
	errno = err;
	if (n < 0)
		return -1;
	blake3_hasher_init(&h);
	blake3_hasher_update(&h, target, (size_t)n);
	blake3_hex(&h, id);
	*size = (uint64_t)n;
	return 0;
}

/* A copy that a file system with too few links made necessary. */
static int
file_content(const struct tree *t, const char *path, char id[STORE_ID + 1])
{
	int fd = open_beneath(t->fd, path, O_RDONLY | O_CLOEXEC, 0), rc, err;

	if (fd < 0)
		return -1;
	rc = store_hash(fd, id);
	err = errno;
	close(fd);
	errno = err;
	return rc;
}

static int
take(void *arg, const struct raw_record *rec)
{
	struct tree *t = arg;
	char id[STORE_ID + 1] = "", *hex;
	uint64_t size = rec->size;
	const char *path;
	size_t len;

	path = raw_relative(rec->path, rec->path_len, t->root,
	    strlen(t->root), &len);
	if (!path || !strchr("fld", rec->type))
		return 0;
	if ((rec->type == 'l' && link_content(t, path, id, &size) < 0) ||
	    (rec->type == 'f' && rec->nlink == 1 &&
	    file_content(t, path, id) < 0))
		return fail(t, "read", rec->path, rec->path_len, errno);
	hex = xmalloc(2 * len + 1);
	hex_encode(hex, path, len);
	buf_printf(&t->out.text, "\\\\x%s\t%c\t%lld\t%llu\t%s", hex, rec->type,
	    (long long)rec->ino, (unsigned long long)size,
	    *id ? id : "\\N");
	free(hex);
	t->names++;
	if (rows_row(&t->out) == 0)
		return 0;
	if (!*t->why)
		*t->why = xstrdup(db_error());
	return -1;
}

static int
problem(void *arg, int err, const char *doing, const char *path, size_t len)
{
	return fail(arg, doing, path, len, err);
}

static int
omitted(void *arg, const struct raw_omission *o)
{
	(void)o;
	return fail(arg, "read all of", ((struct tree *)arg)->root,
	    strlen(((struct tree *)arg)->root), EIO);
}

static int
take_names(struct tree *t)
{
	struct walk_progress progress = { .steps = 0 };
	struct walk w = { .arg = t, .progress = &progress, .entry = take, .problem = problem,
		.omitted = omitted };
	int rc, err;

	t->fd = open(t->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->fd < 0)
		return fail(t, "open", t->root, strlen(t->root), errno);
	w.path = xmalloc(WALK_PATH_ROOM);
	rc = walk_tree(&w, t->root);
	err = errno;
	free(w.path);
	close(t->fd);
	return rc ? fail(t, "read", t->root, strlen(t->root), err) : 0;
}

int
tree_take(PGconn *db, const char *medium, uint64_t *names, char **why)
{
	char *root = medium_tree(medium);
	struct tree t = { .root = root, .why = why };
	int rc;

	*why = NULL;
	rc = rows_begin(&t.out, db,
	    "COPY rebuild_entry (path, fs_type, ino, size, blobid) FROM STDIN");
	if (rc == 0) {
		rc = take_names(&t);
		if (rows_end(&t.out, rc < 0 ? "the tree cannot be read" :
		    NULL) < 0)
			rc = -1;
	}
	if (rc == 0)
		rc = db_do(db, sql_rebuild_take_tree, medium);
	if (rc < 0 && !*why)
		*why = xstrdup(db_error());
	*names = t.names;
	free(root);
	return rc;
}
