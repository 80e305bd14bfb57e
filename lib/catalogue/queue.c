#define _GNU_SOURCE
#include "catalogue/queue.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/procstat.h"
#include "catalogue/db.h"
#include "sql/statements.h"

int
queue_plan_lock(PGconn *db, const char *medium)
{
	return db_do(db, sql_queue_plan_lock, medium);
}

int
queue_plan(PGconn *db, const char *medium)
{
	char *sql = NULL;
	PGresult *res = NULL;
	int rc = -1, planned;

	if (db_begin(db) < 0 || queue_plan_lock(db, medium) < 0)
		goto out;
	res = db_query(db, sql_queue_planned, medium);
	if (!res)
		goto out;
	planned = db_bool(res, 0, 0);
	sql = sql_for(sql_queue_plan, medium);
	if (!planned && (db_do(db, sql, medium) < 0 ||
	    db_script(db, "ANALYZE work_range") < 0))
		goto out;
	rc = db_commit(db);
out:
	if (rc < 0 && PQtransactionStatus(db) != PQTRANS_IDLE)
		db_rollback(db);
	PQclear(res);
	free(sql);
	return rc;
}

int
queue_reopen(PGconn *db, const char *medium)
{
	char *reopen = sql_for(sql_queue_reopen, medium);
	char *extend = sql_for(sql_queue_extend, medium);
	int rc = queue_plan_lock(db, medium);

	if (rc == 0)
		rc = db_do(db, reopen, medium);
	if (rc == 0)
		rc = db_do(db, extend, medium);
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
	res = db_query(q->db, sql_queue_register, q->name, host, pid, start,
	    q->medium);
	if (!res)
		return -1;
	q->worker = (int)db_int(res, 0, 0);
	PQclear(res);
	snprintf(id, sizeof id, "%d", q->worker);
	return db_do(q->db, sql_queue_live, id);
}

int
queue_workers(PGconn *db, const char *medium)
{
	PGresult *res = db_query_n(db, sql_queue_workers, 1, &medium);
	int n = res ? (int)db_int(res, 0, 0) : -1;

	PQclear(res);
	return n;
}

/* Rows of copiers whose session is gone, and what they had claimed. */
static int
bury_the_dead(struct queue *q)
{
	if (db_do(q->db, sql_queue_bury_claims, q->medium) < 0)
		return -1;
	return db_do(q->db, sql_queue_bury_workers, q->medium);
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

	res = db_query(q->db, sql_queue_place, q->medium);
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
	if (db_script(db, sql_queue_session) < 0 ||
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
		db_do(q->db, sql_queue_give_back, q->medium, id);
		db_do(q->db, "DELETE FROM worker WHERE id = $1", id);
	}
	free(q->medium);
	free(q->name);
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
	res = db_query(q->db,
	    sql_queue_claim,
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
	PGresult *res = db_query(q->db, sql_queue_due, q->medium);

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
			if (!PQgetisnull(res, row, 8)) {
				snprintf(inode->same_as,
				    sizeof inode->same_as, "%s",
				    PQgetvalue(res, row, 8));
				inode->ctime = binary_int8(res, row, 9);
				inode->ctime_ns = binary_int4(res, row, 10);
			}
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
	sql = sql_for(sql_queue_fetch, q->medium);
	res = db_check(q->db, db_exec_params(q->db, sql, 4, NULL, params, NULL,
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
	res = db_check(q->db,
	    db_exec_params(q->db, sql_queue_known_sizes, 1, NULL, &param, &len,
	    &format, 1));
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
	return db_do(q->db, sql_queue_release, q->medium,
	    number, id);
}

/*
 * From here on a commit is on the server's disk, and with it all that were
 * made before, when it returns.
 */
static int
wait_for_commits(struct queue *q)
{
	return db_do(q->db, sql_queue_wait_for_commits);
}

int
queue_finish_medium(struct queue *q)
{
	char *sql = sql_for(sql_queue_pending, q->medium);
	PGresult *res = NULL;
	int rc = -1, left;

	if (wait_for_commits(q) < 0 || db_begin(q->db) < 0)
		goto out;
	/* a reset takes the same row first; and it makes this a commit */
	if (db_do(q->db,
	    "SELECT FROM medium WHERE medium_hash = $1 FOR UPDATE",
	    q->medium) < 0)
		goto out;
	/* every range done is cheap to ask; the inodes themselves decide */
	res = db_query(q->db, sql_queue_open_ranges, q->medium);
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
	if (!left && db_do(q->db, sql_queue_copied, q->medium) < 0)
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
