#define _GNU_SOURCE
#include "export.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db.h"

enum { FETCH = 2000 };

enum { INO, NLINK, SIZE, MTIME, TYPE, STATUS, ERROR, BLOBID, MIME, DAMAGE,
	EXCLUDED, PATH };

/* Both keys are indexes, so that nothing but the names of a file is sorted. */
static const char query[] =
    "DECLARE names NO SCROLL CURSOR FOR SELECT i.ino, i.nlink, i.size, "
    "i.mtime, i.fs_type, i.status, i.error_type, i.blobid, i.mime_type, "
    "d.ranges, p.exclude_reason IS NOT NULL, p.path FROM %s i JOIN %s p "
    "USING (dev, ino) LEFT JOIN (SELECT dev, ino, coalesce((SELECT "
    "string_agg(lower(e) || '-' || upper(e) - 1, ',' ORDER BY e) FROM "
    "unnest(extents) AS e), '') AS ranges FROM inode_damage WHERE "
    "medium_hash = '%s' AND (NOT determined OR NOT isempty(extents))) AS d "
    "USING (dev, ino) ORDER BY %s, p.path";

static int
count_partitions(struct export *e, const char *medium)
{
	PGresult *res = db_query(e->db, "SELECT count(*) FROM "
	    "medium_partition WHERE medium_hash = $1 AND status = 'ok' AND "
	    "number > 0", medium);

	if (!res)
		return -1;
	e->partitions = (unsigned int)db_int(res, 0, 0);
	PQclear(res);
	return 0;
}

int
export_open(struct export *e, PGconn *db, const char *medium,
    enum export_order order)
{
	char *inode = db_ident(db, "inode_p_", medium);
	char *path = db_ident(db, "path_p_", medium);
	struct buf sql = BUF_INIT;
	int rc;

	memset(e, 0, sizeof *e);
	e->db = db;
	/* a medium's name has no character that an SQL string would mind */
	buf_printf(&sql, query, inode, path, medium, order == EXPORT_BY_BLOB ?
	    "i.blobid, i.dev, i.ino" : "i.dev, i.ino");
	rc = count_partitions(e, medium);
	if (rc == 0)
		rc = db_script(db, "SET LOCAL cursor_tuple_fraction = 1");
	if (rc == 0)
		rc = db_do(db, sql.data);
	buf_free(&sql);
	free(inode);
	free(path);
	return rc;
}

static const char *
text_or_null(const struct export *e, int col)
{
	return PQgetisnull(e->rows, e->at, col) ? NULL :
	    db_text(e->rows, e->at, col);
}

/* "p12/…" where the medium has partitions. */
static unsigned int
partition_of(const struct export *e)
{
	const char *p = e->path.data;
	unsigned long n;
	char *end;

	if (e->partitions < 2 || e->path.len < 2 || *p != 'p' ||
	    p[1] < '1' || p[1] > '9')
		return 0;
	n = strtoul(p + 1, &end, 10);
	return (*end == '/' || end == p + e->path.len) && n < 10000 ?
	    (unsigned int)n : 0;
}

int
export_next(struct export *e, struct export_row *row)
{
	if (!e->rows || ++e->at >= PQntuples(e->rows)) {
		char *fetch = xasprintf("FETCH %d FROM names", FETCH);

		PQclear(e->rows);
		e->rows = db_query(e->db, fetch);
		free(fetch);
		e->at = 0;
		if (!e->rows)
			return -1;
		if (PQntuples(e->rows) == 0)
			return 0;
	}
	buf_reset(&e->path);
	buf_reserve(&e->path, 1);
	if (db_bytea_value(e->rows, e->at, PATH, &e->path) < 0)
		return -1;
	row->ino = (uint64_t)db_int(e->rows, e->at, INO);
	row->nlink = (uint64_t)db_int(e->rows, e->at, NLINK);
	row->size = (uint64_t)db_int(e->rows, e->at, SIZE);
	row->mtime = db_int(e->rows, e->at, MTIME);
	row->type = *db_text(e->rows, e->at, TYPE);
	row->status = db_text(e->rows, e->at, STATUS);
	row->error = text_or_null(e, ERROR);
	row->blobid = text_or_null(e, BLOBID);
	row->mime = text_or_null(e, MIME);
	row->damage = text_or_null(e, DAMAGE);
	row->excluded = db_bool(e->rows, e->at, EXCLUDED);
	row->path = e->path.data;
	row->len = e->path.len;
	row->partition = partition_of(e);
	return 1;
}

void
export_close(struct export *e)
{
	PQclear(e->rows);
	buf_free(&e->path);
	if (PQtransactionStatus(e->db) == PQTRANS_INTRANS)
		db_script(e->db, "CLOSE names");
	memset(e, 0, sizeof *e);
}

int
export_time(struct buf *b, int64_t seconds)
{
	enum { LAST = 9999 };
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year + 1900LL < 1 ||
	    tm.tm_year + 1900LL > LAST)
		return 0;
	buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return 1;
}
