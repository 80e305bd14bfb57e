#define _GNU_SOURCE
#include "report_overlap.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "db.h"

/* The number of a medium is its place in this order. */
#define ORDER "ORDER BY added_at, medium_hash"

static const char media_query[] =
    "SELECT medium_hash, medium_human, CASE WHEN archived_at IS NOT NULL THEN "
    "'archived' WHEN copy_done IS NOT NULL THEN 'copied' WHEN enum_done IS "
    "NOT NULL THEN 'loaded' WHEN imaged_at IS NOT NULL THEN 'imaged' ELSE "
    "'registered' END, health, size_bytes, to_char(added_at AT TIME ZONE "
    "'UTC', 'YYYY-MM-DD'), (SELECT count(*) FROM inode_damage d WHERE "
    "d.medium_hash = m.medium_hash AND (NOT determined OR NOT "
    "isempty(extents))), to_regclass(quote_ident('inode_p_' || medium_hash)) "
    "IS NOT NULL FROM medium m " ORDER;

static const char numbered[] =
    "(SELECT medium_hash, row_number() OVER (" ORDER ") - 1 AS n "
    "FROM medium) AS m";

static const char sums_query[] =
    "SELECT n, count(*) FILTER (WHERE fs_type = 'f'), "
    "coalesce(sum(size) FILTER (WHERE fs_type = 'f'), 0), "
    "count(*) FILTER (WHERE fs_type = 'f' AND blobid IS NOT NULL AND "
    "size > 0), coalesce(sum(size) FILTER (WHERE fs_type = 'f' AND blobid IS "
    "NOT NULL), 0), count(*) FILTER (WHERE status = 'pending'), "
    "count(*) FILTER (WHERE status IN ('failed_retryable', "
    "'failed_permanent')) FROM inode JOIN %s USING (medium_hash) GROUP BY n";

/*
 * Sets of media, with what exactly those have in common.  Each medium is
 * reduced to its different contents before contents meet.
 */
static const char sets_query[] =
    "DECLARE sets NO SCROLL CURSOR FOR SELECT media, count(*), sum(size) FROM "
    "(SELECT array_agg(n ORDER BY n) AS media, max(size) AS size FROM "
    "(SELECT medium_hash, blobid, max(size) AS size FROM inode WHERE "
    "fs_type = 'f' AND blobid IS NOT NULL AND size > 0 GROUP BY medium_hash, "
    "blobid) AS i JOIN %s USING (medium_hash) GROUP BY blobid) AS s "
    "GROUP BY media";

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
	char *sql = sql_on(sums_query, numbered);
	PGresult *res = db_query(db, sql);
	int row;

	free(sql);
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

static int
load_sets(struct overlap *o, PGconn *db)
{
	char *sql = sql_on(sets_query, numbered);
	int rc = db_do(db, sql), row, rows = 1;

	free(sql);
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
	o->media = db_query(db, media_query);
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
