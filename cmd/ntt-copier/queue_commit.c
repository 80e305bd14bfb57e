#define _GNU_SOURCE
#include "catalogue/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue/db.h"
#include "sql/statements.h"

/* Of the columns of queue_batch.rows, 0: it has no more. */
static const uint32_t row_types[QUEUE_ROWS][QUEUE_ROWS_COLUMNS] = {
	[QUEUE_FORGET] = { PGARRAY_INT8, PGARRAY_INT8 },
	[QUEUE_META] = { PGARRAY_INT8, PGARRAY_INT8, PGARRAY_INT8,
		PGARRAY_INT8, PGARRAY_TEXT },
	[QUEUE_XATTRS] = { PGARRAY_INT8, PGARRAY_INT8, PGARRAY_BYTEA,
		PGARRAY_BYTEA },
	[QUEUE_STREAMS] = { PGARRAY_INT8, PGARRAY_INT8, PGARRAY_BYTEA,
		PGARRAY_INT8, PGARRAY_TEXT },
	[QUEUE_UNREAD] = { PGARRAY_INT8, PGARRAY_INT8, PGARRAY_BYTEA,
		PGARRAY_INT4, PGARRAY_TEXT },
	[QUEUE_DIGESTS] = { PGARRAY_INT8, PGARRAY_INT8, PGARRAY_TEXT,
		PGARRAY_TEXT, PGARRAY_BYTEA },
};

static void
rows_init(struct queue_batch *b)
{
	int i, j;

	for (i = 0; i < QUEUE_ROWS; i++)
		for (j = 0; j < QUEUE_ROWS_COLUMNS; j++)
			pgarray_init(&b->rows[i].columns[j], row_types[i][j]);
}

static void
rows_reset(struct queue_batch *b)
{
	int i, j;

	for (i = 0; i < QUEUE_ROWS; i++) {
		for (j = 0; j < QUEUE_ROWS_COLUMNS; j++)
			pgarray_reset(&b->rows[i].columns[j]);
		b->rows[i].count = 0;
	}
}

static void
rows_free(struct queue_batch *b)
{
	int i, j;

	for (i = 0; i < QUEUE_ROWS; i++)
		for (j = 0; j < QUEUE_ROWS_COLUMNS; j++)
			pgarray_free(&b->rows[i].columns[j]);
}

/* A new row, of which the caller fills the other columns. */
static struct pgarray *
row(struct queue_batch *b, int table, const struct queue_result *r)
{
	struct pgarray *columns = b->rows[table].columns;

	pgarray_int8(&columns[0], r->dev);
	pgarray_int8(&columns[1], r->ino);
	b->rows[table].count++;
	return columns;
}

static void
number_or_null(struct pgarray *a, int64_t n)
{
	if (n < 0)
		pgarray_text(a, NULL);
	else
		pgarray_int8(a, n);
}

static void
add_meta(struct queue_batch *b, const struct queue_result *r)
{
	const struct queue_meta *m = r->meta;
	struct pgarray *columns;
	size_t i;

	if (b->forget || m)
		row(b, QUEUE_FORGET, r);
	if (!m)
		return;
	if (m->flags >= 0 || m->dos_attributes >= 0 || m->holes) {
		columns = row(b, QUEUE_META, r);
		number_or_null(&columns[2], m->flags);
		number_or_null(&columns[3], m->dos_attributes);
		pgarray_text(&columns[4], m->holes);
	}
	for (i = 0; i < m->xattr_count; i++) {
		columns = row(b, QUEUE_XATTRS, r);
		pgarray_bytes(&columns[2], m->xattrs[i].name,
		    strlen(m->xattrs[i].name));
		pgarray_bytes(&columns[3], m->xattrs[i].value,
		    m->xattrs[i].len);
	}
	if (m->unread) {
		columns = row(b, QUEUE_UNREAD, r);
		pgarray_bytes(&columns[2], m->path, m->path_len);
		pgarray_int4(&columns[3], m->unread_err);
		pgarray_text(&columns[4], m->unread);
	}
}

static void
add_digests(struct queue_batch *b, const struct queue_result *r)
{
	const struct queue_digests *d = r->digests;
	size_t i;

	for (i = 0; i < d->count; i++) {
		struct pgarray *columns = row(b, QUEUE_DIGESTS, r);

		pgarray_text(&columns[2], r->blobid);
		pgarray_text(&columns[3], d->names[i]);
		pgarray_bytes(&columns[4], d->bytes[i], d->sizes[i]);
	}
}

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
	rows_init(b);
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
	rows_free(b);
}

static void
batch_reset(struct queue_batch *b)
{
	int i;

	for (i = 0; i < COLUMNS; i++)
		pgarray_reset(column(b, i));
	rows_reset(b);
	b->count = b->damaged = b->unusual = b->blobs = b->known = 0;
	b->files = b->bytes = b->new_blobs = b->new_bytes = 0;
	b->duplicates = b->errors = 0;
}

