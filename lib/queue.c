#define _GNU_SOURCE
#include "queue.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db.h"
#include "procstat.h"

/* A range holds about this much, whichever comes first. */
#define RANGE_INODES "1000"
#define RANGE_BYTES "268435456"

static const char plan_sql[] =
    "INSERT INTO work_range (medium_hash, number, dev, first_ino, last_ino,"
    " inodes, bytes) "
    "SELECT $1, row_number() OVER (ORDER BY dev, min(ino)) - 1, dev,"
    " min(ino), max(ino), count(*), sum(size) "
    "FROM (SELECT dev, ino, size, floor(sum(1.0::float8 / " RANGE_INODES
    "  + size::float8 / " RANGE_BYTES ") OVER (PARTITION BY dev"
    "  ORDER BY ino)) AS part"
    " FROM %s WHERE status = 'pending' OR fs_type = 'd') AS rows "
    "GROUP BY dev, part";

int
queue_plan_lock(PGconn *db, const char *medium)
{
	return db_do(db, "SELECT pg_advisory_xact_lock("
	    "hashtextextended('ntt plan ' || $1, 0))", medium);
}

int
queue_plan(PGconn *db, const char *medium)
{
	char *inode = db_ident(db, "inode_p_", medium), *sql = NULL;
	PGresult *res = NULL;
	int rc = -1, planned;

	if (db_begin(db) < 0 || queue_plan_lock(db, medium) < 0)
		goto out;
	res = db_query(db, "SELECT EXISTS (SELECT FROM work_range "
	    "WHERE medium_hash = $1)", medium);
	if (!res)
		goto out;
	planned = db_bool(res, 0, 0);
	sql = sql_on(plan_sql, inode);
	if (!planned && (db_do(db, sql, medium) < 0 ||
	    db_script(db, "ANALYZE work_range") < 0))
		goto out;
	rc = db_commit(db);
out:
	if (rc < 0 && PQtransactionStatus(db) != PQTRANS_IDLE)
		db_rollback(db);
	PQclear(res);
	free(inode);
	free(sql);
	return rc;
}

/*
 * Inodes that no range holds, because they were not pending when the plan was
 * made, in ranges of their own.  "reach" is the end of the last range that
 * begins before an inode; between two ranges it is the same for all, so that
 * a new one never spans an old one.
 */
static const char extend_sql[] =
    "WITH events AS ("
    "SELECT dev, first_ino AS ino, last_ino AS reach, NULL::bigint AS size "
    "FROM work_range WHERE medium_hash = $1 "
    "UNION ALL SELECT dev, ino, NULL, size FROM %s "
    "WHERE status = 'pending'), "
    "swept AS (SELECT dev, ino, size, max(reach) OVER (PARTITION BY dev "
    "ORDER BY ino, size NULLS FIRST ROWS UNBOUNDED PRECEDING) AS reach "
    "FROM events), "
    "alone AS (SELECT dev, ino, size, reach, floor(sum(1.0::float8 / "
    RANGE_INODES " + size::float8 / " RANGE_BYTES ") OVER (PARTITION BY dev, "
    "reach ORDER BY ino)) AS part FROM swept WHERE size IS NOT NULL "
    "AND (reach IS NULL OR reach < ino)) "
    "INSERT INTO work_range (medium_hash, number, dev, first_ino, last_ino, "
    "inodes, bytes) SELECT $1, last.number + row_number() OVER (ORDER BY "
    "dev, min(ino)), dev, min(ino), max(ino), count(*), sum(size) FROM alone, "
    "(SELECT max(number) AS number FROM work_range WHERE medium_hash = $1) "
    "AS last WHERE last.number IS NOT NULL "
    "GROUP BY dev, reach, part, last.number";

