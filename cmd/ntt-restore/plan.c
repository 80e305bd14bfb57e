#define _GNU_SOURCE
#include "plan.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "catalogue/db.h"
#include "catalogue/pgarray.h"
#include "sql/statements.h"
#include "store/store.h"

/* Of restore_entries and restore_last. */
enum column {
	PATH, TYPE, DEV, INO, SIZE, BLOB, STATUS, EXCLUDED, ERROR, FIRST,
	MODE, UID, GID, RDEV, FLAGS, DOS, MTIME, MTIME_NS, ATIME, ATIME_NS,
	HOLES, DAMAGED, LOST, XATTRS, STREAMS, COLUMNS
};

/* The parameters $1 and $2 of the statements. */
struct limits {
	int whole;
	struct pgarray exact, ranges;
};

static void __attribute__((noreturn))
failed(const char *medium)
{
	db_die("could not read what medium %s has", medium);
}

static PGresult *
ask(PGconn *db, const char *sql, struct limits *l)
{
	const char *params[2] = { NULL, NULL };
	int lengths[2] = { 0, 0 }, formats[2] = { 1, 1 };

	if (!l->whole) {
		params[0] = pgarray_param(&l->exact, &lengths[0]);
		params[1] = pgarray_param(&l->ranges, &lengths[1]);
	}
	if (PQsendQueryParams(db, sql, 2, NULL, params, lengths, formats,
	    1) != 1 || PQsetSingleRowMode(db) != 1)
		return NULL;
	return PQgetResult(db);
}

/* The directories above a path, which get what the medium says of them. */
static void
add_parents(struct limits *l, const struct place *p)
{
	size_t i;

	pgarray_bytes(&l->exact, "", 0);
	for (i = 0; i < p->len; i++)
		if (p->path[i] == '/')
			pgarray_bytes(&l->exact, p->path, i);
}

/* From "path/" to before "path0", the byte after the slash. */
static void
add_range(struct limits *l, const struct place *p, struct buf *last)
{
	struct buf from = BUF_INIT, to = BUF_INIT;

	/* one that is below the one before it is in its range */
	if (last->len > 0 && p->len > last->len &&
	    !memcmp(p->path, last->data, last->len) &&
	    p->path[last->len] == '/')
		return;
	buf_reset(last);
	buf_put(last, p->path, p->len);
	buf_put(&from, p->path, p->len);
	buf_put(&to, p->path, p->len);
	buf_putc(&from, '/');
	buf_putc(&to, '/' + 1);
	pgarray_bytes(&l->ranges, from.data, from.len);
	pgarray_bytes(&l->ranges, to.data, to.len);
	buf_free(&from);
	buf_free(&to);
}

/* The order of their ranges: "a/" comes after what "a-b" begins. */
static int
compare_ranges(const void *a, const void *b)
{
	const struct place *p = *(const struct place *const *)a;
	const struct place *q = *(const struct place *const *)b;
	size_t n = p->len < q->len ? p->len : q->len;
	int rc = memcmp(p->path, q->path, n);
	int x = p->len > n ? (unsigned char)p->path[n] : '/';
	int y = q->len > n ? (unsigned char)q->path[n] : '/';

	if (rc || p->len == q->len)
		return rc;
	return x != y ? x - y : p->len < q->len ? -1 : 1;
}

/* Which of the places are files: they have nothing below them. */
static void
note_files(PGconn *db, struct places *places, char *is_file)
{
	struct pgarray paths;
	const char *param;
	int len, format = 1, row;
	char *sql;
	PGresult *res;
	size_t i;

	pgarray_init(&paths, PGARRAY_BYTEA);
	for (i = 0; i < places->count; i++)
		pgarray_bytes(&paths, places->list[i].place.path,
		    places->list[i].place.len);
	param = pgarray_param(&paths, &len);
	sql = sql_for(sql_restore_places, places->list[0].place.medium);
	res = db_check(db, db_exec_params(db, sql, 1, NULL, &param, &len,
	    &format, 1));
	if (!res)
		failed(places->list[0].place.medium);
	for (row = 0; row < PQntuples(res); row++) {
		if (*PQgetvalue(res, row, 1))
			continue;
		i = places_index(places, PQgetvalue(res, row, 0),
		    (size_t)PQgetlength(res, row, 0));
		if (i < places->count)
			is_file[i] = 1;
	}
	PQclear(res);
	free(sql);
	pgarray_free(&paths);
}

