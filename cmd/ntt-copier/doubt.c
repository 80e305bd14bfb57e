#define _GNU_SOURCE
#include "doubt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/exits.h"
#include "base/fsutil.h"
#include "catalogue/db.h"
#include "catalogue/pgarray.h"
#include "sql/statements.h"

enum {
	ID = STORE_ID / 2,
	QUESTIONS = 256,		/* at once */
	ROOM = 8 << 20,			/* bytes of them */
	SLOTS = 1 << 15
};

void
doubt_init(struct doubt *d, PGconn *db, struct store *store,
    const char *trees, int paranoid, uint64_t days)
{
	memset(d, 0, sizeof *d);
	d->heal.db = db;
	d->heal.store = store;
	d->heal.trees = trees;
	d->paranoid = paranoid;
	snprintf(d->days, sizeof d->days, "%llu", (unsigned long long)days);
	d->items = xcalloc(QUESTIONS, sizeof *d->items);
	d->bytes = xmalloc(ROOM);
	d->settled = xcalloc(SLOTS, ID);
}

void
doubt_free(struct doubt *d)
{
	free(d->items);
	free(d->bytes);
	free(d->settled);
	free(d->marked);
	memset(d, 0, sizeof *d);
}

static int
database_failed(struct doubt *d)
{
	d->database_failed = 1;
	errno = EIO;
	return -1;
}

/* ---- what was settled in this turn ---- */

/* The slot of an id, or the free one for it; an id of zeros is nobody's. */
static uint8_t *
slot_of(const struct doubt *d, const uint8_t id[ID])
{
	static const uint8_t none[ID];
	uint32_t n;

	memcpy(&n, id, sizeof n);
	for (;; n++) {
		uint8_t *slot = d->settled[n % SLOTS];

		if (!memcmp(slot, id, ID) || !memcmp(slot, none, ID))
			return slot;
	}
}

static int
is_settled(const struct doubt *d, const char *hex)
{
	uint8_t id[ID];

	return hex_decode(id, hex, ID) == 0 && !memcmp(slot_of(d, id), id, ID);
}

static void
forget_settled(struct doubt *d)
{
	if (d->settled_count > 0)
		memset(d->settled, 0, (size_t)SLOTS * ID);
	d->settled_count = 0;
}

void
doubt_settle(struct doubt *d, const char *hex)
{
	uint8_t id[ID];

	/* asking again costs little */
	if (d->settled_count >= SLOTS / 2)
		forget_settled(d);
	if (hex_decode(id, hex, ID) < 0)
		return;
	memcpy(slot_of(d, id), id, ID);
	d->settled_count++;
}

/* ---- questions ---- */

/* Those of the ids that the catalogue trusts, as rows (blobid, size). */
static PGresult *
ask_catalogue(struct doubt *d, struct pgarray *ids)
{
	const char *params[2] = { NULL, d->days };
	int lengths[2] = { 0, 0 }, formats[2] = { 1, 0 };

	params[0] = pgarray_param(ids, &lengths[0]);
	return db_check(d->heal.db, db_exec_params(d->heal.db, sql_copier_trusted,
	    2, NULL, params, lengths, formats, 0));
}

static int
is_trusted(const struct doubt *d, const PGresult *res, const char *id,
    uint64_t size)
{
	uint64_t there;
	int row;

	if (d->paranoid || store_has(d->heal.store, id, &there) != 1 ||
	    there != size)
		return 0;
	for (row = 0; row < PQntuples(res); row++)
		if (!strcmp(db_text(res, row, 0), id))
			return (uint64_t)db_int(res, row, 1) == size;
	return 0;
}

static int
heal(struct doubt *d, struct heal_item *items, size_t count)
{
	size_t i;

	switch (heal_blobs(&d->heal, items, count)) {
	case HEAL_NO_DATABASE:
		return database_failed(d);
	case HEAL_NO_STORE:
		return -1;
	case HEAL_DONE:
		break;
	}
	for (i = 0; i < count; i++) {
		if (items[i].outcome == HEAL_STILL_BAD) {
			errno = EIO;
			return -1;
		}
		doubt_settle(d, items[i].id);
	}
	return 0;
}

