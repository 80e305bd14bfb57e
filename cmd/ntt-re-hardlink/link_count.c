#define _GNU_SOURCE
#include "link_count.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "catalogue/db.h"
#include "sql/statements.h"

int
link_count_begin(PGconn *db)
{
	return db_script(db, sql_link_begin);
}

int
link_add(PGconn *db, const char *statement, struct pgarray *ids)
{
	int len, format = 1, rc;
	const char *param = pgarray_param(ids, &len);
	PGresult *res = NULL;

	if (ids->count > 0)
		res = db_check(db, db_exec_params(db, statement, 1, NULL,
		    &param, &len, &format, 0));
	rc = ids->count > 0 && !res ? -1 : 0;
	PQclear(res);
	pgarray_reset(ids);
	return rc;
}

int
link_blobs_of(PGconn *db, const char *medium)
{
	char *sql = sql_for(sql_link_blobs_of, medium);
	int rc = db_do(db, sql);

	free(sql);
	return rc;
}

static int
has_tree(const char *root, const char *medium)
{
	char *path = path_join(root, medium);
	int rc = access(path, F_OK);

	free(path);
	return rc == 0;
}

static int
count_medium(PGconn *db, const char *medium)
{
	char *sql = sql_for(sql_link_count_medium, medium);
	int rc = db_script(db, sql);

	free(sql);
	return rc;
}

/* link_found: the names of the blobs of link_blob, by medium. */
static int
count_names(PGconn *db, const char *root)
{
	PGresult *res = db_query(db, sql_medium_all_loaded);
	int row, rc = res ? 0 : -1;

	if (rc == 0)
		rc = db_script(db, "ANALYZE link_blob");
	if (rc == 0)
		rc = db_script(db, "TRUNCATE link_found");
	for (row = 0; rc == 0 && row < PQntuples(res); row++)
		if (has_tree(root, db_text(res, row, 0)))
			rc = count_medium(db, db_text(res, row, 0));
	if (rc == 0)
		rc = db_script(db, "ANALYZE link_found");
	PQclear(res);
	return rc;
}

/*
 * The rows that differ are locked before they are counted once more: a copier
 * that was before us is in that count, and one that comes after adds to it.
 */
static int64_t
correct(PGconn *db, const char *root)
{
	PGresult *res = NULL;
	int64_t n = -1;

	if (db_begin(db) == 0 && db_do(db, sql_link_lock) == 0 &&
	    db_script(db, sql_link_only_wrong) == 0 &&
	    count_names(db, root) == 0)
		res = db_query(db, sql_link_correct);
	if (res)
		n = strtoll(PQcmdTuples(res), NULL, 10);
	if (res && db_commit(db) < 0)
		n = -1;
	if (n < 0 && PQtransactionStatus(db) != PQTRANS_IDLE)
		db_rollback(db);
	PQclear(res);
	return n;
}

int64_t
link_recount(PGconn *db, const char *root)
{
	PGresult *res = NULL;
	int64_t n = -1;

	if (count_names(db, root) == 0)
		res = db_query(db, sql_link_find_wrong);
	if (res)
		n = strtoll(PQcmdTuples(res), NULL, 10);
	if (n > 0)
		n = correct(db, root);
	PQclear(res);
	return n;
}
