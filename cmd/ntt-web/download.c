/* Contents as they are, parts of them, and pictures of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "page/markup.h"
#include "store/blob_read.h"
#include "answer.h"
#include "disposition.h"
#include "entry.h"
#include "frame.h"
#include "picture.h"

static void __attribute__((noreturn))
cannot(enum blob_outcome outcome, const char *blob)
{
	warn("%s was not given: %s", blob, blob_why(outcome));
	refuse(409, MSG_E409, outcome == BLOB_MISSING ? MSG_CONTENT_MISSING :
	    outcome == BLOB_BAD ? MSG_CONTENT_BAD : MSG_CONTENT_UNREADABLE);
}

static int
open_blob(const struct entry *e, struct store *store)
{
	struct stat st;
	int fd;

	entry_store(store);
	fd = store_read(store, e->blob);
	if (fd < 0)
		cannot(errno == ENOENT || errno == ENOTDIR ? BLOB_MISSING :
		    errno == ELOOP ? BLOB_BAD : BLOB_UNREADABLE, e->blob);
	if (fstat(fd, &st) < 0)
		cannot(BLOB_UNREADABLE, e->blob);
	/* its length is said before its bytes */
	if (!S_ISREG(st.st_mode) || st.st_size != e->blob_size)
		cannot(BLOB_BAD, e->blob);
	return fd;
}

static void
begin(const struct entry *e, unsigned int status, int64_t length)
{
	struct buf disposition = BUF_INIT, tag = BUF_INIT;
	const char *name;
	size_t len;

	name = last_part(asked->path.data, asked->path.len, &len);
	disposition_put(&disposition, name, len, "");
	buf_printf(&tag, "\"%s\"", e->blob);
	reply_header("Content-Disposition", disposition.data);
	reply_header("Accept-Ranges", "bytes");
	reply_header("ETag", tag.data);
	reply_begin(status, "application/octet-stream", POLICY_NOTHING,
	    length);
}

/* ---- all of it ---- */

static const struct entry *given;
static int begun;

/* The first block: until then nothing is promised. */
static int
put_block(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	if (!begun)
		begin(given, 200, given->blob_size);
	begun = 1;
	return reply_body(NULL, bytes, len);
}

static void __attribute__((noreturn))
give_all(const struct entry *e, int fd)
{
	struct blob_sink sink = { .buf = xmalloc(BLOB_BLOCK),
		.put = put_block };
	enum blob_outcome outcome;

	given = e;
	outcome = blob_compare(fd, e->blob, &sink);
	if (outcome != BLOB_GOOD && !begun)
		cannot(outcome, e->blob);
	if (outcome == BLOB_BAD || outcome == BLOB_UNREADABLE)
		warn("the download of %s was broken off: %s", e->blob,
		    blob_why(outcome));
	/* an empty file has no block */
	if (outcome == BLOB_GOOD && !begun)
		begin(e, 200, 0);
	_exit(outcome == BLOB_GOOD ? EXIT_DONE : EXIT_FAILED);
}

/* ---- a part ---- */

/*
 * "bytes=1-2", "bytes=1-" or "bytes=-2" of a file: 1, and first to last are
 * there; 0: it is no such range, and all is given; -1: there are no such bytes.
 */
static int
read_range(const char *range, uint64_t size, uint64_t *first, uint64_t *last)
{
	const char *dash;
	char *from;
	int wrong;

	if (!range || strncasecmp(range, "bytes=", 6))
		return 0;
	range += 6;
	dash = strchr(range, '-');
	if (!dash || strchr(range, ','))
		return 0;
	if (dash == range) {
		uint64_t n;

		if (num_u64(dash + 1, 0, UINT64_MAX, &n) < 0)
			return 0;
		if (n == 0 || size == 0)
			return -1;
		*first = n < size ? size - n : 0;
		*last = size - 1;
		return 1;
	}
	from = xasprintf("%.*s", (int)(dash - range), range);
	wrong = num_u64(from, 0, UINT64_MAX, first) < 0;
	free(from);
	*last = UINT64_MAX;
	if (wrong || (dash[1] && num_u64(dash + 1, 0, UINT64_MAX, last) < 0) ||
	    *last < *first)
		return 0;
	if (*first >= size)
		return -1;
	if (*last >= size)
		*last = size - 1;
	return 1;
}