/*
 * These blobs were read and are right.  If one is marked all the same, whoever
 * healed it was killed before all trees had the new file.  0, or -1.
 */
static int
note_right(struct doubt *d, struct pgarray *ids)
{
	const char *params[1];
	int lengths[1], formats[] = { 1 }, rows, i, rc;
	struct heal_item *marked;
	PGresult *res;

	if (ids->count == 0)
		return 0;
	params[0] = pgarray_param(ids, &lengths[0]);
	res = db_check(d->heal.db, db_exec_params(d->heal.db,
	    sql_copier_checked, 1, NULL, params, lengths, formats, 0));
	if (!res)
		return database_failed(d);
	rows = PQntuples(res);
	marked = xcalloc((size_t)rows + 1, sizeof *marked);
	for (i = 0; i < rows; i++) {
		snprintf(marked[i].id, sizeof marked[i].id, "%s",
		    db_text(res, i, 0));
		marked[i].size = (uint64_t)db_int(res, i, 1);
		marked[i].temp.fd = -1;
	}
	PQclear(res);
	rc = rows > 0 ? heal(d, marked, (size_t)rows) : 0;
	free(marked);
	return rc;
}

/*
 * Reads the blob: 1 right, and added to those, 0 wrong, and then marked; -1
 * with errno.
 */
static int
look(struct doubt *d, const char *id, struct pgarray *right)
{
	uint64_t ino = heal_ino(d->heal.store, id);
	int err;
	enum store_state state = store_check(d->heal.store, id, &err);

	if (state == STORE_GOOD) {
		d->checked++;
		/* whoever has named it may not have synced it yet */
		store_note_name(d->heal.store, id);
		pgarray_text(right, id);
		return 1;
	}
	if (state == STORE_UNREADABLE && exit_for_errno(err) == EXIT_AGAIN) {
		errno = err;
		return -1;
	}
	return heal_mark(d->heal.db, d->heal.store, id, state, ino) < 0 ?
	    database_failed(d) : 0;
}

int
doubt_heal(struct doubt *d, const char *id, uint64_t size,
    struct store_temp *temp)
{
	struct heal_item item = { .size = size, .temp = *temp };

	temp->fd = -1;
	memcpy(item.id, id, sizeof item.id);
	return heal(d, &item, 1);
}

/* The bytes of a question on their way to be those of its blob. */
static int
take_bytes(struct doubt *d, const struct doubt_item *q,
    struct heal_item *item)
{
	memset(item, 0, sizeof *item);
	memcpy(item->id, q->id, sizeof item->id);
	item->size = q->len;
	if (store_temp(d->heal.store, &item->temp) < 0)
		return -1;
	if (write_all(item->temp.fd, d->bytes + q->at, q->len) == 0)
		return 0;
	store_temp_discard(d->heal.store, &item->temp);
	return -1;
}

static int
answer(struct doubt *d, const PGresult *trusted, struct pgarray *right,
    struct heal_item *wrong, size_t *wrong_count)
{
	size_t i;
	int rc;

	for (i = 0; i < d->count; i++) {
		const struct doubt_item *q = &d->items[i];

		if (is_settled(d, q->id))
			continue;
		rc = is_trusted(d, trusted, q->id, q->len) ? 1 :
		    look(d, q->id, right);
		if (rc < 0)
			return -1;
		/* one question a content: the others have its answer */
		doubt_settle(d, q->id);
		if (rc == 0 && take_bytes(d, q, &wrong[(*wrong_count)++]) < 0) {
			(*wrong_count)--;
			return -1;
		}
	}
	return 0;
}

