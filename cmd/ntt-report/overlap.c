#define _GNU_SOURCE
#include "overlap.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "catalogue/db.h"
#include "sql/statements.h"

static struct overlap_sum
sum_at(const PGresult *res, int row, int col)
{
	return (struct overlap_sum){ (uint64_t)db_int(res, row, col),
		(uint64_t)db_int(res, row, col + 1) };
}

static void
add(struct overlap_sum *to, struct overlap_sum what)
{
	to->count += what.count;
	to->bytes += what.bytes;
}

static int
load_sums(struct overlap *o, PGconn *db)
{
	PGresult *res = db_query(db, sql_report_media_sums);
	int row;

	if (!res)
		return -1;
	for (row = 0; row < PQntuples(res); row++) {
		size_t n = (size_t)db_int(res, row, 0);

		if (n >= o->count)
			continue;
		o->of[n].files = sum_at(res, row, 1);
		o->of[n].copied = sum_at(res, row, 3);
		o->of[n].pending = (uint64_t)db_int(res, row, 5);
		o->of[n].failed = (uint64_t)db_int(res, row, 6);
	}
	PQclear(res);
	return 0;
}

/* "{0,3,12}": what these media and no others have in common. */
static void
add_set(struct overlap *o, const char *text, struct overlap_sum sum)
{
	size_t n = 0, i, k;
	char *end;

	for (; *text && *text != '}' &&
	    n < sizeof o->set / sizeof o->set[0]; text = end) {
		size_t medium = strtoul(text + 1, &end, 10);

		if (end == text + 1)
			break;
		if (medium < o->count)
			o->set[n++] = medium;
	}
	add(&o->contents, sum);
	for (i = 0; i < n; i++) {
		add(&o->of[o->set[i]].contents, sum);
		if (n == 1)
			add(&o->of[o->set[i]].unique, sum);
		for (k = 0; k < n; k++)
			if (k != i)
				add(&o->shared[o->set[i] * o->count +
				    o->set[k]], sum);
	}
}

/* Those that have any contents, as an array; the caller frees it. */
static char *
media_with_contents(const struct overlap *o)
{
	struct buf b = BUF_INIT;
	size_t i;

	buf_putc(&b, '{');
	for (i = 0; i < o->count; i++)
		if (o->of[i].copied.count > 0)
			buf_printf(&b, "%s\"%s\"", b.len > 1 ? "," : "",
			    db_text(o->media, (int)i, OVERLAP_HASH));
	buf_putc(&b, '}');
	return buf_detach(&b);
}

static int
load_sets(struct overlap *o, PGconn *db)
{
	char *media = media_with_contents(o);
	char *sql = xasprintf("DECLARE sets NO SCROLL CURSOR FOR %s",
	    sql_report_sets);
	int rc = db_do(db, sql, media), row, rows = 1;

	free(sql);
	free(media);
	while (rc == 0 && rows > 0) {
		PGresult *res = db_query(db, "FETCH 10000 FROM sets");

		if (!res)
			return -1;
		rows = PQntuples(res);
		for (row = 0; row < rows; row++)
			add_set(o, db_text(res, row, 0), sum_at(res, row, 1));
		PQclear(res);
	}
	return rc == 0 ? db_do(db, "CLOSE sets") : -1;
}

int
overlap_load(struct overlap *o, PGconn *db)
{
	memset(o, 0, sizeof *o);
	o->media = db_query(db, sql_report_media);
	if (!o->media)
		return -1;
	o->count = (size_t)PQntuples(o->media);
	o->of = xcalloc(o->count + 1, sizeof *o->of);
	o->shared = xcalloc(o->count * o->count + 1, sizeof *o->shared);
	/* each medium by itself, in memory of its own size */
	if (db_do(db, "SET LOCAL enable_partitionwise_aggregate = on") < 0 ||
	    load_sums(o, db) < 0 || load_sets(o, db) < 0) {
		overlap_free(o);
		return -1;
	}
	return 0;
}

void
overlap_free(struct overlap *o)
{
	PQclear(o->media);
	free(o->of);
	free(o->shared);
	memset(o, 0, sizeof *o);
}

size_t
overlap_index(const struct overlap *o, const char *medium)
{
	size_t i;

	for (i = 0; i < o->count; i++)
		if (!strcmp(db_text(o->media, (int)i, OVERLAP_HASH), medium))
			break;
	return i;
}

const struct overlap_sum *
overlap_of(const struct overlap *o, size_t a, size_t b)
{
	return &o->shared[a * o->count + b];
}