int
queue_reopen(PGconn *db, const char *medium)
{
	char *inode = db_ident(db, "inode_p_", medium);
	char *reopen = sql_on("UPDATE work_range w SET done = false, "
	    "next_attempt_at = NULL WHERE medium_hash = $1 AND "
	    "(done OR next_attempt_at IS NOT NULL) AND EXISTS (SELECT FROM "
	    "%s i WHERE i.status = 'pending' AND i.dev = w.dev AND "
	    "i.ino BETWEEN w.first_ino AND w.last_ino)", inode);
	char *extend = sql_on(extend_sql, inode);
	int rc = queue_plan_lock(db, medium);

	if (rc == 0)
		rc = db_do(db, reopen, medium);
	if (rc == 0)
		rc = db_do(db, extend, medium);
	free(inode);
	free(reopen);
	free(extend);
	return rc;
}

static int
register_worker(struct queue *q)
{
	char host[256] = "", pid[24], start[24], id[24];
	PGresult *res;

	gethostname(host, sizeof host - 1);
	snprintf(pid, sizeof pid, "%ld", (long)getpid());
	snprintf(start, sizeof start, "%llu",
	    (unsigned long long)process_start_time(getpid()));
	res = db_query(q->db, "INSERT INTO worker (name, host, pid, "
	    "start_time, medium_hash) VALUES ($1, $2, $3, $4, $5) "
	    "RETURNING id", q->name, host, pid, start, q->medium);
	if (!res)
		return -1;
	q->worker = (int)db_int(res, 0, 0);
	PQclear(res);
	snprintf(id, sizeof id, "%d", q->worker);
	return db_do(q->db, "SELECT pg_advisory_lock(catalogue_worker_class(),"
	    " $1)", id);
}

/* A worker whose session is there. */
static const char alive[] = "EXISTS (SELECT FROM pg_locks l WHERE "
    "l.locktype = 'advisory' AND l.database = (SELECT oid FROM "
    "pg_database WHERE datname = current_database()) AND "
    "l.classid::bigint = catalogue_worker_class() AND "
    "l.objid::bigint = %s AND l.objsubid = 2)";

int
queue_workers(PGconn *db, const char *medium)
{
	char *of_worker = sql_on(alive, "w.id");
	char *sql = sql_on("SELECT count(*) FROM worker w WHERE "
	    "medium_hash = $1 AND %s", of_worker);
	PGresult *res = db_query(db, sql, medium);
	int n = res ? (int)db_int(res, 0, 0) : -1;

	PQclear(res);
	free(of_worker);
	free(sql);
	return n;
}

/* Rows of copiers whose session is gone, and what they had claimed. */
static int
bury_the_dead(struct queue *q)
{
	char *of_range = sql_on(alive, "w.worker");
	char *of_worker = sql_on(alive, "w.id");
	char *ranges = sql_on("UPDATE work_range w SET worker = NULL "
	    "WHERE medium_hash = $1 AND worker IS NOT NULL AND NOT %s",
	    of_range);
	char *workers = sql_on("DELETE FROM worker w WHERE "
	    "medium_hash = $1 AND since < now() - interval '10 s' AND NOT %s",
	    of_worker);
	int rc = db_do(q->db, ranges, q->medium);

	if (rc == 0)
		rc = db_do(q->db, workers, q->medium);
	free(of_range);
	free(of_worker);
	free(ranges);
	free(workers);
	return rc;
}

/*
 * Where this worker begins: 0, 1/2, 1/4, 3/4, 1/8 … of the medium for the
 * first, second, third … of those at work, so that each reads on from a place
 * of its own.
 */
static int
choose_start(struct queue *q)
{
	unsigned int before, bit, numerator = 0, denominator = 1;
	PGresult *res;
	int64_t ranges;

	res = db_query(q->db, "SELECT (SELECT count(*) FROM worker WHERE "
	    "medium_hash = $1) - 1, (SELECT coalesce(max(number), 0) + 1 "
	    "FROM work_range WHERE medium_hash = $1)", q->medium);
	if (!res)
		return -1;
	before = (unsigned int)db_int(res, 0, 0) & 1023;
	ranges = db_int(res, 0, 1);
	PQclear(res);
	for (bit = 1; bit <= before; bit <<= 1) {
		numerator = numerator * 2 + ((before & bit) != 0);
		denominator *= 2;
	}
	q->cursor = (int)(ranges * numerator / denominator);
	return 0;
}

