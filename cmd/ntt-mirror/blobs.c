/*
 * The blobs of a place.  A batch is written to files without names.  One sync
 * makes these files durable, and also the names of the batch before.  Then the
 * catalogue records the batch before, and the new files get their names.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "catalogue/pgarray.h"
#include "keep/heal.h"
#include "mirror.h"
#include "sql/statements.h"
#include "store/blob_read.h"

enum {
	BATCH = 4096,			/* blobs, and open files */
	BATCH_BYTES = 256 << 20,
	SPARE_FILES = 64
};

struct item {
	char id[STORE_ID + 1];
	uint64_t size;
	int replace;		/* a wrong file has the name */
	struct store_temp temp;
};

static struct {
	struct item items[BATCH];
	size_t count, limit;
	uint64_t bytes;
	/* named, but not known to be durable */
	char named[2 * BATCH][STORE_ID + 1];
	size_t named_count;
	uint64_t named_bytes;
	uint64_t seen;		/* bytes, for the progress */
} batch;

static void
ask(PGconn *db, const char *sql, const char *a, const char *b)
{
	const char *params[] = { a, b };
	PGresult *res = db_query_n(db, sql, b ? 2 : a ? 1 : 0, params);

	if (!res)
		db_die("could not ask what the place has");
	PQclear(res);
}

/* What fitted is sent and recorded; nothing else is. */
static int
is_full(int err)
{
	return err == ENOSPC || err == EDQUOT;
}

static void __attribute__((noreturn))
place_failed(const struct mirror *m)
{
	die_errno("could not write to %s: %m", quoted(m->to->path));
}

/* ---- sending ---- */

static void
limit_files(void)
{
	struct rlimit files;

	batch.limit = 256;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	if (files.rlim_cur < BATCH + SPARE_FILES) {
		files.rlim_cur = files.rlim_max < BATCH + SPARE_FILES ?
		    files.rlim_max : BATCH + SPARE_FILES;
		setrlimit(RLIMIT_NOFILE, &files);
		getrlimit(RLIMIT_NOFILE, &files);
	}
	batch.limit = files.rlim_cur >= BATCH + SPARE_FILES ? BATCH :
	    files.rlim_cur > 2 * SPARE_FILES ? files.rlim_cur - SPARE_FILES :
	    16;
}

static void
record_named(struct mirror *m)
{
	if (depot_holds(m->db, m->to, batch.named, batch.named_count) < 0)
		db_die("could not record what %s has", m->to->name);
	m->blobs += batch.named_count;
	m->bytes += batch.named_bytes;
	batch.named_count = 0;
	batch.named_bytes = 0;
}

static void
name_it(struct mirror *m, struct item *item)
{
	int rc = item->replace ?
	    store_replace(&m->to->store, &item->temp, item->id) :
	    store_publish(&m->to->store, &item->temp, item->id);

	if (rc < 0 && is_full(errno)) {
		m->full = 1;
		return;
	}
	if (rc < 0 && errno != EBADMSG)
		place_failed(m);
	/* a file that came there meanwhile is read by the next run */
	if (rc < 0 || (rc == 0 && !item->replace))
		return;
	memcpy(batch.named[batch.named_count++], item->id, sizeof item->id);
	batch.named_bytes += item->size;
}

static void
sync_batch(const struct mirror *m)
{
	if (store_sync(&m->to->store) < 0)
		place_failed(m);
}

static void
end_batch(struct mirror *m)
{
	size_t i;

	if (batch.count == 0 && batch.named_count == 0)
		return;
	sync_batch(m);
	record_named(m);
	for (i = 0; i < batch.count; i++)
		name_it(m, &batch.items[i]);
	batch.count = 0;
	batch.bytes = 0;
}

static int
put(void *arg, const void *bytes, size_t len)
{
	const struct store_temp *t = arg;

	batch.seen += len;
	progress_set(batch.seen);
	return write_all(t->fd, bytes, len);
}

static void
name_bad(struct mirror *m, const char *id, enum blob_outcome outcome,
    uint64_t ino)
{
	static const enum store_state states[] = {
		[BLOB_BAD] = STORE_BAD, [BLOB_MISSING] = STORE_MISSING,
		[BLOB_UNREADABLE] = STORE_UNREADABLE
	};
	int err = errno;

	progress_hide();
	printf("%s is not sent: %s%s%s\n", id, blob_why(outcome),
	    outcome == BLOB_UNREADABLE ? ": " : "",
	    outcome == BLOB_UNREADABLE ? strerror(err) : "");
	m->bad = 1;
	if (blob_state_name(outcome, err) &&
	    heal_mark(m->db, &m->home, id, states[outcome], ino) < 0)
		db_die("could not mark a blob");
}

