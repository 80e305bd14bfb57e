#define _GNU_SOURCE
#include "keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "catalogue/db.h"
#include "catalogue/pgarray.h"
#include "sql/statements.h"

enum {
	MOST = 512,		/* each may have a descriptor */
	KNOWN_DIGITS = 3,
	KNOWN = 1 << 4 * KNOWN_DIGITS
};

#define MOST_BYTES ((uint64_t)256 << 20)

void
keep_init(struct keep *k, PGconn *db, const char *medium,
    struct store *store, const char *trees)
{
	*k = (struct keep){ .db = db, .medium = medium, .store = store,
		.heal = { .db = db, .store = store, .trees = trees } };
	k->items = xcalloc(MOST, sizeof *k->items);
	k->known = xcalloc(KNOWN, sizeof *k->known);
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
	free(k->known);
}

/* The last one that began so. */
static char *
known(const struct keep *k, const char *id)
{
	char head[KNOWN_DIGITS + 1] = "";

	memcpy(head, id, KNOWN_DIGITS);
	return k->known[strtoul(head, NULL, 16)];
}

int
keep_known(const struct keep *k, const char *id)
{
	return !strcmp(known(k, id), id);
}

void
keep_take(struct keep *k, int64_t dev, int64_t ino, const char *name,
    const char *id, uint64_t size, struct store_temp *temp)
{
	struct kept *item = &k->items[k->count++];

	*item = (struct kept){ .dev = dev, .ino = ino, .size = size,
		.name = xstrdup(name), .temp = *temp };
	memcpy(item->id, id, sizeof item->id);
	strcpy(known(k, id), item->id);
	k->bytes += temp->fd < 0 ? 0 : size;
}

int
keep_full(const struct keep *k)
{
	return k->count == MOST || k->bytes >= MOST_BYTES;
}

static int
compare_ids(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;
	int rc = strcmp(x->id, y->id);

	/* those with bytes first */
	return rc ? rc : (y->temp.fd >= 0) - (x->temp.fd >= 0);
}

/*
 * What the store has already is read first, and replaced where it is wrong:
 * these bytes would be dropped for it.
 */
static enum keep_result
compare_old(struct keep *k, struct heal_item *old, size_t count)
{
	size_t i;

	if (count == 0)
		return KEPT;
	switch (heal_blobs(&k->heal, old, count)) {
	case HEAL_NO_DATABASE:
		return KEEP_NO_DATABASE;
	case HEAL_NO_STORE:
		return KEEP_NO_STORE;
	case HEAL_DONE:
		break;
	}
	for (i = 0; i < count; i++) {
		if (old[i].outcome == HEAL_STILL_BAD) {
			errno = EIO;
			return KEEP_NO_STORE;
		}
	}
	return KEPT;
}

/* New blobs get their names. */
static enum keep_result
publish(struct keep *k)
{
	struct heal_item *old = xcalloc(k->count, sizeof *old);
	enum keep_result result = KEPT;
	size_t i, count = 0;
	int there;

	qsort(k->items, k->count, sizeof *k->items, compare_ids);
	for (i = 0; i < k->count && result == KEPT; i++) {
		struct kept *item = &k->items[i];

		if (item->temp.fd < 0 ||
		    (i > 0 && !strcmp(item->id, item[-1].id))) {
			store_temp_discard(k->store, &item->temp);
			continue;
		}
		there = store_has(k->store, item->id, &(uint64_t){ 0 });
		if (there == 0) {
			item->is_new = store_publish(k->store, &item->temp,
			    item->id);
			/* somebody's, since: it is compared the next time */
			if (item->is_new < 0 && errno == EBADMSG)
				errno = EAGAIN;
		}
		if (there < 0 || item->is_new < 0)
			result = KEEP_NO_STORE;
		if (there <= 0)
			continue;
		old[count].size = item->size;
		old[count].temp = item->temp;
		memcpy(old[count++].id, item->id, sizeof item->id);
		item->temp.fd = -1;
	}
	if (result == KEPT)
		result = compare_old(k, old, count);
	for (i = 0; i < count; i++)
		store_temp_discard(k->store, &old[i].temp);
	free(old);
	return result;
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
	enum keep_result result;
	size_t i;

	if (k->count == 0)
		return KEPT;
	if (store_sync(k->store) < 0)
		return KEEP_NO_STORE;
	result = publish(k);
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
