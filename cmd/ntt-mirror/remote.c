/*
 * A remote place: packs, which are plain tar files of many blobs, each with its
 * index beside, and the other files as objects of their own.
 *
 * The name of a pack comes from its index, so an interrupted pack is written
 * again under the same name.  The blobs are read twice, the first time to check
 * them.  Then the pack is sent, read back and compared; then the index is sent;
 * then the catalogue records the pack.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/progress.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "hash/blake3_hex.h"
#include "mirror.h"
#include "sql/statements.h"
#include "store/blob_read.h"

enum {
	BLOCK = 512,			/* of tar */
	PACK_BLOBS = 65536,
	PIECE = 1 << 20
};
#define PACK_BYTES (64ULL << 20)
#define OCTAL_MAX 077777777777ULL	/* of a size in tar */

struct member {
	char id[STORE_ID + 1];
	uint64_t size, start;
	char pack[STORE_ID + 1];	/* that has it now; "": the store has */
	uint64_t from;			/* where, in that */
};

static struct {
	struct member *list;
	size_t count;
	uint64_t bytes;
} pack;

static void __attribute__((noreturn))
remote_failed(const struct mirror *m, const char *doing, const char *object)
{
	mirror_interrupted(m);
	die(EXIT_AGAIN, "rclone could not %s %s of %s", doing, object,
	    m->to->name);
}

/* ---- an object, out and back ---- */

struct out {
	struct remote_io io;
	blake3_hasher hash;
	uint64_t at;
};

static void
out_begin(const struct mirror *m, struct out *o, const char *object)
{
	o->at = 0;
	blake3_hasher_init(&o->hash);
	if (remote_put(&o->io, object) == 0)
		return;
	if (errno == ENOENT)
		die(EXIT_NOPROG, "could not find \"rclone\": install package "
		    "rclone");
	die_errno("could not run rclone for %s: %m", m->to->name);
}

static int
out_put(struct out *o, const void *bytes, size_t len)
{
	blake3_hasher_update(&o->hash, bytes, len);
	o->at += len;
	if (sig_caught()) {
		errno = EINTR;
		return -1;
	}
	return write_all(o->io.fd, bytes, len);
}

/* 0 and the BLAKE3 of an object; -1: rclone could not read it. */
static int
hash_object(const char *object, char id[STORE_ID + 1])
{
	char *piece = xmalloc(PIECE);
	struct remote_io io;
	blake3_hasher h;
	ssize_t n = -1;

	blake3_hasher_init(&h);
	if (remote_get(&io, object, 0, 0) < 0) {
		free(piece);
		return -1;
	}
	while (!sig_caught() && (n = read_full(io.fd, piece, PIECE)) > 0)
		blake3_hasher_update(&h, piece, (size_t)n);
	free(piece);
	blake3_hex(&h, id);
	if (n != 0) {
		remote_abort(&io);
		return -1;
	}
	return remote_end(&io) == 0 ? 0 : -1;
}

/* All of it was put: it has arrived. */
static void
out_end(const struct mirror *m, struct out *o, const char *object,
    char id[STORE_ID + 1])
{
	char back[STORE_ID + 1];

	blake3_hex(&o->hash, id);
	if (remote_end(&o->io) != 0)
		remote_failed(m, "write", object);
	if (hash_object(object, back) < 0)
		remote_failed(m, "read back", object);
	if (strcmp(id, back))
		die(EXIT_FAILED, "%s gave other bytes for %s than were "
		    "written", m->to->name, object);
}

/* ---- packs ---- */

static void
octal(char *field, size_t len, uint64_t n)
{
	snprintf(field, len, "%0*llo", (int)len - 1, (unsigned long long)n);
}