/* A file from a run that was killed, or a wrong one: 1: it is right. */
static int
is_there(struct mirror *m, struct item *item)
{
	uint64_t size;
	int err;

	item->replace = 0;
	switch (store_has(&m->to->store, item->id, &size)) {
	case 0:
		return 0;
	case 1:
		if (size == item->size && store_check(&m->to->store, item->id,
		    &err) == STORE_GOOD)
			return 1;
		break;
	default:
		if (errno != EBADMSG)
			place_failed(m);
	}
	item->replace = 1;
	return 0;
}

/* 1: it is in the batch; 0: it is not; -1: the place is full. */
static int
copy(struct mirror *m, struct item *item, char *buf)
{
	const struct blob_sink sink = { .buf = buf, .put = put,
		.arg = &item->temp, .stop = sig_caught };
	uint64_t seen = batch.seen, ino;
	enum blob_outcome outcome;
	int err;

	if (store_temp_near(&m->to->store, &item->temp, item->id) < 0) {
		if (is_full(errno))
			return -1;
		place_failed(m);
	}
	ino = heal_ino(&m->home, item->id);
	outcome = blob_read(&m->home, item->id, &sink);
	err = errno;
	if (outcome == BLOB_GOOD)
		return 1;
	store_temp_discard(&m->to->store, &item->temp);
	batch.seen = seen + item->size;
	errno = err;
	if (outcome == BLOB_STOPPED)
		return 0;
	if (outcome != BLOB_NOT_TAKEN)
		name_bad(m, item->id, outcome, ino);
	else if (is_full(err))
		return -1;
	else
		place_failed(m);
	return 0;
}

/* Nothing of the rows was sent yet; 0: the place is full. */
static int
send_rows(struct mirror *m, const PGresult *res, char *buf)
{
	int row;

	for (row = 0; row < PQntuples(res) && !sig_caught(); row++) {
		struct item *item = &batch.items[batch.count];

		memcpy(item->id, db_text(res, row, 1), sizeof item->id);
		item->size = (uint64_t)db_int(res, row, 2);
		if (is_there(m, item)) {
			memcpy(batch.named[batch.named_count++], item->id,
			    sizeof item->id);
			batch.named_bytes += item->size;
			batch.seen += item->size;
		} else {
			int rc = copy(m, item, buf);

			if (rc < 0)
				return 0;
			if (rc > 0) {
				batch.count++;
				batch.bytes += item->size;
			}
		}
		if (batch.count >= batch.limit ||
		    batch.bytes >= BATCH_BYTES ||
		    batch.named_count >= 2 * BATCH - 1)
			end_batch(m);
		if (m->full)
			return 0;
	}
	return 1;
}

static int
no_put(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	(void)bytes;
	batch.seen += len;
	progress_set(batch.seen);
	return 0;
}

/* The same for a remote place: what is right goes into a pack. */
static void
pack_rows(struct mirror *m, const PGresult *res, char *buf)
{
	const struct blob_sink sink = { .buf = buf, .put = no_put,
		.stop = sig_caught };
	int row;

	for (row = 0; row < PQntuples(res) && !sig_caught(); row++) {
		const char *id = db_text(res, row, 1);
		uint64_t size, ino = heal_ino(&m->home, id);
		enum blob_outcome outcome = blob_read(&m->home, id, &sink);

		if (outcome == BLOB_GOOD && store_has(&m->home, id,
		    &size) == 1)
			remote_add(m, id, size, buf);
		else if (outcome != BLOB_STOPPED && outcome != BLOB_GOOD)
			name_bad(m, id, outcome, ino);
	}
}

/* What is to be done, number last is done. */
static PGresult *
next(const struct mirror *m, const char *last)
{
	PGresult *res = db_query(m->db, sql_mirror_next, last);

	if (!res)
		db_die("could not ask what the place has");
	return res;
}

static void
begin_work(const struct mirror *m, const char *sql, const char *rate,
    const char *label)
{
	PGresult *res;

	if (db_script(m->db, sql_mirror_empty) < 0)
		db_die("could not begin");
	ask(m->db, sql, m->to->name, rate);
	res = db_query(m->db, sql_mirror_sum);
	if (!res)
		db_die("could not ask what the place has");
	progress_start(label, NULL, PROGRESS_BYTES,
	    (uint64_t)db_int(res, 0, 1));
	PQclear(res);
	batch.seen = 0;
}

/* Number of the last row. */
static void
remember(char last[24], const PGresult *res)
{
	snprintf(last, 24, "%s", db_text(res, PQntuples(res) - 1, 0));
}

