#define _GNU_SOURCE
#include "wanted.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "catalogue/db.h"
#include "catalogue/pgarray.h"
#include "sql/statements.h"

static int
compare(const void *a, const void *b)
{
	const struct wanted_blob *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static void
add_rows(struct wanted *w, const PGresult *res)
{
	int row, rows = PQntuples(res);

	w->blobs = xrealloc(w->blobs,
	    (w->blob_count + (size_t)rows + 1) * sizeof *w->blobs);
	for (row = 0; row < rows; row++) {
		struct wanted_blob *b = &w->blobs[w->blob_count];

		memset(b, 0, sizeof *b);
		memcpy(b->id, db_text(res, row, 0), STORE_ID);
		b->size = (uint64_t)db_int(res, row, 1);
		w->blob_count++;
	}
}

int
wanted_marked(struct wanted *w, PGconn *db, const char *medium)
{
	char *sql = medium ? sql_for(sql_heal_marked_of, medium) :
	    xstrdup(sql_heal_marked);
	PGresult *res = db_query(db, sql);

	free(sql);
	if (!res)
		return -1;
	add_rows(w, res);
	PQclear(res);
	return 0;
}

int
wanted_add(struct wanted *w, PGconn *db, const char *id)
{
	struct wanted_blob key;
	PGresult *res;
	int n;

	memset(&key, 0, sizeof key);
	memcpy(key.id, id, STORE_ID);
	if (w->blob_count > 0 &&
	    bsearch(&key, w->blobs, w->blob_count, sizeof key, compare))
		return 1;
	res = db_query(db, sql_heal_blob, id);
	n = res ? PQntuples(res) : -1;
	if (n > 0) {
		add_rows(w, res);
		qsort(w->blobs, w->blob_count, sizeof key, compare);
	}
	PQclear(res);
	return n;
}

size_t
wanted_left(const struct wanted *w)
{
	size_t i, n = 0;

	for (i = 0; i < w->blob_count; i++)
		n += !w->blobs[i].right;
	return n;
}

static void
add_names(struct wanted *w, PGresult *res, size_t medium)
{
	int row, rows = PQntuples(res);

	w->names = xrealloc(w->names,
	    (w->name_count + (size_t)rows + 1) * sizeof *w->names);
	for (row = 0; row < rows; row++) {
		struct wanted_name *n = &w->names[w->name_count];
		struct wanted_blob key, *blob;
		struct buf path = BUF_INIT;

		memset(&key, 0, sizeof key);
		memcpy(key.id, db_text(res, row, 0), STORE_ID);
		blob = bsearch(&key, w->blobs, w->blob_count, sizeof key,
		    compare);
		if (!blob || db_bytea_value(res, row, 2, &path) < 0 ||
		    path.len == 0) {
			buf_free(&path);
			continue;
		}
		n->blob = (size_t)(blob - w->blobs);
		n->medium = medium;
		n->type = *db_text(res, row, 1);
		n->path = buf_detach(&path);
		w->name_count++;
	}
}

static int
find_in_medium(struct wanted *w, PGconn *db, const char *hash,
    const char *ids, int len)
{
	char *sql = sql_for(sql_heal_names, hash);
	int format = 1, rc = 0;
	PGresult *res = db_check(db, db_exec_params(db, sql, 1, NULL, &ids,
	    &len, &format, 0));

	free(sql);
	if (!res)
		return -1;
	if (PQntuples(res) > 0) {
		w->media = xrealloc(w->media,
		    (w->medium_count + 1) * sizeof *w->media);
		rc = medium_get(db, hash, &w->media[w->medium_count]);
		if (rc > 0)
			add_names(w, res, w->medium_count++);
	}
	PQclear(res);
	return rc < 0 ? -1 : 0;
}

int
wanted_find_names(struct wanted *w, PGconn *db)
{
	PGresult *media = db_query(db, sql_medium_all_loaded);
	struct pgarray ids;
	const char *param;
	int row, len, rc = media ? 0 : -1;
	size_t i;

	pgarray_init(&ids, PGARRAY_TEXT);
	for (i = 0; i < w->blob_count; i++)
		if (!w->blobs[i].right)
			pgarray_text(&ids, w->blobs[i].id);
	param = pgarray_param(&ids, &len);
	for (row = 0; rc == 0 && row < PQntuples(media); row++)
		rc = find_in_medium(w, db, db_text(media, row, 0), param, len);
	PQclear(media);
	pgarray_free(&ids);
	return rc;
}

void
wanted_free(struct wanted *w)
{
	size_t i;

	for (i = 0; i < w->name_count; i++)
		free(w->names[i].path);
	for (i = 0; i < w->medium_count; i++)
		medium_free(&w->media[i]);
	free(w->names);
	free(w->media);
	free(w->blobs);
	memset(w, 0, sizeof *w);
}
