#define _GNU_SOURCE
#include "keep/heal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/exits.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/log.h"
#include "catalogue/db.h"
#include "catalogue/pgarray.h"
#include "sql/statements.h"
#include "store/archived.h"

uint64_t
heal_ino(const struct store *s, const char *id)
{
	char path[STORE_PATH];
	struct stat st;

	store_path(path, id);
	return fstatat(s->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ?
	    st.st_ino : 0;
}

/* A statement with the ids of the items, and their sizes where sizes is set. */
static PGresult *
query_ids(PGconn *db, const char *sql, const struct heal_item *items,
    size_t count, int sizes, enum heal_outcome except)
{
	struct pgarray id, size;
	const char *params[2];
	int lengths[2], formats[2] = { 1, 1 };
	PGresult *res;
	size_t i;

	pgarray_init(&id, PGARRAY_TEXT);
	pgarray_init(&size, PGARRAY_INT8);
	for (i = 0; i < count; i++) {
		if (items[i].outcome == except)
			continue;
		pgarray_text(&id, items[i].id);
		pgarray_int8(&size, (int64_t)items[i].size);
	}
	params[0] = pgarray_param(&id, &lengths[0]);
	params[1] = pgarray_param(&size, &lengths[1]);
	res = db_check(db, db_exec_params(db, sql, sizes ? 2 : 1, NULL, params,
	    lengths, formats, 0));
	pgarray_free(&id);
	pgarray_free(&size);
	return res;
}

/* Of all of them, whatever came out. */
enum { NOBODY = -1 };

static int
do_ids(PGconn *db, const char *sql, const struct heal_item *items,
    size_t count, int sizes, int except)
{
	PGresult *res = query_ids(db, sql, items, count, sizes,
	    (enum heal_outcome)except);
	int rc = res ? 0 : -1;

	PQclear(res);
	return rc;
}

static void
log_healed(const struct heal_item *item)
{
	struct buf event = BUF_INIT;

	log_begin(&event, LOG_HEALED);
	json_text(&event, "blobid", item->id);
	json_text(&event, "was", store_state_name(item->found));
	json_u64(&event, "size", item->size);
	log_end(&event);
	buf_free(&event);
}

/* The disk has what the name says: 1 or 0; -1 with errno. */
static int
read_back(const struct heal_item *item)
{
	int fd = item->temp.fd, flags = fcntl(fd, F_GETFL);
	char id[STORE_ID + 1];

	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_DIRECT) < 0 ||
	    fsync(fd) < 0)
		return -1;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (store_hash(fd, id) < 0)
		return -1;
	return !strcmp(id, item->id);
}

/* The file of one blob, whose row is locked; 0, or -1 with errno. */
static int
heal_file(struct heal *h, struct heal_item *item)
{
	int err, rc;

	item->found = store_check(h->store, item->id, &err);
	item->outcome = item->found == STORE_GOOD ? HEAL_WAS_GOOD :
	    HEAL_STILL_BAD;
	if (item->found == STORE_UNREADABLE &&
	    exit_for_errno(err) == EXIT_AGAIN) {
		errno = err;
		return -1;
	}
	if (item->outcome == HEAL_WAS_GOOD || item->temp.fd < 0) {
		store_temp_discard(h->store, &item->temp);
		return 0;
	}
	rc = read_back(item);
	if (rc == 0)
		store_temp_discard(h->store, &item->temp);
	if (rc <= 0)
		return rc;
	if (store_replace(h->store, &item->temp, item->id) < 0)
		return -1;
	item->outcome = HEAL_REPLACED;
	h->healed++;
	log_healed(item);
	return 0;
}

static int
compare_items(const void *a, const void *b)
{
	const struct heal_item *x = a, *y = b;

	return strcmp(x->id, y->id);
}

/* ---- the trees ---- */

static int
relink_rows(struct heal *h, struct archived *tree, PGresult *res)
{
	struct buf path = BUF_INIT;
	int row, rc = 0;

	for (row = 0; rc == 0 && row < PQntuples(res); row++) {
		int made;

		buf_reset(&path);
		if (db_bytea_value(res, row, 1, &path) < 0 || path.len == 0)
			continue;
		made = archived_link(tree, h->store, db_text(res, row, 0),
		    path.data);
		if (made > 0)
			h->relinked++;
		/* a name that has no place in the tree had none before */
		if (made < 0 && !archived_conflict(errno))
			rc = -1;
	}
	buf_free(&path);
	return rc;
}