void
blobs_send(struct mirror *m)
{
	char *buf = xmalloc(BLOB_BLOCK), last[24] = "0";
	int more = 1;

	limit_files();
	begin_work(m, sql_mirror_lacks, NULL, "sending");
	while (more && !sig_caught()) {
		PGresult *res = next(m, last);

		more = PQntuples(res) > 0;
		if (more) {
			remember(last, res);
			if (m->to->remote)
				pack_rows(m, res, buf);
			else
				m->full = !send_rows(m, res, buf);
			more = !m->full;
		}
		PQclear(res);
	}
	if (m->to->remote && !sig_caught())
		remote_flush(m, buf);
	/* the batch, and then its names */
	end_batch(m);
	end_batch(m);
	progress_stop();
	free(buf);
	mirror_interrupted(m);
	ask(m->db, sql_mirror_join, m->to->name, NULL);
}

/* ---- looking ---- */

static struct {
	struct pgarray ids, sizes;
	PGconn *db;
} seen;

static int
tell_seen(void)
{
	const char *params[2];
	int lengths[2], formats[2] = { 1, 1 };
	PGresult *res;

	params[0] = pgarray_param(&seen.ids, &lengths[0]);
	params[1] = pgarray_param(&seen.sizes, &lengths[1]);
	res = db_check(seen.db, db_exec_params(seen.db, sql_mirror_saw, 2, NULL,
	    params, lengths, formats, 0));
	if (!res)
		db_die("could not look at what the place has");
	PQclear(res);
	pgarray_reset(&seen.ids);
	pgarray_reset(&seen.sizes);
	return 0;
}

static int
take_seen(void *arg, const char *id, uint64_t size)
{
	(void)arg;
	pgarray_text(&seen.ids, id);
	pgarray_int8(&seen.sizes, (int64_t)size);
	return seen.ids.count == BATCH ? tell_seen() : sig_caught() != 0;
}

void
blobs_look(struct mirror *m)
{
	char *root = path_join(m->to->path, "by-hash");
	PGresult *res;
	int rc;

	seen.db = m->db;
	pgarray_init(&seen.ids, PGARRAY_TEXT);
	pgarray_init(&seen.sizes, PGARRAY_INT8);
	if (db_script(m->db, sql_mirror_empty) < 0)
		db_die("could not begin");
	rc = depot_scan(root, take_seen, NULL, NULL);
	mirror_interrupted(m);
	if (rc < 0)
		die_errno("could not read %s: %m", quoted(root));
	tell_seen();
	pgarray_free(&seen.ids);
	pgarray_free(&seen.sizes);
	res = db_query(m->db, sql_mirror_unseen, m->to->name);
	if (!res)
		db_die("could not record what %s has", m->to->name);
	if (db_int(res, 0, 0) > 0)
		say("%s has not %s blobs that it had", m->to->name,
		    num_grouped((uint64_t)db_int(res, 0, 0)));
	PQclear(res);
	free(root);
}

/* ---- reading back ---- */

static void
wrong_there(struct mirror *m, const char *id, const char *why)
{
	char ids[1][STORE_ID + 1];

	progress_hide();
	printf("%s is %s\n", id, why);
	snprintf(ids[0], sizeof ids[0], "%s", id);
	if (depot_holds_not(m->db, m->to, ids, 1) < 0)
		db_die("could not record that");
	m->bad = 1;
	m->wrong++;
}

static void
check_blob(struct mirror *m, const char *id, char *buf)
{
	const struct blob_sink sink = { .buf = buf, .put = no_put,
		.stop = sig_caught };
	enum blob_outcome outcome = blob_read(&m->to->store, id, &sink);
	const char *state = blob_state_name(outcome, errno);

	if (outcome == BLOB_GOOD || outcome == BLOB_STOPPED)
		return;
	/* the disk and not the file */
	if (!state)
		die_errno("could not read blob %s of %s: %m", id, m->to->name);
	wrong_there(m, id, state);
}

void
blobs_check(struct mirror *m, uint64_t rate)
{
	char *buf, last[24] = "0", text[24];
	int rows = 1, row;

	if (m->to->remote) {
		remote_check(m, rate, wrong_there);
		return;
	}
	buf = xmalloc(BLOB_BLOCK);
	snprintf(text, sizeof text, "%llu", (unsigned long long)rate);
	begin_work(m, sql_mirror_holds, text, "reading");
	while (rows > 0 && !sig_caught()) {
		PGresult *res = next(m, last);

		rows = PQntuples(res);
		for (row = 0; row < rows && !sig_caught(); row++) {
			check_blob(m, db_text(res, row, 1), buf);
			m->blobs++;
		}
		if (rows > 0)
			remember(last, res);
		PQclear(res);
	}
	m->bytes = batch.seen;
	progress_stop();
	free(buf);
	mirror_interrupted(m);
}