int
doubt_resolve(struct doubt *d)
{
	struct heal_item *wrong;
	struct pgarray ids, right;
	size_t i, wrong_count = 0;
	PGresult *trusted;
	int rc, err;

	if (d->count == 0)
		return 0;
	pgarray_init(&ids, PGARRAY_TEXT);
	for (i = 0; i < d->count; i++)
		pgarray_text(&ids, d->items[i].id);
	trusted = ask_catalogue(d, &ids);
	pgarray_free(&ids);
	if (!trusted)
		return database_failed(d);
	wrong = xcalloc(d->count, sizeof *wrong);
	pgarray_init(&right, PGARRAY_TEXT);
	rc = answer(d, trusted, &right, wrong, &wrong_count);
	if (rc == 0)
		rc = note_right(d, &right);
	if (rc == 0 && wrong_count > 0)
		rc = heal(d, wrong, wrong_count);
	err = errno;
	for (i = 0; rc < 0 && i < wrong_count; i++)
		store_temp_discard(d->heal.store, &wrong[i].temp);
	PQclear(trusted);
	pgarray_free(&right);
	free(wrong);
	d->count = d->used = 0;
	errno = err;
	return rc;
}

static int
ask_now(struct doubt *d, const char *id, uint64_t size)
{
	struct pgarray ids;
	PGresult *trusted;
	int rc;

	pgarray_init(&ids, PGARRAY_TEXT);
	pgarray_text(&ids, id);
	trusted = ask_catalogue(d, &ids);
	pgarray_free(&ids);
	if (!trusted)
		return database_failed(d);
	pgarray_init(&ids, PGARRAY_TEXT);
	rc = is_trusted(d, trusted, id, size) ? 1 : look(d, id, &ids);
	if (rc == 1 && note_right(d, &ids) < 0)
		rc = -1;
	pgarray_free(&ids);
	PQclear(trusted);
	if (rc == 1)
		doubt_settle(d, id);
	return rc;
}

int
doubt_ask(struct doubt *d, const char *id, uint64_t size, const void *bytes)
{
	struct doubt_item *q;

	if (is_settled(d, id))
		return 1;
	if (!bytes)
		return ask_now(d, id, size);
	if ((d->count == QUESTIONS || d->used + size > ROOM) &&
	    doubt_resolve(d) < 0)
		return -1;
	q = &d->items[d->count++];
	memcpy(q->id, id, sizeof q->id);
	q->at = d->used;
	q->len = (size_t)size;
	memcpy(d->bytes + q->at, bytes, q->len);
	d->used += q->len;
	return 1;
}

/* ---- what others found out ---- */

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, ID);
}

int
doubt_marked(const struct doubt *d, const char *hex)
{
	uint8_t id[ID];

	return d->marked_count > 0 && hex_decode(id, hex, ID) == 0 &&
	    bsearch(id, d->marked, d->marked_count, ID, compare_ids);
}

int
doubt_turn(struct doubt *d, char **now)
{
	PGresult *res = db_query(d->heal.db, sql_copier_marked);
	size_t rows, i;

	if (!res)
		return database_failed(d);
	rows = (size_t)PQntuples(res);
	free(d->marked);
	d->marked = xcalloc(rows, ID);
	d->marked_count = 0;
	for (i = 0; i < rows; i++)
		if (hex_decode(d->marked[d->marked_count],
		    db_text(res, (int)i, 0), ID) == 0)
			d->marked_count++;
	qsort(d->marked, d->marked_count, ID, compare_ids);
	*now = rows ? xstrdup(db_text(res, 0, 1)) : NULL;
	PQclear(res);
	forget_settled(d);
	return 0;
}

int
doubt_healed_since(struct doubt *d, const char *since,
    char (**ids)[STORE_ID + 1], size_t *count)
{
	PGresult *res = db_query(d->heal.db, sql_copier_healed, since);
	size_t i;

	if (!res)
		return database_failed(d);
	*count = (size_t)PQntuples(res);
	*ids = xcalloc(*count + 1, sizeof **ids);
	for (i = 0; i < *count; i++)
		memcpy((*ids)[i], db_text(res, (int)i, 0), STORE_ID);
	PQclear(res);
	return 0;
}
