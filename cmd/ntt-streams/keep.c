#define _GNU_SOURCE
#include "keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "catalogue/db.h"
#include "catalogue/pgarray.h"
#include "sql/statements.h"

enum { MOST = 256 };		/* each has a descriptor */

#define MOST_BYTES ((uint64_t)256 << 20)

void
keep_init(struct keep *k, PGconn *db, const char *medium,
    struct store *store, const char *trees)
{
	*k = (struct keep){ .db = db, .medium = medium, .store = store,
		.heal = { .db = db, .store = store, .trees = trees } };
	k->items = xcalloc(MOST, sizeof *k->items);
}

static void
forget(struct keep *k)
{
	size_t i;

	for (i = 0; i < k->count; i++) {
		store_temp_discard(k->store, &k->items[i].temp);
		free(k->items[i].name);
	}
	k->count = 0;
	k->bytes = 0;
}

void
keep_free(struct keep *k)
{
	forget(k);
	free(k->items);
}

void
keep_take(struct keep *k, int64_t dev, int64_t ino, const char *name,
    const char *id, uint64_t size, struct store_temp *temp)
{
	struct kept *item = &k->items[k->count++];

	*item = (struct kept){ .dev = dev, .ino = ino, .size = size,
		.name = xstrdup(name), .temp = *temp };
	memcpy(item->id, id, sizeof item->id);
	k->bytes += size;
}

int
keep_full(const struct keep *k)
{
	return k->count == MOST || k->bytes >= MOST_BYTES;
}

/*
 * The blob gets its name.  What the store has already is read first, and
 * replaced where it is wrong: these bytes would be dropped for it.
 */
static enum keep_result
publish(struct keep *k, struct kept *item)
{
	struct heal_item known = { .size = item->size, .temp = item->temp };
	enum heal_result result;
	uint64_t size;
	int there = store_has(k->store, item->id, &size);

	if (there == 0) {
		item->is_new = store_publish(k->store, &item->temp, item->id);
		if (item->is_new >= 0)
			return KEPT;
		if (errno != EBADMSG)
			return KEEP_NO_STORE;
		/* somebody's, since: it is read the next time */
		errno = EAGAIN;
		return KEEP_NO_STORE;
	}
	if (there < 0)
		return KEEP_NO_STORE;
	memcpy(known.id, item->id, sizeof known.id);
	item->temp.fd = -1;
	result = heal_blobs(&k->heal, &known, 1);
	if (result == HEAL_NO_DATABASE)
		return KEEP_NO_DATABASE;
	if (result == HEAL_DONE && known.outcome == HEAL_STILL_BAD) {
		errno = EIO;
		return KEEP_NO_STORE;
	}
	return result == HEAL_DONE ? KEPT : KEEP_NO_STORE;
}

static int
do_arrays(struct keep *k, const char *sql, struct pgarray *arrays, int n)
{
	const char *params[5];
	int lengths[5], formats[5], i;
	PGresult *res;

	for (i = 0; i < n; i++) {
		params[i] = pgarray_param(&arrays[i], &lengths[i]);
		formats[i] = 1;
	}
	res = db_check(k->db, db_exec_params(k->db, sql, n, NULL, params,
	    lengths, formats, 0));
	PQclear(res);
	return res ? 0 : -1;
}

static int
commit(struct keep *k)
{
	static const uint32_t blob_types[] = { PGARRAY_TEXT, PGARRAY_INT8 };
	static const uint32_t row_types[] = { PGARRAY_INT8, PGARRAY_INT8,
		PGARRAY_BYTEA, PGARRAY_TEXT, PGARRAY_INT8 };
	char *sql = sql_for(sql_streams_stored, k->medium);
	struct pgarray blobs[2], rows[5];
	size_t i;
	int rc;

	for (i = 0; i < 2; i++)
		pgarray_init(&blobs[i], blob_types[i]);
	for (i = 0; i < 5; i++)
		pgarray_init(&rows[i], row_types[i]);
	for (i = 0; i < k->count; i++) {
		const struct kept *item = &k->items[i];

		pgarray_text(&blobs[0], item->id);
		pgarray_int8(&blobs[1], (int64_t)item->size);
		pgarray_int8(&rows[0], item->dev);
		pgarray_int8(&rows[1], item->ino);
		pgarray_bytes(&rows[2], item->name, strlen(item->name));
		pgarray_text(&rows[3], item->id);
		pgarray_int8(&rows[4], (int64_t)item->size);
	}
	rc = db_begin(k->db);
	if (rc == 0)
		rc = do_arrays(k, sql_streams_blobs, blobs, 2);
	if (rc == 0)
		rc = do_arrays(k, sql, rows, 5);
	if (rc == 0)
		rc = db_commit(k->db);
	if (rc < 0 && PQstatus(k->db) == CONNECTION_OK)
		db_rollback(k->db);
	for (i = 0; i < 2; i++)
		pgarray_free(&blobs[i]);
	for (i = 0; i < 5; i++)
		pgarray_free(&rows[i]);
	free(sql);
	return rc;
}

/* ntt-reclaim may have thrown away what had no row that it could see. */
static int
keep_from_trash(struct keep *k)
{
	uint64_t size;
	size_t i;

	for (i = 0; i < k->count; i++)
		if (!k->items[i].is_new && store_has(k->store,
		    k->items[i].id, &size) == 0 &&
		    store_from_trash(k->store, k->items[i].id) < 0)
			return -1;
	return 0;
}

enum keep_result
keep_flush(struct keep *k)
{
	enum keep_result result = KEPT;
	size_t i;

	if (k->count == 0)
		return KEPT;
	if (store_sync(k->store) < 0)
		return KEEP_NO_STORE;
	for (i = 0; i < k->count && result == KEPT; i++)
		result = publish(k, &k->items[i]);
	if (result != KEPT)
		return result;
	if (store_sync(k->store) < 0)
		return KEEP_NO_STORE;
	if (commit(k) < 0)
		return KEEP_NO_DATABASE;
	if (keep_from_trash(k) < 0)
		return KEEP_NO_STORE;
	for (i = 0; i < k->count; i++) {
		k->stored++;
		k->new += k->items[i].is_new && k->items[i].size > 0;
		k->all_bytes += k->items[i].size;
	}
	forget(k);
	return KEPT;
}