static void
make_limits(struct limits *l, PGconn *db, struct places *places)
{
	const struct place **dirs;
	struct buf last = BUF_INIT;
	size_t i, n = 0;
	char *is_file;

	l->whole = places_whole(places);
	pgarray_init(&l->exact, PGARRAY_BYTEA);
	pgarray_init(&l->ranges, PGARRAY_BYTEA);
	if (l->whole)
		return;
	is_file = xcalloc(places->count, 1);
	dirs = xcalloc(places->count, sizeof *dirs);
	note_files(db, places, is_file);
	for (i = 0; i < places->count; i++) {
		const struct place *p = &places->list[i].place;

		add_parents(l, p);
		pgarray_bytes(&l->exact, p->path, p->len);
		if (!is_file[i])
			dirs[n++] = p;
	}
	qsort(dirs, n, sizeof *dirs, compare_ranges);
	for (i = 0; i < n; i++)
		add_range(l, dirs[i], &last);
	buf_free(&last);
	free(dirs);
	free(is_file);
}

/* A row: its length, then for each column its length, -1 for NULL, and it. */
static int
put_row(struct spool *s, struct buf *b, PGresult *res)
{
	uint32_t len;
	int32_t n;
	int col;

	buf_reset(b);
	buf_put(b, &(uint32_t){ 0 }, sizeof len);
	for (col = 0; col < COLUMNS; col++) {
		n = PQgetisnull(res, 0, col) ? -1 : PQgetlength(res, 0, col);
		buf_put(b, &n, sizeof n);
		if (n > 0)
			buf_put(b, PQgetvalue(res, 0, col), (size_t)n);
		/* text ends with a NUL */
		buf_putc(b, '\0');
	}
	len = (uint32_t)(b->len - sizeof len);
	memcpy(b->data, &len, sizeof len);
	return spool_put(s, b->data, b->len);
}

static void decode(struct plan *plan);

/* Rows to the spool; seen is called for each. */
static void
fill(struct plan *plan, struct spool *s, PGconn *db, const char *statement,
    struct limits *l, struct places *places, void (*seen)(struct plan *plan,
    struct places *places))
{
	const char *medium = places->list[0].place.medium;
	char *sql = sql_for(statement, medium);
	PGresult *res = ask(db, sql, l);

	spool_init(s);
	while (PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
		if (put_row(s, &plan->row, res) < 0)
			die_errno("could not put the plan aside: %m");
		PQclear(res);
		if (seen) {
			memmove(plan->row.data, plan->row.data + 4,
			    plan->row.len - 4);
			decode(plan);
			seen(plan, places);
		}
		res = PQgetResult(db);
	}
	res = db_check(db, res);
	if (!res)
		failed(medium);
	PQclear(res);
	while ((res = PQgetResult(db)))
		PQclear(res);
	if (spool_rewind(s) < 0)
		die_errno("could not put the plan aside: %m");
	free(sql);
}

static void
count_entry(struct plan *plan, struct places *places)
{
	const struct item *e = &plan->entry;

	plan->count++;
	plan->unknown += e->meta.mode < 0;
	if (e->blob && e->type == 'f' && !e->excluded && !plan_is_link(e))
		plan->bytes += e->size;
	places_cover(places, e->path, e->len, 1);
}

void
plan_read(struct plan *plan, PGconn *db, struct places *places)
{
	const char *medium = places->list[0].place.medium;
	struct limits l;

	memset(plan, 0, sizeof *plan);
	if (db_script(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
	    "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off") < 0)
		failed(medium);
	make_limits(&l, db, places);
	fill(plan, &plan->entries, db, sql_restore_entries, &l, places,
	    count_entry);
	fill(plan, &plan->last, db, sql_restore_last, &l, places, NULL);
	if (db_script(db, "COMMIT") < 0)
		failed(medium);
	pgarray_free(&l.exact);
	pgarray_free(&l.ranges);
}

void
plan_free(struct plan *plan)
{
	spool_free(&plan->entries);
	spool_free(&plan->last);
	buf_free(&plan->row);
	free(plan->entry.holes);
}

/* A column of the row: where it is, and its length; NULL for NULL. */
static const char *
column(const char **at, int32_t *len)
{
	const char *value;

	memcpy(len, *at, sizeof *len);
	*at += sizeof *len;
	value = *len < 0 ? NULL : *at;
	*at += (*len > 0 ? *len : 0) + 1;
	return value;
}

