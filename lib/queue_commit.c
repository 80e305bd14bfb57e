#define _GNU_SOURCE
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"

void
queue_batch_init(struct queue_batch *b)
{
	memset(b, 0, sizeof *b);
	pgarray_init(&b->dev, PGARRAY_INT8);
	pgarray_init(&b->ino, PGARRAY_INT8);
	pgarray_init(&b->status, PGARRAY_TEXT);
	pgarray_init(&b->fs_type, PGARRAY_TEXT);
	pgarray_init(&b->blobid, PGARRAY_TEXT);
	pgarray_init(&b->blob_size, PGARRAY_INT8);
	pgarray_init(&b->links, PGARRAY_INT4);
	pgarray_init(&b->mime, PGARRAY_TEXT);
	pgarray_init(&b->error_type, PGARRAY_TEXT);
	pgarray_init(&b->error, PGARRAY_TEXT);
	pgarray_init(&b->delay, PGARRAY_INT4);
	pgarray_init(&b->damage, PGARRAY_TEXT);
}

/* Parameters 1 to COLUMNS of the statements of a commit. */
enum { COLUMNS = 12 };

static struct pgarray *
column(struct queue_batch *b, int i)
{
	struct pgarray *const columns[COLUMNS] = {
		&b->dev, &b->ino, &b->status, &b->fs_type, &b->blobid,
		&b->blob_size, &b->links, &b->mime, &b->error_type,
		&b->error, &b->delay, &b->damage
	};

	return columns[i];
}

void
queue_batch_free(struct queue_batch *b)
{
	int i;

	for (i = 0; i < COLUMNS; i++)
		pgarray_free(column(b, i));
}

static void
batch_reset(struct queue_batch *b)
{
	int i;

	for (i = 0; i < COLUMNS; i++)
		pgarray_reset(column(b, i));
	b->count = b->damaged = b->unusual = 0;
	b->files = b->bytes = b->new_blobs = b->new_bytes = 0;
	b->duplicates = b->errors = 0;
}

void
queue_batch_add(struct queue_batch *b, const struct queue_result *r)
{
	static const char *const statuses[] = {
		[QUEUE_SUCCESS] = "success",
		[QUEUE_RETRY] = "pending",
		[QUEUE_FAILED_RETRYABLE] = "failed_retryable",
		[QUEUE_FAILED_PERMANENT] = "failed_permanent",
		[QUEUE_EXCLUDED] = "excluded",
		[QUEUE_NON_FILE] = "non_file",
	};
	char type[2] = { r->fs_type, '\0' };

	pgarray_int8(&b->dev, r->dev);
	pgarray_int8(&b->ino, r->ino);
	pgarray_text(&b->status, statuses[r->status]);
	pgarray_text(&b->fs_type, r->fs_type ? type : NULL);
	pgarray_text(&b->blobid, r->blobid);
	pgarray_int8(&b->blob_size, (int64_t)r->blob_size);
	pgarray_int4(&b->links, r->links);
	pgarray_text(&b->mime, r->mime_type);
	pgarray_text(&b->error_type, r->error_type);
	pgarray_text(&b->error, r->error);
	pgarray_int4(&b->delay, r->delay_ms);
	pgarray_text(&b->damage, r->damage);
	b->damaged += r->damage != NULL;
	b->count++;
	if (r->blobid) {
		b->files++;
		b->bytes += (int64_t)r->blob_size;
		b->new_blobs += r->is_new;
		b->new_bytes += r->is_new ? (int64_t)r->blob_size : 0;
		b->duplicates += !r->is_new;
	}
	b->errors += r->error_type != NULL;
	b->unusual += r->error_type || r->error || r->status == QUEUE_RETRY;
}

/* Blobs in one order everywhere, so that workers cannot deadlock. */
static const char blobs_sql[] =
    "INSERT INTO blobs AS b (blobid, size, n_hardlinks) "
    "SELECT blobid, min(size), sum(links) FROM unnest($1::text[], "
    "$2::bigint[], $3::integer[]) AS r (blobid, size, links) "
    "WHERE blobid IS NOT NULL GROUP BY blobid ORDER BY blobid "
    "ON CONFLICT (blobid) DO UPDATE SET n_hardlinks = b.n_hardlinks + "
    "excluded.n_hardlinks";

/*
 * Where this worker gave all of them their names: nobody else has a row for
 * one yet but in rare races, and without the look-out for conflicts it takes
 * 5 µs, not 8.
 */
static const char fresh_sql[] =
    "INSERT INTO blobs (blobid, size, n_hardlinks) "
    "SELECT blobid, size, links FROM unnest($1::text[], $2::bigint[], "
    "$3::integer[]) AS r (blobid, size, links) "
    "WHERE blobid IS NOT NULL ORDER BY blobid";