/* POSIX ustar; a size that has no room in octal as GNU tar writes it. */
static void
tar_header(char block[BLOCK], const struct member *b)
{
	unsigned int sum = 0, i;

	memset(block, 0, BLOCK);
	memcpy(block, b->id, STORE_ID);
	octal(block + 100, 8, 0444);
	octal(block + 108, 8, 0);
	octal(block + 116, 8, 0);
	if (b->size <= OCTAL_MAX) {
		octal(block + 124, 12, b->size);
	} else {
		block[124] = (char)0x80;
		for (i = 0; i < 8; i++)
			block[135 - i] = (char)(b->size >> 8 * i);
	}
	octal(block + 136, 12, 0);
	block[156] = '0';
	memcpy(block + 257, "ustar\00000", 8);
	memset(block + 148, ' ', 8);
	for (i = 0; i < BLOCK; i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
}

static int
put(void *arg, const void *bytes, size_t len)
{
	return out_put(arg, bytes, len);
}

/* Where everything will be, and what that is called. */
static void
plan(struct buf *index, char name[STORE_ID + 1])
{
	uint64_t at = 0;
	blake3_hasher h;
	size_t i;

	for (i = 0; i < pack.count; i++) {
		struct member *b = &pack.list[i];

		b->start = at + BLOCK;
		at = b->start + (b->size + BLOCK - 1) / BLOCK * BLOCK;
		buf_printf(index, "%s %llu %llu\n", b->id,
		    (unsigned long long)b->start, (unsigned long long)b->size);
	}
	blake3_hasher_init(&h);
	blake3_hasher_update(&h, index->data, index->len);
	blake3_hex(&h, name);
}

/* The pack that members are read from, one after another. */
struct source {
	struct remote_io io;
	char pack[STORE_ID + 1];
	uint64_t at;
};

static void
source_end(struct source *s)
{
	if (s->io.fd >= 0)
		remote_abort(&s->io);
	s->io.fd = -1;
}

/* So many bytes, which go to o and h unless these are NULL: 0 or -1. */
static int
pass(struct source *s, uint64_t len, struct out *o, blake3_hasher *h,
    char *piece)
{
	while (len > 0) {
		size_t want = len < BLOB_BLOCK ? (size_t)len : BLOB_BLOCK;

		if (sig_caught() || read_full(s->io.fd, piece, want) !=
		    (ssize_t)want)
			return -1;
		if (h)
			blake3_hasher_update(h, piece, want);
		if (o && out_put(o, piece, want) < 0)
			return -1;
		s->at += want;
		len -= want;
	}
	return 0;
}

/* A member of another pack; BLOB_NOT_TAKEN: it could not be written. */
static enum blob_outcome
put_packed(struct source *s, struct out *o, const struct member *b, char *buf)
{
	char *object, id[STORE_ID + 1];
	blake3_hasher h;
	int rc;

	if (s->io.fd >= 0 && (strcmp(s->pack, b->pack) || s->at > b->from))
		source_end(s);
	if (s->io.fd < 0) {
		object = xasprintf("packs/%s.tar", b->pack);
		rc = remote_get(&s->io, object, b->from, 0);
		free(object);
		if (rc < 0)
			return BLOB_UNREADABLE;
		memcpy(s->pack, b->pack, sizeof s->pack);
		s->at = b->from;
	}
	blake3_hasher_init(&h);
	if (pass(s, b->from - s->at, NULL, NULL, buf) < 0 ||
	    pass(s, b->size, o, &h, buf) < 0)
		return BLOB_UNREADABLE;
	blake3_hex(&h, id);
	return strcmp(id, b->id) ? BLOB_BAD : BLOB_GOOD;
}

static void
put_members(struct mirror *m, struct out *o, const char *object, char *buf)
{
	struct source from = { .io = { .fd = -1 } };
	const struct blob_sink sink = { .buf = buf, .put = put, .arg = o,
		.stop = sig_caught };
	static const char zeros[2 * BLOCK];
	char header[BLOCK];
	size_t i;
	int rc;

	for (i = 0; i < pack.count; i++) {
		const struct member *b = &pack.list[i];
		enum blob_outcome outcome;

		tar_header(header, b);
		rc = out_put(o, header, BLOCK);
		outcome = rc < 0 ? BLOB_NOT_TAKEN : *b->pack ?
		    put_packed(&from, o, b, buf) :
		    blob_read(&m->home, b->id, &sink);
		if (outcome == BLOB_GOOD && o->at == b->start + b->size)
			rc = out_put(o, zeros, (BLOCK - b->size % BLOCK) %
			    BLOCK);
		if (outcome == BLOB_GOOD && rc == 0 && o->at % BLOCK == 0)
			continue;
		remote_abort(&o->io);
		source_end(&from);
		mirror_interrupted(m);
		if (rc == 0 && outcome != BLOB_NOT_TAKEN)
			die(EXIT_AGAIN, "blob %s changed while it was sent",
			    b->id);
		remote_failed(m, "write", object);
	}
	source_end(&from);
	if (out_put(o, zeros, sizeof zeros) < 0) {
		remote_abort(&o->io);
		remote_failed(m, "write", object);
	}
}

static void
record_pack(struct mirror *m, const char *name)
{
	struct pack_index x;
	size_t i;

	pack_index_init(&x);
	for (i = 0; i < pack.count; i++)
		pack_index_add(&x, pack.list[i].id, pack.list[i].start,
		    pack.list[i].size);
	if (pack_record(m->db, m->to->name, name, &x) < 0)
		db_die("could not record what %s has", m->to->name);
	pack_index_free(&x);
	m->blobs += pack.count;
	m->bytes += pack.bytes;
	pack.count = 0;
	pack.bytes = 0;
}

static void
put_object(struct mirror *m, const char *object, const struct buf *text)
{
	char id[STORE_ID + 1];
	struct out o;

	out_begin(m, &o, object);
	if (out_put(&o, text->data, text->len) < 0) {
		remote_abort(&o.io);
		remote_failed(m, "write", object);
	}
	out_end(m, &o, object, id);
}

static void
send_pack(struct mirror *m, char *buf)
{
	struct buf index = BUF_INIT;
	char name[STORE_ID + 1], id[STORE_ID + 1], *object;
	struct out o;
	size_t i;

	if (pack.count == 0)
		return;
	plan(&index, name);
	for (i = 0; i < pack.count; i++)
		if (!strcmp(pack.list[i].pack, name))
			die(EXIT_FAILED, "pack %s of %s would be written over "
			    "itself", name, m->to->name);
	object = xasprintf("packs/%s.tar", name);
	out_begin(m, &o, object);
	put_members(m, &o, object, buf);
	out_end(m, &o, object, id);
	free(object);
	object = xasprintf("packs/%s.index", name);
	put_object(m, object, &index);
	free(object);
	buf_free(&index);
	record_pack(m, name);
}

void
remote_add_packed(struct mirror *m, const char *id, uint64_t size,
    const char *from, uint64_t start, char *buf)
{
	struct member *b;

	if (!pack.list)
		pack.list = xcalloc(PACK_BLOBS, sizeof *pack.list);
	b = &pack.list[pack.count++];
	*b = (struct member){ .size = size, .from = start };
	snprintf(b->id, sizeof b->id, "%s", id);
	snprintf(b->pack, sizeof b->pack, "%s", from);
	pack.bytes += size;
	if (pack.count == PACK_BLOBS || pack.bytes >= PACK_BYTES)
		send_pack(m, buf);
}

void
remote_add(struct mirror *m, const char *id, uint64_t size, char *buf)
{
	remote_add_packed(m, id, size, "", 0, buf);
}

void
remote_flush(struct mirror *m, char *buf)
{
	send_pack(m, buf);
}

/* ---- one file ---- */

int
remote_send_file(struct mirror *m, int from, const char *name, int replaces,
    char id[STORE_ID + 1])
{
	char *piece = xmalloc(PIECE), *old;
	ssize_t n;
	struct out o;
	int rc = 0;

	if (replaces) {
		old = xasprintf("old/%s.%lld", name, (long long)time(NULL));
		remote_move(name, old);
		free(old);
	}
	out_begin(m, &o, name);
	while ((n = read_full(from, piece, PIECE)) > 0 && rc == 0) {
		rc = out_put(&o, piece, (size_t)n);
		progress_set(o.at);
	}
	free(piece);
	if (n < 0 || rc < 0) {
		int err = errno;

		remote_abort(&o.io);
		if (rc < 0)
			remote_failed(m, "write", name);
		errno = err;
		return -1;
	}
	out_end(m, &o, name, id);
	return 0;
}

/* rclone failed: the object, or all of the place? */
static void
need_place(const struct mirror *m)
{
	struct depot_mark mark;

	mirror_interrupted(m);
	if (depot_look_remote(&mark) != DEPOT_MARKED)
		die(EXIT_AGAIN, "%s is not in reach any more", m->to->name);
}

const char *
remote_file_wrong(struct mirror *m, const char *name, const char *id)
{
	char got[STORE_ID + 1];

	if (hash_object(name, got) < 0) {
		need_place(m);
		return "missing or unreadable";
	}
	return strcmp(got, id) ? "bad" : NULL;
}

/* ---- reading back ---- */

/* So many bytes of the pipe, hashed: 0; -1: it ended before, or a signal. */
static int
take(int fd, uint64_t len, char *piece, blake3_hasher *h)
{
	while (len > 0) {
		size_t want = len < PIECE ? (size_t)len : PIECE;
		ssize_t n = sig_caught() ? -1 : read_full(fd, piece, want);

		if (n != (ssize_t)want)
			return -1;
		blake3_hasher_update(h, piece, want);
		len -= want;
	}
	return 0;
}

/*
 * The bytes of one member, from the stream that is open at *at if there is one.
 * What lies between may be what cannot be read: then from a stream of its own.
 */
static int
take_member(struct remote_io *io, uint64_t *at, const char *object,
    uint64_t start, uint64_t size, char *piece, char id[STORE_ID + 1])
{
	blake3_hasher skipped, h;
	int own, rc;

	do {
		own = io->fd < 0;
		if (own && remote_get(io, object, start, 0) < 0)
			die_errno("could not run rclone: %m");
		if (own)
			*at = start;
		blake3_hasher_init(&skipped);
		blake3_hasher_init(&h);
		rc = start < *at ||
		    take(io->fd, start - *at, piece, &skipped) < 0 ||
		    take(io->fd, size, piece, &h) < 0 ? -1 : 0;
		if (rc < 0 && !own)
			remote_abort(io);
	} while (rc < 0 && !own && !sig_caught());
	*at = start + size;
	blake3_hex(&h, id);
	return rc;
}

int
remote_read_member(struct remote_io *io, uint64_t *at, const char *object,
    uint64_t start, uint64_t size, char id[STORE_ID + 1])
{
	char *piece = xmalloc(PIECE);
	int rc = take_member(io, at, object, start, size, piece, id);

	free(piece);
	return rc;
}

/* One stream for the pack, and another one after each member that fails. */
static void
check_pack(struct mirror *m, const char *name, const PGresult *res,
    char *piece, wrong_blob *wrong)
{
	char *object = xasprintf("packs/%s.tar", name), id[STORE_ID + 1];
	struct remote_io io = { .fd = -1 };
	int row, rc, gone = 0, status;
	uint64_t at = 0;

	for (row = 0; row < PQntuples(res) && !sig_caught(); row++) {
		uint64_t start = (uint64_t)db_int(res, row, 1);
		uint64_t size = (uint64_t)db_int(res, row, 2);

		rc = gone ? -1 : take_member(&io, &at, object, start, size,
		    piece, id);
		if (sig_caught())
			break;
		m->blobs++;
		m->bytes += rc < 0 ? 0 : size;
		progress_set(m->bytes);
		if (rc < 0 && !gone) {
			status = remote_end(&io);
			gone = status == REMOTE_NO_DIRECTORY ||
			    status == REMOTE_NO_OBJECT;
			need_place(m);
		}
		if (gone || rc < 0 || strcmp(id, db_text(res, row, 0)))
			wrong(m, db_text(res, row, 0), gone ? "missing" :
			    rc < 0 ? "unreadable" : "bad");
	}
	/* what follows the last one is not wanted */
	if (io.fd >= 0)
		remote_abort(&io);
	free(object);
	mirror_interrupted(m);
}

/* The name of a pack is the BLAKE3 of its index, without which it is no pack. */
static void
check_index(struct mirror *m, const char *name, const PGresult *res,
    wrong_blob *wrong)
{
	char *object = xasprintf("packs/%s.index", name);
	const char *why = remote_file_wrong(m, object, name);
	int row;

	for (row = 0; why && row < PQntuples(res); row++)
		wrong(m, db_text(res, row, 0), "in a pack without a good index");
	free(object);
}

void
remote_check(struct mirror *m, uint64_t rate, wrong_blob *wrong)
{
	PGresult *packs = db_query(m->db, sql_mirror_packs, m->to->name), *res;
	char *piece = xmalloc(PIECE);
	uint32_t seed = (uint32_t)time(NULL);
	int row;

	if (!packs)
		db_die("could not list the packs of %s", m->to->name);
	progress_start("reading", NULL, PROGRESS_BYTES, 0);
	for (row = 0; row < PQntuples(packs); row++) {
		seed = seed * 1664525u + 1013904223u;
		if (rate > 1 && (seed >> 8) % rate)
			continue;
		res = db_query(m->db, sql_mirror_pack_blobs, m->to->name,
		    db_text(packs, row, 0));
		if (!res)
			db_die("could not list a pack of %s", m->to->name);
		check_pack(m, db_text(packs, row, 0), res, piece, wrong);
		check_index(m, db_text(packs, row, 0), res, wrong);
		PQclear(res);
	}
	progress_stop();
	free(piece);
	PQclear(packs);
}