static void __attribute__((noreturn))
give_part(const struct entry *e, const struct store *store, int fd,
    uint64_t first, uint64_t last)
{
	uint64_t left = last - first + 1;
	char *buf = xmalloc(BLOB_BLOCK), *what;
	ssize_t n = 0;
	int err = 0;

	/* what was not looked at for long is, before a part of it is given */
	if (!e->fresh) {
		enum store_state state = store_check(store, e->blob, &err);

		if (state != STORE_GOOD)
			cannot(state == STORE_BAD ? BLOB_BAD : state ==
			    STORE_MISSING ? BLOB_MISSING : BLOB_UNREADABLE,
			    e->blob);
	}
	what = xasprintf("bytes %" PRIu64 "-%" PRIu64 "/%" PRId64, first, last,
	    e->blob_size);
	reply_header("Content-Range", what);
	begin(e, 206, (int64_t)left);
	for (; left > 0; left -= (uint64_t)n, first += (uint64_t)n) {
		n = pread(fd, buf, left < BLOB_BLOCK ? left : BLOB_BLOCK,
		    (off_t)first);
		if (n <= 0 || reply_body(NULL, buf, (size_t)n) < 0)
			_exit(EXIT_FAILED);
	}
	_exit(EXIT_DONE);
}

void
get_file(void)
{
	uint64_t first = 0, last = 0;
	const char *range = asked->range;
	struct store store;
	struct entry e;
	int fd, rc;

	loaded_medium();
	entry_get(&e);
	if (e.type != 'f')
		refuse(404, MSG_E404, MSG_E404_LONG);
	entry_need(&e);
	fd = open_blob(&e, &store);
	/* a part of what was begun before must be of the same content */
	if (range && asked->if_range && (strlen(asked->if_range) !=
	    STORE_ID + 2 || strncmp(asked->if_range + 1, e.blob, STORE_ID)))
		range = NULL;
	rc = read_range(range, (uint64_t)e.blob_size, &first, &last);
	if (rc < 0) {
		char *what = xasprintf("bytes */%" PRId64, e.blob_size);

		reply_header("Content-Range", what);
		refuse(416, MSG_E416, MSG_E416_LONG);
	}
	if (rc > 0)
		give_part(&e, &store, fd, first, last);
	give_all(&e, fd);
}

/* ---- pictures ---- */

static int
skip(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	(void)bytes;
	(void)len;
	return 0;
}

/* The path of the blob, whose bytes are right and may be a picture. */
static char *
picture_file(const struct entry *e)
{
	struct blob_sink sink = { .buf = xmalloc(BLOB_BLOCK), .put = skip };
	char path[STORE_PATH], head[PICTURE_HEAD];
	enum blob_outcome outcome;
	struct store store;
	ssize_t n;
	int fd = open_blob(e, &store);

	n = e->blob_size <= PICTURE_MOST ? pread(fd, head, sizeof head, 0) : 0;
	if (n < 0)
		cannot(BLOB_UNREADABLE, e->blob);
	if (!picture_plausible(head, (size_t)n))
		refuse(415, MSG_E415, MSG_E415_LONG);
	outcome = blob_compare(fd, e->blob, &sink);
	if (outcome != BLOB_GOOD)
		cannot(outcome, e->blob);
	close(fd);
	free(sink.buf);
	store_path(path, e->blob);
	return path_join(config_get(CONFIG_BYHASH_ROOT), path);
}

static void
get_picture(enum picture_size size)
{
	enum picture_state state;
	struct buf jpeg = BUF_INIT;
	struct entry e;
	char *file;

	loaded_medium();
	entry_get(&e);
	if (e.type != 'f')
		refuse(404, MSG_E404, MSG_E404_LONG);
	entry_need(&e);
	state = picture_find(e.blob, size, &jpeg);
	if (state == PICTURE_UNKNOWN) {
		if (!picture_possible())
			refuse(501, MSG_E501, MSG_PICTURES_NEED);
		file = picture_file(&e);
		/* no connection waits for a picture */
		PQfinish(db);
		buf_reset(&jpeg);
		state = picture_make(file, e.blob, size, &jpeg);
	}
	if (state == PICTURE_KEPT)
		picture_reply(&jpeg);
	if (state == PICTURE_NONE)
		refuse(415, MSG_E415, MSG_E415_LONG);
	refuse(503, MSG_E503_PICTURE, MSG_E503_PICTURE_LONG);
}

void
get_image(void)
{
	get_picture(PICTURE_LARGE);
}

void
get_small(void)
{
	get_picture(PICTURE_SMALL);
}