/* An inode that is not pending any more keeps what another worker wrote. */
static const char done_sql[] =
    "UPDATE %s i SET status = r.status::inode_status, blobid = r.blobid, "
    "fs_type = coalesce(r.fs_type::\"char\", i.fs_type), "
    "mime_type = coalesce(r.mime, i.mime_type), "
    "attempts = i.attempts + 1, next_attempt_at = NULL, "
    "processed_at = now() "
    "FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], "
    "$5::text[], $6::text[]) AS r (dev, ino, status, fs_type, blobid, mime) "
    "WHERE i.dev = r.dev AND i.ino = r.ino AND i.status = 'pending'";

/* The same where something went wrong with one of them. */
static const char inodes_sql[] =
    "UPDATE %s i SET status = r.status::inode_status, blobid = r.blobid, "
    "fs_type = coalesce(r.fs_type::\"char\", i.fs_type), "
    "mime_type = coalesce(r.mime, i.mime_type), "
    "error_type = coalesce(r.error_type::inode_error, i.error_type), "
    "errors = CASE WHEN r.error IS NULL THEN i.errors ELSE "
    "(i.errors || r.error)[greatest(1, "
    "coalesce(array_length(i.errors, 1), 0) - 18):] END, "
    "attempts = i.attempts + 1, "
    "next_attempt_at = CASE WHEN r.status = 'pending' THEN "
    "clock_timestamp() + r.delay * interval '1 ms' END, "
    "processed_at = now() "
    "FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], "
    "$5::text[], $6::text[], $7::text[], $8::text[], $9::integer[]) AS r "
    "(dev, ino, status, fs_type, blobid, mime, error_type, error, delay) "
    "WHERE i.dev = r.dev AND i.ino = r.ino AND i.status = 'pending'";

static const char damage_sql[] =
    "INSERT INTO inode_damage (medium_hash, dev, ino, determined, extents) "
    "SELECT %s, dev, ino, damage <> '', nullif(damage, '')::int8multirange "
    "FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS r "
    "(dev, ino, damage) WHERE damage IS NOT NULL "
    "ON CONFLICT (medium_hash, dev, ino) DO UPDATE SET "
    "determined = excluded.determined, extents = excluded.extents";

static const char worker_sql[] =
    "WITH w AS (UPDATE worker SET heartbeat = now(), files = files + $2, "
    "bytes = bytes + $3, new = new + $4, deduplicated = deduplicated + $6, "
    "errors = errors + $7 WHERE id = $1) "
    "INSERT INTO copy_minute AS m (minute, medium_hash, worker, files, "
    "bytes, new, new_bytes, errors) VALUES (date_trunc('minute', now()), "
    "$8, $1, $2, $3, $4, $5, $7) ON CONFLICT (minute, medium_hash, worker) "
    "DO UPDATE SET files = m.files + excluded.files, "
    "bytes = m.bytes + excluded.bytes, new = m.new + excluded.new, "
    "new_bytes = m.new_bytes + excluded.new_bytes, "
    "errors = m.errors + excluded.errors";

/*
 * The end of a range is decided by what its inodes are now, so that a range
 * with retries left opens again when the first of them is due.
 */
static const char range_sql[] =
    "UPDATE work_range w SET worker = NULL, directories = true, "
    "done = s.open = 0, next_attempt_at = s.due FROM (SELECT count(*) AS "
    "open, min(next_attempt_at) AS due FROM %s i WHERE i.dev = $3::bigint "
    "AND i.ino BETWEEN $4::bigint AND $5::bigint AND i.status = 'pending') "
    "AS s WHERE w.medium_hash = $1 AND w.number = $2::integer";

static int
send_query(PGconn *db, const char *sql, int n, const char *const *params,
    const int *lengths, const int *formats)
{
	return PQsendQueryParams(db, sql, n, NULL, params, lengths, formats,
	    0) == 1 ? 0 : -1;
}

static int
send_arrays(PGconn *db, const char *sql, struct queue_batch *b,
    const int *columns, int n)
{
	const char *params[COLUMNS];
	int lengths[COLUMNS], formats[COLUMNS], i;

	for (i = 0; i < n; i++) {
		params[i] = pgarray_param(column(b, columns[i]), &lengths[i]);
		formats[i] = 1;
	}
	return send_query(db, sql, n, params, lengths, formats);
}

static int
send_worker(struct queue *q, const struct queue_batch *b)
{
	const int64_t numbers[] = { q->worker, b->files, b->bytes,
		b->new_blobs, b->new_bytes, b->duplicates, b->errors };
	char text[7][24];
	const char *params[8];
	int i;

	for (i = 0; i < 7; i++) {
		snprintf(text[i], sizeof text[i], "%lld",
		    (long long)numbers[i]);
		params[i] = text[i];
	}
	params[7] = q->medium;
	return send_query(q->db, worker_sql, 8, params, NULL, NULL);
}

static int
send_range(struct queue *q, const char *sql, const struct queue_range *r)
{
	char number[16], dev[24], first[24], last[24];
	const char *params[] = { q->medium, number, dev, first, last };

	snprintf(number, sizeof number, "%d", r->number);
	snprintf(dev, sizeof dev, "%lld", (long long)r->dev);
	snprintf(first, sizeof first, "%lld", (long long)r->first_ino);
	snprintf(last, sizeof last, "%lld", (long long)r->last_ino);
	return send_query(q->db, sql, 5, params, NULL, NULL);
}

