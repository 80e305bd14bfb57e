/*
 * ntt-streams: stores alternate data streams and resource forks of an image,
 * which no mount shows.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/log.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "base/privilege.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/use_lock.h"
#include "catalogue/account.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/pgarray.h"
#include "catalogue/store_mark.h"
#include "hash/blake3.h"
#include "image/image_open.h"
#include "image/image_view.h"
#include "image/layout.h"
#include "sql/statements.h"
#include "keep.h"
#include "reader.h"

enum { RECOGNISE_MS = 60000, PAGE = 1000 };

static const char *image_option;
static PGconn *db;
static char *hash, *image_name, *since;
static int64_t medium_size;
static struct image image;
static struct view view;
static struct layout layout;
static struct store store;
static struct keep keep;
static uint64_t omitted;	/* in this run */
static uint64_t bytes_read;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "image", "FILE", "read this file instead of the medium's image",
		OPT_TEXT(&image_option) },
	OPT_END
};

static const struct prog prog = {
	"ntt-streams",
	"[options] MEDIUM",
	"Take the named streams of an image into the store"
};

static void __attribute__((noreturn))
database_failed(void)
{
	db_die("the catalogue failed, and the same command goes on where this "
	    "one was");
}

static void
check(int rc)
{
	if (rc < 0)
		database_failed();
}

static void
stop_if_asked(void)
{
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
}

static void
do_sql(const char *sql)
{
	char *text = sql_for(sql, hash);

	check(db_do(db, text));
	free(text);
}

/* Omissions */

static void
omit_volume(uint32_t number, const char *detail)
{
	struct omission o = { .partition = (int)number,
		.kind = "streams_unread", .bytes = -1, .detail = detail };

	check(account_omit(db, hash, prog.name, &o));
	warn("named streams of volume %u of %s may be missing: %s", number,
	    hash, detail);
	omitted++;
}

static void
omit_stream(const char *kind, const char *path, size_t len, const char *name,
    int64_t dev, int64_t ino, int64_t bytes, const char *detail)
{
	char *text, device[24], inode[24], lost[24];
	const char *params[] = { hash, kind, NULL, device, inode, lost,
		detail };
	struct buf place = BUF_INIT;
	PGresult *res;

	buf_put(&place, path, len);
	if (*name)
		buf_printf(&place, ":%s", name);
	text = db_bytea(place.data, place.len);
	params[2] = text;
	snprintf(device, sizeof device, "%" PRId64, dev);
	snprintf(inode, sizeof inode, "%" PRId64, ino);
	snprintf(lost, sizeof lost, "%" PRId64, bytes);
	if (bytes < 0)
		params[5] = NULL;
	res = db_query_n(db, sql_streams_omit, 7, params);
	check(res ? 0 : -1);
	PQclear(res);
	warn("%s: %s", quoted_bytes(place.data, place.len), detail);
	omitted++;
	free(text);
	buf_free(&place);
}

/* What is found */

static void
add_found(const struct reader_answer *a)
{
	static const uint32_t types[] = { PGARRAY_INT8, PGARRAY_INT8,
		PGARRAY_INT8, PGARRAY_BYTEA, PGARRAY_TEXT };
	struct pgarray columns[5];
	const char *params[5];
	int lengths[5], formats[5], c;
	PGresult *res;
	uint32_t i;

	for (c = 0; c < 5; c++)
		pgarray_init(&columns[c], types[c]);
	for (i = 0; i < a->count; i++) {
		const struct reader_found *f = &a->found[i];

		pgarray_int8(&columns[0], (int64_t)f->at);
		pgarray_int8(&columns[1], (int64_t)f->ino);
		pgarray_int8(&columns[2], f->size > INT64_MAX ? INT64_MAX :
		    (int64_t)f->size);
		pgarray_bytes(&columns[3], f->name, strlen(f->name));
		pgarray_text(&columns[4], f->why);
	}
	for (c = 0; c < 5; c++) {
		params[c] = pgarray_param(&columns[c], &lengths[c]);
		formats[c] = 1;
	}
	res = db_check(db, db_exec_params(db, sql_streams_add, 5, NULL,
	    params, lengths, formats, 0));
	check(res ? 0 : -1);
	PQclear(res);
	for (c = 0; c < 5; c++)
		pgarray_free(&columns[c]);
}

/* NULL, or why not all of them were met; the caller's. */
static char *
list_streams(struct reader *r)
{
	struct reader_answer *a = r->answer;

	do {
		if (reader_list(r) < 0) {
			stop_if_asked();
			return xstrdup(a->why);
		}
		if (a->count > 0)
			add_found(a);
		stop_if_asked();
	} while (a->more);
	if (a->blind > 0)
		return xasprintf("%s places of its tables could not be read",
		    num_grouped(a->blind));
	return NULL;
}