static enum heal_result
relink_medium(struct heal *h, const char *medium,
    const struct heal_item *items, size_t count)
{
	char *dir = path_join(h->trees, medium);
	int there = access(dir, F_OK) == 0;
	enum heal_result result = HEAL_DONE;
	struct archived tree;
	char *sql;
	PGresult *res;

	free(dir);
	if (!there)
		return HEAL_DONE;
	sql = sql_for(sql_heal_paths, medium);
	res = query_ids(h->db, sql, items, count, 0, HEAL_STILL_BAD);
	free(sql);
	if (!res)
		return HEAL_NO_DATABASE;
	if (PQntuples(res) > 0) {
		if (archived_open(&tree, h->trees, medium, h->store) < 0 ||
		    relink_rows(h, &tree, res) < 0 ||
		    archived_sync(&tree) < 0)
			result = HEAL_NO_STORE;
		archived_close(&tree);
	}
	PQclear(res);
	return result;
}

static enum heal_result
relink(struct heal *h, const struct heal_item *items, size_t count)
{
	enum heal_result result = HEAL_DONE;
	PGresult *res;
	int row;

	if (!*h->trees)
		return HEAL_DONE;
	res = db_query(h->db, sql_medium_all_loaded);
	if (!res)
		return HEAL_NO_DATABASE;
	for (row = 0; result == HEAL_DONE && row < PQntuples(res); row++)
		result = relink_medium(h, db_text(res, row, 0), items, count);
	PQclear(res);
	return result;
}

/* ---- one transaction ---- */

static size_t
healthy(const struct heal_item *items, size_t count)
{
	size_t i, n = 0;

	for (i = 0; i < count; i++)
		n += items[i].outcome != HEAL_STILL_BAD;
	return n;
}

static enum heal_result
heal_locked(struct heal *h, struct heal_item *items, size_t count)
{
	enum heal_result result;
	size_t i;

	for (i = 0; i < count; i++)
		if (heal_file(h, &items[i]) < 0)
			return HEAL_NO_STORE;
	if (healthy(items, count) > 0) {
		result = relink(h, items, count);
		if (result != HEAL_DONE)
			return result;
		if (store_sync(h->store) < 0)
			return HEAL_NO_STORE;
		if (do_ids(h->db, sql_heal_good, items, count, 0,
		    HEAL_STILL_BAD) < 0)
			return HEAL_NO_DATABASE;
	}
	for (i = 0; i < count; i++)
		if (items[i].outcome == HEAL_STILL_BAD &&
		    db_do(h->db, sql_heal_mark, items[i].id,
		    store_state_name(items[i].found)) < 0)
			return HEAL_NO_DATABASE;
	return HEAL_DONE;
}

static enum heal_result
heal_in_transaction(struct heal *h, struct heal_item *items, size_t count)
{
	if (db_do(h->db, sql_heal_begin) < 0 ||
	    do_ids(h->db, sql_heal_add, items, count, 1, NOBODY) < 0 ||
	    do_ids(h->db, sql_heal_lock, items, count, 0, NOBODY) < 0)
		return HEAL_NO_DATABASE;
	return heal_locked(h, items, count);
}

enum heal_result
heal_blobs(struct heal *h, struct heal_item *items, size_t count)
{
	enum heal_result result = HEAL_NO_DATABASE;
	size_t i;
	int err;

	qsort(items, count, sizeof *items, compare_items);
	for (i = 0; i < count; i++)
		items[i].outcome = HEAL_STILL_BAD;
	if (db_begin(h->db) == 0)
		result = heal_in_transaction(h, items, count);
	if (result == HEAL_DONE && db_commit(h->db) < 0)
		result = HEAL_NO_DATABASE;
	err = errno;
	for (i = 0; i < count; i++)
		store_temp_discard(h->store, &items[i].temp);
	if (result != HEAL_DONE && PQstatus(h->db) == CONNECTION_OK &&
	    PQtransactionStatus(h->db) != PQTRANS_IDLE)
		db_rollback(h->db);
	errno = err;
	return result;
}

int
heal_mark(PGconn *db, const struct store *s, const char *id,
    enum store_state state, uint64_t ino)
{
	int rc = -1;

	if (db_begin(db) < 0)
		return -1;
	if (db_do(db, sql_heal_lock_one, id) == 0)
		rc = heal_ino(s, id) != ino ? 0 :
		    db_do(db, sql_heal_mark, id, store_state_name(state));
	if (rc == 0)
		rc = db_commit(db);
	if (rc < 0 && PQtransactionStatus(db) != PQTRANS_IDLE)
		db_rollback(db);
	return rc;
}