int
queue_open(struct queue *q, PGconn *db, const char *medium,
    const char *worker_name)
{
	memset(q, 0, sizeof *q);
	q->db = db;
	q->medium = xstrdup(medium);
	q->name = xstrdup(worker_name);
	q->inode = db_ident(db, "inode_p_", medium);
	q->path = db_ident(db, "path_p_", medium);
	/*
	 * A host that vanishes is noticed within a minute.  Commits are not
	 * waited for: those that a crash of the server loses are work that the
	 * next run finds undone.  queue_finish_medium() waits for all of them.
	 */
	if (db_script(db, "SET tcp_keepalives_idle = 20; "
	    "SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; "
	    "SET jit = off; SET synchronous_commit = off") < 0 ||
	    queue_plan(db, medium) < 0 || register_worker(q) < 0 ||
	    bury_the_dead(q) < 0 || choose_start(q) < 0)
		return -1;
	return 0;
}

void
queue_close(struct queue *q)
{
	char id[24];

	snprintf(id, sizeof id, "%d", q->worker);
	if (q->worker && PQstatus(q->db) == CONNECTION_OK) {
		if (PQtransactionStatus(q->db) != PQTRANS_IDLE)
			db_rollback(q->db);
		/* should this fail: the lock goes with the session */
		db_do(q->db, "UPDATE work_range SET worker = NULL "
		    "WHERE medium_hash = $1 AND worker = $2", q->medium, id);
		db_do(q->db, "DELETE FROM worker WHERE id = $1", id);
	}
	free(q->medium);
	free(q->name);
	free(q->inode);
	free(q->path);
	memset(q, 0, sizeof *q);
}

static int
claim_from(struct queue *q, int from, struct queue_range *range)
{
	char number[16], id[16];
	PGresult *res;
	int n;

	snprintf(number, sizeof number, "%d", from);
	snprintf(id, sizeof id, "%d", q->worker);
	/*
	 * Materialized: as a subquery it may be the inner side of a loop, run
	 * again for each range, and pick another one each time.
	 */
	res = db_query(q->db,
	    "WITH pick AS MATERIALIZED (SELECT number FROM work_range WHERE "
	    "medium_hash = $1 AND number >= $2 AND worker IS NULL AND NOT done "
	    "AND (next_attempt_at IS NULL OR next_attempt_at <= now()) "
	    "ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED) "
	    "UPDATE work_range w SET worker = $3 FROM pick WHERE "
	    "w.medium_hash = $1 AND w.number = pick.number RETURNING "
	    "w.number, w.dev, w.first_ino, w.last_ino, w.directories",
	    q->medium, number, id);
	if (!res)
		return -1;
	n = PQntuples(res);
	if (n > 0) {
		range->number = (int)db_int(res, 0, 0);
		range->dev = db_int(res, 0, 1);
		range->first_ino = db_int(res, 0, 2);
		range->last_ino = db_int(res, 0, 3);
		range->directories = db_bool(res, 0, 4);
		q->cursor = range->number + 1;
	}
	PQclear(res);
	return n;
}

/* Milliseconds until something is due; -1: nothing, or others have it. */
static int
due_in(struct queue *q, int *wait_ms)
{
	PGresult *res = db_query(q->db, "SELECT ceil(extract(epoch FROM "
	    "min(next_attempt_at) - now()) * 1000) FROM work_range WHERE "
	    "medium_hash = $1 AND NOT done AND worker IS NULL", q->medium);

	if (!res)
		return -1;
	*wait_ms = -1;
	if (!PQgetisnull(res, 0, 0)) {
		int64_t ms = db_int(res, 0, 0);

		*wait_ms = ms < 1 ? 1 : ms > 60000 ? 60000 : (int)ms;
	}
	PQclear(res);
	return 0;
}

