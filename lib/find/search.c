#include "find/search.h"

#include <stdlib.h>
#include <string.h>

#include "catalogue/db.h"
#include "sql/statements.h"

static const char *
text_or_null(const PGresult *res, int col)
{
	return PQgetisnull(res, 0, col) ? NULL : db_text(res, 0, col);
}

static int
give(PGresult *res, struct buf *path, void (*take)(const struct found *e))
{
	struct found e = { .mode = -1 };

	buf_reset(path);
	if (db_bytea_value(res, 0, 0, path) < 0)
		return -1;
	e.path = path->data;
	e.len = path->len;
	e.type = *db_text(res, 0, 1);
	if (!PQgetisnull(res, 0, 2))
		e.mode = (int)db_int(res, 0, 2);
	e.nlink = db_int(res, 0, 3);
	e.size = db_int(res, 0, 4);
	e.mtime = db_int(res, 0, 5);
	e.status = db_text(res, 0, 6);
	e.blob = text_or_null(res, 7);
	e.mime = text_or_null(res, 8);
	e.damaged = db_bool(res, 0, 9);
	e.excluded = text_or_null(res, 10);
	take(&e);
	return 0;
}

static int
ask(PGconn *db, const char *statement, const char *medium, int n,
    const char *const *params, void (*take)(const struct found *e))
{
	char *sql = sql_for(statement, medium);
	int rc = PQsendQueryParams(db, sql, n, NULL, params, NULL, NULL,
	    0) == 1 && PQsetSingleRowMode(db) == 1 ? 0 : -1;
	struct buf path = BUF_INIT;
	PGresult *res;

	free(sql);
	if (rc < 0) {
		db_check(db, NULL);
		return -1;
	}
	while ((res = PQgetResult(db))) {
		if (rc == 0 && PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
			rc = give(res, &path, take);
		} else if (!db_check(db, res)) {
			rc = -1;
			continue;
		}
		PQclear(res);
	}
	buf_free(&path);
	return rc;
}

int
search_copies(PGconn *db, const char *fewest, const char *most)
{
	return db_script(db, sql_find_copies_begin) < 0 ? -1 :
	    db_do(db, sql_find_copies_fill, fewest, most);
}

/* One condition more, for who asks for copies: others need no table. */
static const char and_copies[] =
    " AND %c.blobid IN (SELECT blobid FROM find_copies)";

/* The statement, whose contents are those of the table it calls so. */
static int
ask_all(PGconn *db, const char *statement, char table, const char *medium,
    const struct tests *t, void (*take)(const struct found *e))
{
	const char *const params[] = {
		t->under, t->needs, t->types, t->mime, t->smallest, t->largest,
		t->newer, t->older, t->blob, t->damaged ? "t" : NULL,
		t->missing ? "t" : NULL, t->only_here ? "t" : NULL,
		t->words, t->fact, t->fact_text
	};
	char *copies = t->copies ? xasprintf(and_copies, table) : xstrdup("");
	char *sql = xasprintf("%s%s", statement, copies);
	int rc = ask(db, sql, medium,
	    (int)(sizeof params / sizeof params[0]), params, take);

	free(sql);
	free(copies);
	return rc;
}

int
search_entries(PGconn *db, const char *medium, const struct tests *t,
    void (*take)(const struct found *e))
{
	int rc = ask_all(db, sql_find_entries, 'i', medium, t, take);

	if (rc == 0 && (t->blob || t->words || t->fact))
		rc = ask_all(db, sql_find_streams, 's', medium, t, take);
	return rc;
}

int
search_omissions(PGconn *db, const char *medium, const struct tests *t,
    void (*take)(const struct found *e))
{
	const char *const params[] = { t->under, t->needs };

	return ask(db, sql_find_omissions, medium, 2, params, take);
}
