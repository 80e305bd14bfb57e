#define _GNU_SOURCE
#include "export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "catalogue/db.h"
#include "sql/statements.h"

enum { FETCH = 2000 };

enum { INO, NLINK, SIZE, MTIME, TYPE, STATUS, ERROR, BLOBID, MIME, DAMAGE,
	EXCLUDED, PATH, MODE, UID, GID, MTIME_NS, ATIME, ATIME_NS, CTIME,
	CTIME_NS, BTIME, BTIME_NS, DIGESTS };

static int
count_partitions(struct export *e, const char *medium)
{
	PGresult *res = db_query(e->db, sql_report_mounted_volumes, medium);

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
	char *sql = sql_for(order == EXPORT_BY_BLOB ?
	    sql_report_names_by_blob : sql_report_names_by_inode, medium);
	int rc;

	memset(e, 0, sizeof *e);
	e->db = db;
	e->cursor = order == EXPORT_BY_BLOB ? "names_by_blob" :
	    "names_by_inode";
	rc = count_partitions(e, medium);
	if (rc == 0)
		rc = db_script(db, "SET LOCAL cursor_tuple_fraction = 1");
	if (rc == 0)
		rc = db_do(db, sql);
	free(sql);
	return rc;
}

static const char *
text_or_null(const struct export *e, int col)
{
	return db_text_null(e->rows, e->at, col);
}

static int64_t
int_or_unknown(const struct export *e, int col)
{
	return PQgetisnull(e->rows, e->at, col) ? -1 :
	    db_int(e->rows, e->at, col);
}

/* The column, and the one of its nanoseconds. */
static struct export_time
time_of(const struct export *e, int col, int ns_col)
{
	return (struct export_time){
		.known = !PQgetisnull(e->rows, e->at, col),
		.seconds = db_int(e->rows, e->at, col),
		.ns = int_or_unknown(e, ns_col)
	};
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
		char *fetch = xasprintf("FETCH %d FROM %s", FETCH, e->cursor);

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
	row->mode = int_or_unknown(e, MODE);
	row->uid = int_or_unknown(e, UID);
	row->gid = int_or_unknown(e, GID);
	row->modified = time_of(e, MTIME, MTIME_NS);
	row->accessed = time_of(e, ATIME, ATIME_NS);
	row->changed = time_of(e, CTIME, CTIME_NS);
	row->born = time_of(e, BTIME, BTIME_NS);
	row->digests = text_or_null(e, DIGESTS);
	return 1;
}

void
export_close(struct export *e)
{
	PQclear(e->rows);
	buf_free(&e->path);
	if (PQtransactionStatus(e->db) == PQTRANS_INTRANS) {
		char *end = xasprintf("CLOSE %s", e->cursor);

		db_script(e->db, end);
		free(end);
	}
	memset(e, 0, sizeof *e);
}

int
export_time(struct buf *b, int64_t seconds, int64_t ns)
{
	enum { LAST = 9999 };
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year + 1900LL < 1 ||
	    tm.tm_year + 1900LL > LAST)
		return 0;
	buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (ns > 0)
		buf_printf(b, ".%09" PRId64, ns);
	buf_putc(b, 'Z');
	return 1;
}