static void
record_found(const char *prefix)
{
	char *bytes = db_bytea(prefix, strlen(prefix));
	char *sql = sql_for(sql_streams_owners, hash);
	struct buf path = BUF_INIT;
	PGresult *res;
	int row;

	check(db_do(db, sql, bytes));
	do_sql(sql_streams_pending);
	res = db_query(db, sql_streams_unlisted);
	check(res ? 0 : -1);
	for (row = 0; row < PQntuples(res); row++) {
		buf_reset(&path);
		check(db_bytea_value(res, row, 0, &path));
		omit_stream("streams_unread", path.data, path.len, "",
		    db_int(res, row, 2), db_int(res, row, 3), -1,
		    db_text(res, row, 1));
	}
	PQclear(res);
	buf_free(&path);
	free(sql);
	free(bytes);
}

/* Contents */

static void
flush(void)
{
	switch (keep_flush(&keep)) {
	case KEPT:
		return;
	case KEEP_NO_DATABASE:
		database_failed();
	case KEEP_NO_STORE:
		die(EXIT_AGAIN, "could not write to the store: %m; the same "
		    "command goes on where this one was");
	}
}

struct stream {
	int64_t dev, ino;
	uint64_t at, size;
	struct buf name, path;
	const char *why;
};

/* The ranges of a stream that were lost, and how many bytes they are. */
static char *
lost_ranges(const struct reader_answer *a, int64_t *bytes)
{
	struct buf b = BUF_INIT;
	uint32_t i;

	*bytes = 0;
	buf_puts(&b, "bytes that were not rescued are zeros: {");
	for (i = 0; i < a->lost_count; i++) {
		buf_printf(&b, "%s[%" PRIu64 ",%" PRIu64 ")", i ? "," : "",
		    a->lost[i].from, a->lost[i].to);
		*bytes += (int64_t)(a->lost[i].to - a->lost[i].from);
	}
	buf_puts(&b, "}");
	return b.data;
}

static void
need_temp(struct store_temp *t)
{
	if (store_temp(&store, t) < 0)
		die(EXIT_AGAIN, "could not write to the store: %m");
}

static void
put(struct store_temp *t, const struct reader *r, size_t len)
{
	if (write_all(t->fd, r->answer->bytes, len) < 0)
		die(EXIT_AGAIN, "could not write to the store: %m");
}

/* What is short is written only if it is new. */
static void
store_stream(struct reader *r, const struct stream *s)
{
	struct store_temp t = { .fd = -1 };
	int is_short = s->size <= READER_BYTES;
	uint8_t sum[BLAKE3_OUT_LEN];
	char id[STORE_ID + 1];
	blake3_hasher hasher;
	uint64_t pos, part;

	blake3_hasher_init(&hasher);
	if (!is_short)
		need_temp(&t);
	for (pos = 0; pos < s->size; pos += part) {
		part = s->size - pos;
		part = part > READER_BYTES ? READER_BYTES : part;
		if (reader_read(r, pos, part) < 0) {
			store_temp_discard(&store, &t);
			return;
		}
		blake3_hasher_update(&hasher, r->answer->bytes, part);
		progress_set(bytes_read += part);
		if (!is_short)
			put(&t, r, part);
		stop_if_asked();
	}
	blake3_hasher_finalize(&hasher, sum, sizeof sum);
	hex_encode(id, sum, sizeof sum);
	if (is_short && !keep_known(&keep, id)) {
		need_temp(&t);
		put(&t, r, s->size);
	}
	keep_take(&keep, s->dev, s->ino, s->name.data, id, s->size, &t);
}

static void
take_stream(struct reader *r, const struct stream *s)
{
	char device[24], inode[24], *name, *sql, *detail;
	const char *why = s->why;
	int64_t bytes;

	if (!*why && reader_select(r, s->at, s->name.data) < 0)
		why = r->answer->why;
	if (!*why) {
		store_stream(r, s);
		why = r->answer->why;
	}
	stop_if_asked();
	if (!*why) {
		if (r->answer->lost_count > 0) {
			detail = lost_ranges(r->answer, &bytes);
			omit_stream("stream_damaged", s->path.data,
			    s->path.len, s->name.data, s->dev, s->ino, bytes,
			    detail);
			free(detail);
		}
		return;
	}
	omit_stream("stream_unread", s->path.data, s->path.len, s->name.data,
	    s->dev, s->ino, (int64_t)s->size, why);
	snprintf(device, sizeof device, "%" PRId64, s->dev);
	snprintf(inode, sizeof inode, "%" PRId64, s->ino);
	name = db_bytea(s->name.data, s->name.len);
	sql = sql_for(sql_streams_failed, hash);
	check(db_do(db, sql, device, inode, name));
	free(sql);
	free(name);
}

/* The next page of those that are not stored; how many. */
static int
take_page(struct reader *r, int64_t *number)
{
	char *sql = sql_for(sql_streams_next, hash), from[24], most[24];
	PGresult *res;
	int row, n;

	snprintf(from, sizeof from, "%" PRId64, *number);
	snprintf(most, sizeof most, "%d", PAGE);
	res = db_query(db, sql, from, most);
	check(res ? 0 : -1);
	n = PQntuples(res);
	for (row = 0; row < n; row++) {
		struct stream s = { .name = BUF_INIT, .path = BUF_INIT };

		*number = db_int(res, row, 0);
		s.at = (uint64_t)db_int(res, row, 1);
		s.dev = db_int(res, row, 2);
		s.ino = db_int(res, row, 3);
		s.size = (uint64_t)db_int(res, row, 5);
		s.why = db_text(res, row, 6);
		check(db_bytea_value(res, row, 4, &s.name));
		check(db_bytea_value(res, row, 7, &s.path));
		take_stream(r, &s);
		buf_free(&s.name);
		buf_free(&s.path);
		if (keep_full(&keep))
			flush();
	}
	PQclear(res);
	free(sql);
	return n;
}

