#define _GNU_SOURCE
#include "relink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/exits.h"
#include "base/fsutil.h"
#include "catalogue/db.h"
#include "store/short_name.h"
#include "hash/blake3_hex.h"

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
	blake3_hex(&h, hex);
	if (strcmp(hex, n->id)) {
		errno = EBADMSG;
		return -1;
	}
	return archived_symlink(&r->tree, target, n->path);
}

/*
 * The regular file at a path of the tree, which is not the blob's: a
 * descriptor; -1: there is none.
 */
static int
other_file(const struct relink *r, const struct relink_name *n)
{
	struct buf room = BUF_INIT;
	int fd = open_beneath(r->tree.root, short_path(n->path, &room),
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	struct stat st;

	buf_free(&room);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_ino != heal_ino(&r->store, n->id))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The connection of the main program has a query under way. */
static int
need_database(struct relink *r)
{
	if (!r->heal.db)
		r->heal.db = db_open();
	errno = EIO;
	return r->heal.db ? 0 : -1;
}

static int
mark(struct relink *r, const char *id, enum store_state state, uint64_t ino)
{
	if (need_database(r) < 0 ||
	    heal_mark(r->heal.db, &r->store, id, state, ino) < 0)
		return -1;
	errno = state == STORE_MISSING ? ENOENT : EBADMSG;
	return -1;
}

/* The tree's file has the right bytes: 1, or -1 with errno. */
static int
heal(struct relink *r, const struct relink_name *n, uint64_t size,
    struct store_temp *temp)
{
	struct heal_item item = { .size = size, .temp = *temp };

	memcpy(item.id, n->id, STORE_ID + 1);
	if (need_database(r) < 0) {
		store_temp_discard(&r->store, temp);
		return -1;
	}
	switch (heal_blobs(&r->heal, &item, 1)) {
	case HEAL_NO_DATABASE:
		errno = EIO;
		return -1;
	case HEAL_NO_STORE:
		return -1;
	case HEAL_DONE:
		break;
	}
	errno = EBADMSG;
	return item.outcome == HEAL_STILL_BAD ? -1 : 1;
}

static int
make_link(struct relink *r, const struct relink_name *n)
{
	int fd = other_file(r, n), err, rc;
	uint64_t ino = heal_ino(&r->store, n->id), size;
	char id[STORE_ID + 1] = "";
	struct store_temp temp;
	enum store_state state;

	if (fd < 0)
		return archived_link(&r->tree, &r->store, n->id, n->path);
	state = store_check(&r->store, n->id, &err);
	if (state == STORE_GOOD) {
		close(fd);
		return archived_link(&r->tree, &r->store, n->id, n->path);
	}
	rc = store_take(&r->store, fd, &temp, id, &size);
	err = errno;
	close(fd);
	if (rc < 0 && exit_for_errno(err) == EXIT_AGAIN) {
		errno = err;
		return -1;
	}
	if (rc == 0 && !strcmp(id, n->id))
		return heal(r, n, size, &temp);
	if (rc == 0)
		store_temp_discard(&r->store, &temp);
	return mark(r, n->id, state, ino);
}

int
relink_repair(struct relink *r, const struct relink_name *n)
{
	if (n->type == 'd')
		return archived_mkdir(&r->tree, n->path);
	if (n->type == 'l')
		return make_symlink(r, n);
	return make_link(r, n);
}

static enum verify_outcome
check_directory(const struct relink *r, const char *path)
{
	struct buf room = BUF_INIT;
	int fd = open_beneath(r->there.root, short_path(path, &room),
	    O_PATH | O_DIRECTORY, 0);

	buf_free(&room);
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