static int
send_blobs(struct queue *q, struct queue_batch *b, int careful)
{
	static const int columns[] = { 4, 5, 6 };

	return send_arrays(q->db, careful || b->duplicates > 0 ? blobs_sql :
	    fresh_sql, b, columns, 3);
}

static int
send_inodes(struct queue *q, struct queue_batch *b)
{
	static const int columns[] = { 0, 1, 2, 3, 4, 7, 8, 9, 10 };
	char *sql = sql_on(b->unusual ? inodes_sql : done_sql, q->inode);
	int rc = send_arrays(q->db, sql, b, columns, b->unusual ? 9 : 6);

	free(sql);
	return rc;
}

static int
send_commit(struct queue *q, struct queue_batch *b,
    const struct queue_range *finished, size_t finished_count, int careful)
{
	static const int damage_columns[] = { 0, 1, 11 };
	char *medium = PQescapeLiteral(q->db, q->medium, strlen(q->medium));
	char *damage = sql_on(damage_sql, medium ? medium : "NULL");
	char *range = sql_on(range_sql, q->inode);
	size_t i;
	int rc = send_query(q->db, "BEGIN", 0, NULL, NULL, NULL);

	if (rc == 0 && b->files > 0)
		rc = send_blobs(q, b, careful);
	if (rc == 0 && b->count > 0)
		rc = send_inodes(q, b);
	if (rc == 0 && b->damaged > 0)
		rc = send_arrays(q->db, damage, b, damage_columns, 3);
	for (i = 0; i < finished_count && rc == 0; i++)
		rc = send_range(q, range, &finished[i]);
	if (rc == 0)
		rc = send_worker(q, b);
	if (rc == 0)
		rc = send_query(q->db, "COMMIT", 0, NULL, NULL, NULL);
	if (rc == 0 && PQpipelineSync(q->db) != 1)
		rc = -1;
	PQfreemem(medium);
	free(damage);
	free(range);
	return rc;
}

/* Results up to the synchronisation point; the first failure is kept. */
static int
drain(PGconn *db)
{
	PGresult *res;
	int rc = 0, nothing = 0;

	for (;;) {
		res = PQgetResult(db);
		if (!res) {
			/* one NULL ends each statement; two: it broke */
			if (++nothing > 1) {
				db_check(db, NULL);
				return -1;
			}
			continue;
		}
		nothing = 0;
		if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
			PQclear(res);
			return rc;
		}
		if (PQresultStatus(res) == PGRES_PIPELINE_ABORTED || rc < 0) {
			PQclear(res);
			continue;
		}
		res = db_check(db, res);
		if (!res)
			rc = -1;
		PQclear(res);
	}
}

static int
begin(struct queue *q, struct queue_batch *b,
    const struct queue_range *finished, size_t finished_count, int careful)
{
	/* so that a statement longer than a socket's buffer does not wait */
	if (PQenterPipelineMode(q->db) == 1 &&
	    PQsetnonblocking(q->db, 1) == 0 &&
	    send_commit(q, b, finished, finished_count, careful) == 0)
		return 0;
	PQclear(db_check(q->db, NULL));
	return -1;
}

static int
end(struct queue *q)
{
	int rc = drain(q->db);

	PQsetnonblocking(q->db, 0);
	if (PQexitPipelineMode(q->db) != 1 && rc == 0) {
		PQclear(db_check(q->db, NULL));
		rc = -1;
	}
	if (rc < 0 && PQstatus(q->db) == CONNECTION_OK)
		db_rollback(q->db);
	return rc;
}

/* Somebody has a row for a blob of ours already. */
static int
lost_a_race(const struct queue *q)
{
	return PQstatus(q->db) == CONNECTION_OK &&
	    !strcmp(db_sqlstate(), "23505");
}

static int
nothing_to_commit(const struct queue_batch *b, size_t finished_count)
{
	return b->count == 0 && finished_count == 0;
}

int
queue_commit_begin(struct queue *q, struct queue_batch *b,
    const struct queue_range *finished, size_t finished_count)
{
	if (nothing_to_commit(b, finished_count))
		return 0;
	return begin(q, b, finished, finished_count, 0);
}

void
queue_commit_push(struct queue *q)
{
	/* what fails here fails again in queue_commit_end() */
	if (PQisnonblocking(q->db))
		PQflush(q->db);
}

int
queue_commit_end(struct queue *q, struct queue_batch *b,
    const struct queue_range *finished, size_t finished_count)
{
	int rc;

	if (nothing_to_commit(b, finished_count))
		return 0;
	rc = end(q);
	if (rc < 0 && lost_a_race(q)) {
		rc = begin(q, b, finished, finished_count, 1);
		if (rc == 0)
			rc = end(q);
	}
	if (rc == 0)
		batch_reset(b);
	return rc;
}