int
queue_claim(struct queue *q, struct queue_range *range, int *wait_ms)
{
	int n = claim_from(q, q->cursor, range);

	if (n == 0 && q->cursor > 0)
		n = claim_from(q, 0, range);
	if (n == 0) {
		if (bury_the_dead(q) < 0)
			return -1;
		n = claim_from(q, 0, range);
	}
	if (n == 0 && due_in(q, wait_ms) < 0)
		return -1;
	return n;
}

static int64_t
binary_int8(const PGresult *res, int row, int col)
{
	uint64_t big;

	memcpy(&big, PQgetvalue(res, row, col), sizeof big);
	return (int64_t)be64toh(big);
}

static int32_t
binary_int4(const PGresult *res, int row, int col)
{
	uint32_t big;

	memcpy(&big, PQgetvalue(res, row, col), sizeof big);
	return (int32_t)ntohl(big);
}

static void
add_path(struct queue_inode *inode, const PGresult *res, int row, int col)
{
	struct queue_path *p;
	size_t len = (size_t)PQgetlength(res, row, col);
	int n = inode->path_count;

	if (PQgetisnull(res, row, col))
		return;
	/* grows at powers of two */
	if ((n & (n - 1)) == 0)
		inode->paths = xrealloc(inode->paths,
		    (size_t)(n ? 2 * n : 1) * sizeof *inode->paths);
	p = &inode->paths[inode->path_count++];
	p->bytes = xmalloc(len + 1);
	memcpy(p->bytes, PQgetvalue(res, row, col), len);
	p->bytes[len] = '\0';
	p->len = len;
}

static void
fill_inodes(const PGresult *res, struct queue_inode **inodes, size_t *count)
{
	struct queue_inode *list = NULL, *inode = NULL;
	size_t n = 0, size = 0;
	int row, rows = PQntuples(res);

	for (row = 0; row < rows; row++) {
		int64_t ino = binary_int8(res, row, 0);

		if (!inode || inode->ino != ino) {
			if (n == size) {
				size = size ? 2 * size : 256;
				list = xrealloc(list, size * sizeof *list);
			}
			inode = &list[n++];
			memset(inode, 0, sizeof *inode);
			inode->ino = ino;
			inode->dev = binary_int8(res, row, 1);
			inode->size = binary_int8(res, row, 2);
			inode->mtime = binary_int8(res, row, 3);
			inode->attempts = binary_int4(res, row, 4);
			inode->fs_type = *PQgetvalue(res, row, 5);
			inode->pending = *PQgetvalue(res, row, 6);
		}
		add_path(inode, res, row, 7);
	}
	*inodes = list;
	*count = n;
}

int
queue_fetch(struct queue *q, const struct queue_range *range,
    struct queue_inode **inodes, size_t *count)
{
	char dev[24], first[24], last[24];
	const char *params[] = { dev, first, last,
		range->directories ? "f" : "t" };
	char *sql;
	PGresult *res;

	snprintf(dev, sizeof dev, "%lld", (long long)range->dev);
	snprintf(first, sizeof first, "%lld", (long long)range->first_ino);
	snprintf(last, sizeof last, "%lld", (long long)range->last_ino);
	sql = xasprintf("SELECT i.ino, i.dev, i.size, i.mtime, i.attempts, "
	    "i.fs_type, i.status = 'pending', p.path FROM %s i LEFT JOIN %s p "
	    "ON p.dev = i.dev AND p.ino = i.ino AND p.exclude_reason IS NULL "
	    "WHERE i.dev = $1::bigint AND i.ino BETWEEN $2::bigint AND "
	    "$3::bigint AND ((i.status = 'pending' AND (i.next_attempt_at IS "
	    "NULL OR i.next_attempt_at <= now())) OR (i.fs_type = 'd' AND "
	    "i.status = 'non_file' AND $4::boolean)) ORDER BY i.ino",
	    q->inode, q->path);
	res = db_check(q->db, PQexecParams(q->db, sql, 4, NULL, params, NULL,
	    NULL, 1));
	free(sql);
	if (!res)
		return -1;
	fill_inodes(res, inodes, count);
	PQclear(res);
	return 0;
}