static int64_t
number(const char *bytes, int64_t without)
{
	uint64_t n;

	if (!bytes)
		return without;
	memcpy(&n, bytes, sizeof n);
	return (int64_t)be64toh(n);
}

/* "{[0,4096),[8192,12288)}" */
static void
decode_holes(struct item *e, const char *text)
{
	char *end;

	e->hole_count = 0;
	for (; text && (text = strchr(text, '[')); text = end) {
		struct range r;

		r.from = strtoull(text + 1, &end, 10);
		if (*end != ',')
			return;
		r.to = strtoull(end + 1, &end, 10);
		if ((e->hole_count & (e->hole_count - 1)) == 0)
			e->holes = xrealloc(e->holes, (e->hole_count ?
			    2 * e->hole_count : 1) * sizeof *e->holes);
		e->holes[e->hole_count++] = r;
	}
}

/* The entry of the row, which it points into. */
static void
decode(struct plan *plan)
{
	const char *at = plan->row.data, *value[COLUMNS];
	struct item *e = &plan->entry;
	int32_t len[COLUMNS];
	int i;

	for (i = 0; i < COLUMNS; i++)
		value[i] = column(&at, &len[i]);
	e->path = value[PATH];
	e->len = (size_t)len[PATH];
	e->type = *value[TYPE];
	e->dev = number(value[DEV], 0);
	e->ino = number(value[INO], 0);
	e->size = (uint64_t)number(value[SIZE], 0);
	e->blob = value[BLOB] && len[BLOB] == STORE_ID ? value[BLOB] : NULL;
	e->status = value[STATUS];
	e->excluded = value[EXCLUDED];
	e->error = value[ERROR];
	e->first = value[FIRST];
	e->damaged = value[DAMAGED] && *value[DAMAGED];
	e->lost = value[LOST];
	decode_holes(e, value[HOLES]);
	e->meta = (struct meta){
		.mode = number(value[MODE], -1),
		.uid = number(value[UID], -1),
		.gid = number(value[GID], -1),
		.rdev = number(value[RDEV], -1),
		.flags = number(value[FLAGS], -1),
		.dos = number(value[DOS], -1),
		.times = {
			{ number(value[ATIME], 0), value[ATIME] ?
			    number(value[ATIME_NS], 0) : UTIME_OMIT },
			{ number(value[MTIME], 0), number(value[MTIME_NS],
			    0) },
		},
		.xattrs = (const unsigned char *)value[XATTRS],
		.xattrs_len = value[XATTRS] ? (size_t)len[XATTRS] : 0,
	};
	e->streams = (const unsigned char *)value[STREAMS];
	e->streams_len = value[STREAMS] ? (size_t)len[STREAMS] : 0;
}

static const struct item *
next(struct plan *plan, struct spool *s)
{
	uint32_t len;
	int rc = spool_get(s, &len, sizeof len);

	if (rc > 0) {
		buf_reset(&plan->row);
		buf_reserve(&plan->row, len);
		rc = spool_get(s, plan->row.data, len);
		if (rc == 0)
			errno = EIO;
	} else if (rc == 0) {
		return NULL;
	}
	if (rc <= 0)
		die_errno("could not read the plan again: %m");
	decode(plan);
	return &plan->entry;
}

const struct item *
plan_next(struct plan *plan)
{
	return next(plan, &plan->entries);
}

void
plan_again(struct plan *plan)
{
	if (spool_rewind(&plan->entries) < 0)
		die_errno("could not read the plan again: %m");
}

const struct item *
plan_next_last(struct plan *plan)
{
	return next(plan, &plan->last);
}

int
plan_next_stream(const struct item *e, size_t *at, char **name,
    size_t *name_len, char **blob)
{
	/* they are packed as attributes are: the blob is the value */
	struct meta packed = { .xattrs = e->streams,
		.xattrs_len = e->streams_len };
	const char *bytes;
	const void *id;
	size_t id_len;

	if (!meta_next_xattr(&packed, at, &bytes, name_len, &id, &id_len))
		return 0;
	*name = xmalloc(*name_len + 1);
	memcpy(*name, bytes, *name_len);
	(*name)[*name_len] = '\0';
	*blob = NULL;
	if (id_len == STORE_ID) {
		*blob = xcalloc(STORE_ID + 1, 1);
		memcpy(*blob, id, STORE_ID);
	}
	return 1;
}

int
plan_is_link(const struct item *e)
{
	return e->first && strcmp(e->first, e->path);
}