static void
do_volume(const struct volume *v)
{
	char *prefix = layout.multi ? xasprintf("p%u", v->num) : xstrdup("");
	struct reader r;
	int64_t number = 0;
	char *why;

	if (reader_begin(&r, &view, image.fd, v) < 0)
		die_errno("could not make room for the reader: %m");
	do_sql(sql_streams_anew);
	why = list_streams(&r);
	if (why)
		omit_volume(v->num, why);
	free(why);
	record_found(prefix);
	while (take_page(&r, &number) > 0)
		;
	flush();
	reader_end(&r);
	free(prefix);
}

/* The beginning */

static void
find_medium(const char *name)
{
	PGresult *res;

	hash = medium_named_hash(db, name);
	switch (medium_loaded(db, hash)) {
	case -1:
		db_die("could not look at %s", hash);
	case 0:
		die(EXIT_FAILED, "medium %s is not loaded yet: run ntt-loader "
		    "first", hash);
	}
	res = db_query(db, sql_streams_medium, hash);
	if (!res)
		db_die("could not look up %s", hash);
	image_name = image_option ? xstrdup(image_option) :
	    db_path_value(res, 0, 0);
	medium_size = db_int(res, 0, 1);
	since = xstrdup(db_text(res, 0, 2));
	PQclear(res);
	if (!image_name)
		die(EXIT_FAILED, "medium %s has no image: streams of a "
		    "directory are read by nobody", hash);
}

static void
open_image(void)
{
	const char *why;
	char *remark;

	if (image_open(&image, image_name, 1, &why) < 0)
		die(EXIT_FAILED, "could not open the image %s: %s",
		    quoted(image_name), why);
	if (image_option && medium_size >= 0 &&
	    image.size != (uint64_t)medium_size)
		die(EXIT_FAILED, "%s is not the image of %s: it has %s bytes, "
		    "not %s", quoted(image_name), hash,
		    num_grouped(image.size),
		    num_grouped((uint64_t)medium_size));
	image_view_init(&view, &image, 1, &remark);
	if (remark)
		warn("%s", remark);
	free(remark);
	if (layout_confined(&layout, image.fd, image.size, &view,
	    RECOGNISE_MS, NULL) < 0)
		die(exit_for_errno(errno), "could not recognise what is on "
		    "%s: %s", quoted(image_name), errno == ETIMEDOUT ?
		    "reading it did not end in time" : strerror(errno));
	image_view_fit(&view, &layout);
}

static void
open_store(void)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);

	store_mark_need(db, CONFIG_BYHASH_ROOT, 1);
	store_mark_need_owner(CONFIG_BYHASH_ROOT);
	if (store_open(&store, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
	if (store_mark_private(CONFIG_BYHASH_ROOT))
		store_private(&store);
	keep_init(&keep, db, hash, &store, config_get(CONFIG_ARCHIVED_ROOT));
}

int
main(int argc, char **argv)
{
	const char *name;
	uint32_t i;
	int lock;

	prog_start(&prog, argc, argv);
	prog_options(options);
	name = prog_need_medium(0, 0);
	prog_operands(0, 0);
	prog_config();
	db = db_open();
	if (!db)
		db_die("could not open the catalogue");
	find_medium(name);
	lock = use_lock(hash, LOCK_SHARED);
	if (lock < 0)
		die_errno("could not lock %s for use: %m", hash);
	open_image();
	if (privilege_drop(NULL) < 0)
		die_errno("could not give up root rights: %m");
	log_open(config_get(CONFIG_LOG_DIR), prog.name, hash);
	open_store();
	sig_catch();
	check(db_script(db, sql_streams_begin));
	progress_start("streams", NULL, PROGRESS_BYTES, 0);
	for (i = 0; i < layout.count; i++)
		if (reader_knows(&layout.volumes[i]))
			do_volume(&layout.volumes[i]);
	progress_stop();
	do_sql(sql_streams_keep);
	check(account_settle_before(db, hash, prog.name, since));
	check(db_do(db, sql_streams_done, hash));
	say("%s named streams stored, %s new, %s%s%s",
	    num_grouped(keep.stored), num_grouped(keep.new),
	    num_bytes(keep.all_bytes), omitted ? ", and left out: " : "",
	    omitted ? num_grouped(omitted) : "");
	keep_free(&keep);
	store_close(&store);
	view_free(&view);
	image_close(&image);
	use_lock_release(lock);
	PQfinish(db);
	return omitted ? EXIT_PARTIAL : EXIT_DONE;
}