void
queue_inodes_free(struct queue_inode *inodes, size_t count)
{
	size_t i;
	int j;

	for (i = 0; i < count; i++) {
		for (j = 0; j < inodes[i].path_count; j++)
			free(inodes[i].paths[j].bytes);
		free(inodes[i].paths);
	}
	free(inodes);
}

int
queue_known_sizes(struct queue *q, struct pgarray *sizes, int64_t **known,
    size_t *count)
{
	const char *param;
	int len, format = 1, row;
	PGresult *res;

	*known = NULL;
	*count = 0;
	if (sizes->count == 0)
		return 0;
	param = pgarray_param(sizes, &len);
	res = db_check(q->db, PQexecParams(q->db, "SELECT DISTINCT size FROM "
	    "blobs WHERE size = ANY ($1::bigint[]) AND size >= 1048576 "
	    "ORDER BY size", 1, NULL, &param, &len, &format, 1));
	if (!res)
		return -1;
	*count = (size_t)PQntuples(res);
	*known = xcalloc(*count, sizeof **known);
	for (row = 0; row < PQntuples(res); row++)
		(*known)[row] = binary_int8(res, row, 0);
	PQclear(res);
	return 0;
}

int
queue_release(struct queue *q, const struct queue_range *range)
{
	char number[16], id[16];

	snprintf(number, sizeof number, "%d", range->number);
	snprintf(id, sizeof id, "%d", q->worker);
	return db_do(q->db, "UPDATE work_range SET worker = NULL WHERE "
	    "medium_hash = $1 AND number = $2 AND worker = $3", q->medium,
	    number, id);
}

/*
 * From here on a commit is on the server's disk, and with it all that were
 * made before, when it returns.
 */
static int
wait_for_commits(struct queue *q)
{
	return db_do(q->db, "SELECT set_config('synchronous_commit', CASE "
	    "reset_val WHEN 'off' THEN 'on' ELSE reset_val END, false) "
	    "FROM pg_settings WHERE name = 'synchronous_commit'");
}

int
queue_finish_medium(struct queue *q)
{
	char *sql = sql_on("SELECT EXISTS (SELECT FROM %s WHERE "
	    "status = 'pending')", q->inode);
	PGresult *res = NULL;
	int rc = -1, left;

	if (wait_for_commits(q) < 0 || db_begin(q->db) < 0)
		goto out;
	/* a reset takes the same row first; and it makes this a commit */
	if (db_do(q->db, "SELECT FROM medium WHERE medium_hash = $1 "
	    "FOR UPDATE", q->medium) < 0)
		goto out;
	/* every range done is cheap to ask; the inodes themselves decide */
	res = db_query(q->db, "SELECT EXISTS (SELECT FROM work_range WHERE "
	    "medium_hash = $1 AND NOT done)", q->medium);
	if (!res)
		goto out;
	left = db_bool(res, 0, 0);
	PQclear(res);
	res = NULL;
	if (!left) {
		res = db_query(q->db, sql);
		if (!res)
			goto out;
		left = db_bool(res, 0, 0);
	}
	if (!left && db_do(q->db, "UPDATE medium SET copy_done = now() WHERE "
	    "medium_hash = $1 AND copy_done IS NULL", q->medium) < 0)
		goto out;
	if (db_commit(q->db) == 0)
		rc = !left;
out:
	if (rc < 0 && PQtransactionStatus(q->db) != PQTRANS_IDLE)
		db_rollback(q->db);
	PQclear(res);
	free(sql);
	return rc;
}