/* A blob of no inode's contents: statements on inodes pass it over. */
static void
add_stream(struct queue_batch *b, const struct queue_result *r)
{
	struct pgarray *columns;
	int i;

	for (i = 0; i < COLUMNS; i++)
		if (column(b, i) == &b->blobid)
			pgarray_text(&b->blobid, r->blobid);
		else if (column(b, i) == &b->blob_size)
			pgarray_int8(&b->blob_size, (int64_t)r->blob_size);
		else if (column(b, i) == &b->links)
			pgarray_int4(&b->links, 0);
		else
			pgarray_text(column(b, i), NULL);
	columns = row(b, QUEUE_STREAMS, r);
	pgarray_bytes(&columns[2], r->stream, strlen(r->stream));
	pgarray_int8(&columns[3], (int64_t)r->blob_size);
	pgarray_text(&columns[4], r->blobid);
	b->count++;
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

	if (r->stream) {
		add_stream(b, r);
		return;
	}
	if (r->has_meta && r->status == QUEUE_SUCCESS)
		add_meta(b, r);
	if (r->digests && r->status == QUEUE_SUCCESS)
		add_digests(b, r);
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
	b->blobs += r->blobid != NULL;
	b->known += r->blobid && !r->is_new;
	if (r->blobid && !r->is_link) {
		int new = queue_result_is_new_content(r);

		b->files++;
		b->bytes += r->taken_over ? 0 : (int64_t)r->blob_size;
		b->new_blobs += new;
		b->new_bytes += new ? (int64_t)r->blob_size : 0;
		b->duplicates += !new;
	}
	b->errors += r->error_type != NULL;
	b->unusual += r->error_type || r->error || r->status == QUEUE_RETRY;
}

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
	return send_query(q->db, sql_copier_worker, 8, params, NULL, NULL);
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

	return send_arrays(q->db, careful || b->known > 0 ||
	    b->rows[QUEUE_STREAMS].count > 0 ?
	    sql_copier_blobs :
	    sql_copier_new_blobs, b, columns, 3);
}

static int
send_inodes(struct queue *q, struct queue_batch *b)
{
	static const int columns[] = { 0, 1, 2, 3, 4, 7, 8, 9, 10 };
	char *sql = sql_for(b->unusual ? sql_copier_inodes_failed :
	    sql_copier_inodes, q->medium);
	int rc = send_arrays(q->db, sql, b, columns, b->unusual ? 9 : 6);

	free(sql);
	return rc;
}

static int
send_rows(struct queue *q, struct queue_batch *b, int table, const char *sql)
{
	const char *params[QUEUE_ROWS_COLUMNS];
	int lengths[QUEUE_ROWS_COLUMNS], formats[QUEUE_ROWS_COLUMNS], n, rc;
	char *statement;

	if (b->rows[table].count == 0)
		return 0;
	for (n = 0; n < QUEUE_ROWS_COLUMNS && row_types[table][n]; n++) {
		params[n] = pgarray_param(&b->rows[table].columns[n],
		    &lengths[n]);
		formats[n] = 1;
	}
	statement = sql_for(sql, q->medium);
	rc = send_query(q->db, statement, n, params, lengths, formats);
	free(statement);
	return rc;
}

/* What was known of a file goes before what is known now comes. */
static int
send_meta(struct queue *q, struct queue_batch *b)
{
	static const struct {
		int table;
		const char *sql;
	} statements[] = {
		{ QUEUE_FORGET, sql_copier_forget_xattrs },
		{ QUEUE_FORGET, sql_copier_forget_streams },
		{ QUEUE_FORGET, sql_copier_settle_xattrs },
		{ QUEUE_META, sql_copier_meta },
		{ QUEUE_XATTRS, sql_copier_xattrs },
		{ QUEUE_STREAMS, sql_copier_streams },
		{ QUEUE_UNREAD, sql_copier_unread },
		{ QUEUE_DIGESTS, sql_copier_digests },
	};
	size_t i;
	int rc = 0;

	for (i = 0; i < sizeof statements / sizeof *statements && rc == 0; i++)
		rc = send_rows(q, b, statements[i].table, statements[i].sql);
	return rc;
}

static int
send_commit(struct queue *q, struct queue_batch *b,
    const struct queue_range *finished, size_t finished_count, int careful)
{
	static const int damage_columns[] = { 0, 1, 11 };
	char *damage = sql_for(sql_copier_damage, q->medium);
	char *range = sql_for(sql_copier_range, q->medium);
	size_t i;
	int rc = send_query(q->db, "BEGIN", 0, NULL, NULL, NULL);

	if (rc == 0 && (b->blobs > 0 || b->rows[QUEUE_STREAMS].count > 0))
		rc = send_blobs(q, b, careful);
	if (rc == 0 && b->count > 0)
		rc = send_inodes(q, b);
	if (rc == 0 && b->damaged > 0)
		rc = send_arrays(q->db, damage, b, damage_columns, 3);
	if (rc == 0)
		rc = send_meta(q, b);
	for (i = 0; i < finished_count && rc == 0; i++)
		rc = send_range(q, range, &finished[i]);
	if (rc == 0)
		rc = send_worker(q, b);
	if (rc == 0)
		rc = send_query(q->db, "COMMIT", 0, NULL, NULL, NULL);
	if (rc == 0 && PQpipelineSync(q->db) != 1)
		rc = -1;
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
