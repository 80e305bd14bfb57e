/* The file of a blob looked at, and replaced: see store.h. */
#define _GNU_SOURCE
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "hash/blake3_hex.h"

enum { PIECE = 1 << 20 };

static const char bad_dir[] = ".bad";

/* The rest of fd, hashed, and written to "to" unless that is -1. */
static int
pass(int fd, int to, char id[STORE_ID + 1], uint64_t *size)
{
	char *piece = xmalloc(PIECE);
	blake3_hasher h;
	ssize_t n;

	*size = 0;
	blake3_hasher_init(&h);
	while ((n = read_full(fd, piece, PIECE)) > 0) {
		blake3_hasher_update(&h, piece, (size_t)n);
		*size += (uint64_t)n;
		if (to >= 0 && write_all(to, piece, (size_t)n) < 0)
			break;
	}
	free(piece);
	if (n != 0)
		return -1;
	blake3_hex(&h, id);
	return 0;
}

int
store_hash(int fd, char id[STORE_ID + 1])
{
	uint64_t size;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return pass(fd, -1, id, &size);
}

int
store_take(struct store *s, int fd, struct store_temp *t,
    char id[STORE_ID + 1], uint64_t *size)
{
	if (store_temp(s, t) < 0)
		return -1;
	if (pass(fd, t->fd, id, size) == 0)
		return 0;
	store_temp_discard(s, t);
	return -1;
}

enum store_state
store_check(const struct store *s, const char *id, int *err)
{
	int fd = store_read(s, id), rc;
	char got[STORE_ID + 1];
	struct stat st;

	*err = 0;
	if (fd < 0) {
		*err = errno;
		return errno == ENOENT || errno == ENOTDIR ? STORE_MISSING :
		    errno == ELOOP ? STORE_BAD : STORE_UNREADABLE;
	}
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		close(fd);
		return STORE_BAD;
	}
	rc = store_hash(fd, got);
	*err = rc < 0 ? errno : 0;
	close(fd);
	if (rc < 0)
		return STORE_UNREADABLE;
	return strcmp(got, id) ? STORE_BAD : STORE_GOOD;
}

const char *
store_state_name(enum store_state state)
{
	static const char *const names[] = {
		[STORE_GOOD] = "good", [STORE_BAD] = "bad",
		[STORE_MISSING] = "missing",
		[STORE_UNREADABLE] = "unreadable",
	};

	return names[state];
}

/*
 * Another name for the old file: 1; 0 when there is none; -1 with errno.  It
 * may have all the links that its file system allows, and then EMLINK.
 */
static int
keep_old(int root, int bad, const char *path, const char *id,
    char name[STORE_ID + 48])
{
	char date[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	unsigned int i;

	if (gmtime_r(&now, &tm))
		strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &tm);
	snprintf(name, STORE_ID + 48, "%s.%s", id, date);
	for (i = 1; ; i++) {
		if (linkat(root, path, bad, name, 0) == 0)
			return 1;
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		if (errno != EEXIST)
			return -1;
		snprintf(name, STORE_ID + 48, "%s.%s.%u", id, date, i);
	}
}

/* A name in .bad for the new file, until it has that of the blob. */
static int
name_new(struct store *s, struct store_temp *t, int bad, const char *name)
{
	char *path = xasprintf("%s/%s", bad_dir, name);
	int rc;

	/* of a process that was killed; whoever holds the row is alone */
	unlinkat(bad, name, 0);
	rc = store_name(s, t, path);
	free(path);
	return rc;
}

static int
put_in_place(struct store *s, struct store_temp *t, int bad, const char *id)
{
	char path[STORE_PATH], old[STORE_ID + 48], new[STORE_ID + 8];
	int kept, no_links;

	store_path(path, id);
	snprintf(new, sizeof new, "%s.new", id);
	kept = keep_old(s->root, bad, path, id, old);
	if (kept < 0 && errno != EMLINK && !store_no_links(errno))
		return -1;
	no_links = kept < 0 && errno != EMLINK;
	if (name_new(s, t, bad, new) < 0)
		return -1;
	/* for a moment the blob has no file, which only such a disk needs */
	if (no_links)
		return renameat(s->root, path, bad, old) < 0 ||
		    fsync(bad) < 0 || renameat(bad, new, s->root, path) < 0 ?
		    -1 : 0;
	/* its old names are the trees', so both get the other one's name */
	if (kept < 0)
		return renameat2(bad, new, s->root, path, RENAME_EXCHANGE) < 0 ||
		    renameat2(bad, new, bad, old, RENAME_NOREPLACE) < 0 ?
		    -1 : 0;
	if (fsync(bad) < 0)
		return -1;
	if (renameat(bad, new, s->root, path) == 0)
		return 0;
	if (errno != ENOENT || store_make_directories(s, id) < 0)
		return -1;
	return renameat(bad, new, s->root, path);
}

int
store_from_trash(struct store *s, const char *id)
{
	char path[STORE_PATH], from[STORE_ID + sizeof STORE_TRASH + 1];

	store_path(path, id);
	snprintf(from, sizeof from, STORE_TRASH "/%s", id);
	if (renameat2(s->root, from, s->root, path, RENAME_NOREPLACE) == 0 ||
	    (errno == EINVAL && faccessat(s->root, path, F_OK,
	    AT_SYMLINK_NOFOLLOW) < 0 && renameat(s->root, from, s->root,
	    path) == 0)) {
		store_note_name(s, id);
		return 1;
	}
	/* somebody has stored it anew */
	return errno == ENOENT || errno == EEXIST ? 0 : -1;
}

int
store_replace(struct store *s, struct store_temp *t, const char *id)
{
	int bad = -1, rc = -1, err;

	if (fsync(t->fd) == 0 &&
	    (mkdirat(s->root, bad_dir, store_dir_mode(s)) == 0 ||
	    errno == EEXIST))
		bad = openat(s->root, bad_dir, O_RDONLY | O_DIRECTORY |
		    O_CLOEXEC | O_NOFOLLOW);
	if (bad >= 0)
		rc = put_in_place(s, t, bad, id);
	err = errno;
	if (bad >= 0)
		close(bad);
	if (rc == 0)
		store_named(s, t, id);
	store_temp_discard(s, t);
	errno = err;
	return rc;
}
