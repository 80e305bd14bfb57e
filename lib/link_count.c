#define _GNU_SOURCE
#include "link_count.h"

#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "db.h"
#include "fsutil.h"

int
link_count_begin(PGconn *db)
{
	return db_script(db, "CREATE TEMPORARY TABLE link_blob (blobid text); "
	    "CREATE TEMPORARY TABLE link_failed (blobid text); "
	    "CREATE TEMPORARY TABLE link_inode (dev bigint, ino bigint, "
	    "fs_type \"char\", blobid text, status inode_status, "
	    "PRIMARY KEY (dev, ino)); "
	    "CREATE TEMPORARY TABLE link_match (dev bigint, ino bigint, "
	    "blobid text); "
	    "CREATE TEMPORARY TABLE link_found (blobid text, n bigint); "
	    "CREATE TEMPORARY TABLE link_wrong (blobid text)");
}

int
link_add(PGconn *db, const char *table, struct pgarray *ids)
{
	int len, format = 1, rc;
	const char *param = pgarray_param(ids, &len);
	char *sql = sql_on("INSERT INTO %s SELECT * FROM unnest($1::text[])",
	    table);
	PGresult *res = NULL;

	if (ids->count > 0)
		res = db_check(db, PQexecParams(db, sql, 1, NULL, &param,
		    &len, &format, 0));
	rc = ids->count > 0 && !res ? -1 : 0;
	PQclear(res);
	pgarray_reset(ids);
	free(sql);
	return rc;
}

int
link_blobs_of(PGconn *db, const char *medium)
{
	char *inode = db_ident(db, "inode_p_", medium);
	char *sql = sql_on("INSERT INTO link_blob SELECT DISTINCT blobid "
	    "FROM %s WHERE status = 'success' AND fs_type = 'f'", inode);
	int rc = db_do(db, sql);

	free(sql);
	free(inode);
	return rc;
}

PGresult *
link_media(PGconn *db)
{
	return db_query(db, "SELECT medium_hash FROM medium WHERE "
	    "to_regclass(quote_ident('inode_p_' || medium_hash)) IS NOT NULL "
	    "ORDER BY medium_hash");
}

static int
has_tree(const char *root, const char *medium)
{
	char *path = path_join(root, medium);
	int rc = access(path, F_OK);

	free(path);
	return rc == 0;
}

/*
 * In two steps: the statistics of inodes are of the time before they had a
 * blob, and a planner who expects one row chooses a loop in a loop.
 */
static int
count_medium(PGconn *db, const char *blobs, const char *medium)
{
	char *inode = db_ident(db, "inode_p_", medium);
	char *path = db_ident(db, "path_p_", medium);
	char *sql = xasprintf("TRUNCATE link_match; "
	    "SET enable_nestloop = off; "
	    "INSERT INTO link_match SELECT dev, ino, blobid FROM %s "
	    "WHERE status = 'success' AND fs_type = 'f' AND blobid IN "
	    "(SELECT blobid FROM %s); "
	    "RESET enable_nestloop; ANALYZE link_match; "
	    "INSERT INTO link_found SELECT m.blobid, count(*) FROM "
	    "link_match m JOIN %s p ON p.dev = m.dev AND p.ino = m.ino "
	    "WHERE p.exclude_reason IS NULL GROUP BY m.blobid", inode, blobs,
	    path);
	int rc = db_script(db, sql);

	free(sql);
	free(inode);
	free(path);
	return rc;
}

/* link_found: the names of these blobs, medium by medium. */
static int
count_names(PGconn *db, const char *blobs, const char *root)
{
	PGresult *res = link_media(db);
	int row, rc = res ? 0 : -1;
	char *analyze = xasprintf("ANALYZE %s; TRUNCATE link_found", blobs);

	if (rc == 0)
		rc = db_script(db, analyze);
	for (row = 0; rc == 0 && row < PQntuples(res); row++)
		if (has_tree(root, db_text(res, row, 0)))
			rc = count_medium(db, blobs, db_text(res, row, 0));
	if (rc == 0)
		rc = db_script(db, "ANALYZE link_found");
	PQclear(res);
	free(analyze);
	return rc;
}

static const char found_sql[] =
    "(SELECT blobid, sum(n) AS n FROM (SELECT blobid, n FROM link_found "
    "UNION ALL SELECT blobid, -1 FROM link_failed) AS f GROUP BY blobid) "
    "AS f";

/*
 * The rows that differ are locked before they are counted once more: a copier
 * that was before us is in that count, and one that comes after adds to it.
 */
static int64_t
correct(PGconn *db, const char *root)
{
	char *sql = sql_on("UPDATE blobs b SET n_hardlinks = "
	    "greatest(coalesce(f.n, 0), 0) FROM link_wrong w LEFT JOIN %s "
	    "ON f.blobid = w.blobid WHERE b.blobid = w.blobid AND "
	    "b.n_hardlinks <> greatest(coalesce(f.n, 0), 0)", found_sql);
	PGresult *res = NULL;
	int64_t n = -1;

	if (db_begin(db) == 0 && db_do(db, "SELECT FROM blobs WHERE blobid IN "
	    "(SELECT blobid FROM link_wrong) ORDER BY blobid FOR UPDATE") ==
	    0 && count_names(db, "link_wrong", root) == 0)
		res = db_query(db, sql);
	if (res)
		n = strtoll(PQcmdTuples(res), NULL, 10);
	if (res && db_commit(db) < 0)
		n = -1;
	if (n < 0 && PQtransactionStatus(db) != PQTRANS_IDLE)
		db_rollback(db);
	PQclear(res);
	free(sql);
	return n;
}

int64_t
link_recount(PGconn *db, const char *root)
{
	char *sql = sql_on("INSERT INTO link_wrong SELECT b.blobid FROM "
	    "(SELECT DISTINCT blobid FROM link_blob) AS l JOIN blobs b USING "
	    "(blobid) LEFT JOIN %s ON f.blobid = b.blobid WHERE "
	    "b.n_hardlinks <> greatest(coalesce(f.n, 0), 0)", found_sql);
	PGresult *res = NULL;
	int64_t n = -1;

	if (count_names(db, "link_blob", root) == 0)
		res = db_query(db, sql);
	if (res)
		n = strtoll(PQcmdTuples(res), NULL, 10);
	if (n > 0)
		n = correct(db, root);
	PQclear(res);
	free(sql);
	return n;
}
