#include "find/search.h"

#include <stdlib.h>
#include <string.h>

#include "base/sig.h"
#include "catalogue/db.h"
#include "sql/statements.h"

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
	e.blob = db_text_null(res, 0, 7);
	e.mime = db_text_null(res, 0, 8);
	e.damaged = db_bool(res, 0, 9);
	e.excluded = db_text_null(res, 0, 10);
	take(&e);
	return 0;
}

static int
ask(PGconn *db, const char *statement, const char *medium, int n,
    const char *const *params, const int *lengths, const int *formats,
    void (*take)(const struct found *e))
{
	char *sql = sql_for(statement, medium);
	int rc = PQsendQueryParams(db, sql, n, NULL, params, lengths,
	    formats, 0) == 1 && PQsetSingleRowMode(db) == 1 ? 0 : -1;
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
/* And for who has a list of known contents. */
static const char and_known[] =
    " AND %c.blobid IN (SELECT blobid FROM known_blob WHERE known)";
static const char and_not_known[] =
    " AND %1$c.blobid IS NOT NULL AND NOT EXISTS (SELECT FROM known_blob k "
    "WHERE k.blobid = %1$c.blobid AND k.known)";
/* And for who knows candidates. */
static const char and_hits[] =
    " AND (p.dir, p.path) IN (SELECT * FROM unnest($16::bigint[], "
    "$17::bytea[]))";

/* The statement, whose contents are those of the table it calls so. */
static int
ask_all(PGconn *db, const char *statement, char table, const char *medium,
    const struct tests *t, void (*take)(const struct found *e))
{
	enum { PARAMS = 17 };
	int lengths[PARAMS] = { 0 }, formats[PARAMS] = { 0 };
	const char *params[PARAMS] = {
		t->under, t->needs, t->types, t->mime, t->smallest, t->largest,
		t->newer, t->older, t->blob, t->damaged ? "t" : NULL,
		t->missing ? "t" : NULL, t->only_here ? "t" : NULL,
		t->words, t->fact, t->fact_text
	};
	char *copies = t->copies ? xasprintf(and_copies, table) : xstrdup("");
	char *known = t->known > 0 ? xasprintf(and_known, table) :
	    t->known < 0 ? xasprintf(and_not_known, table) : xstrdup("");
	char *sql = xasprintf("%s%s%s%s", statement, copies, known,
	    t->hits ? and_hits : "");
	int n = PARAMS - 2, rc;

	if (t->hits) {
		formats[n] = formats[n + 1] = 1;
		params[n] = pgarray_param(&t->hits->dirs, &lengths[n]);
		params[n + 1] = pgarray_param(&t->hits->paths,
		    &lengths[n + 1]);
		n = PARAMS;
	}
	rc = ask(db, sql, medium, n, params, lengths, formats, take);
	free(sql);
	free(copies);
	free(known);
	return rc;
}

static int
needs_inodes(const struct tests *t)
{
	return !t->paths_only || t->types || t->mime || t->smallest ||
	    t->largest || t->newer || t->older || t->blob || t->words ||
	    t->fact || t->damaged || t->missing || t->only_here ||
	    t->copies || t->known;
}

static int
ask_listed(PGconn *db, const char *medium, const struct tests *t,
    void (*take)(const struct found *e))
{
	int lengths[3] = { 0 }, formats[] = { 0, 1, 1 };
	const char *params[] = { t->under,
		pgarray_param(&t->hits->dirs, &lengths[1]),
		pgarray_param(&t->hits->paths, &lengths[2]) };

	return ask(db, sql_find_listed, medium, 3, params, lengths, formats,
	    take);
}

int
search_entries(PGconn *db, const char *medium, const struct tests *t,
    void (*take)(const struct found *e))
{
	int rc;

	if (t->hits && !needs_inodes(t))
		return ask_listed(db, medium, t, take);
	rc = ask_all(db, sql_find_entries, 'i', medium, t, take);
	if (rc == 0 && (t->blob || t->words || t->fact || t->known))
		rc = ask_all(db, sql_find_streams, 's', medium, t, take);
	return rc;
}

/* The rest of what is on its way; 0, or -1 if it ended in a failure. */
static int
drain(PGconn *db, int cancelled)
{
	PGresult *res;
	int rc = 0;

	while ((res = PQgetResult(db))) {
		if (!cancelled && PQresultStatus(res) != PGRES_SINGLE_TUPLE) {
			res = db_check(db, res);
			rc = res ? rc : -1;
		}
		PQclear(res);
	}
	return rc;
}

static void
cancel(PGconn *db)
{
	PGcancel *c = PQgetCancel(db);
	char why[256];

	if (c)
		PQcancel(c, why, sizeof why);
	PQfreeCancel(c);
}

int
search_paths(PGconn *db, const char *medium, const char *under,
    int (*take)(void *arg, const char *path, size_t len), void *arg)
{
	char *sql = sql_for(sql_find_paths, medium);
	int rc = PQsendQueryParams(db, sql, 1, NULL, &under, NULL, NULL,
	    1) == 1 && PQsetSingleRowMode(db) == 1 ? 0 : -1, more = 1;
	PGresult *res;

	free(sql);
	if (rc < 0) {
		db_check(db, NULL);
		return -1;
	}
	while (more && (res = PQgetResult(db))) {
		if (PQresultStatus(res) != PGRES_SINGLE_TUPLE) {
			res = db_check(db, res);
			rc = res ? rc : -1;
		} else {
			/* libpq ends every value with a NUL */
			more = take(arg, PQgetvalue(res, 0, 0),
			    (size_t)PQgetlength(res, 0, 0));
		}
		PQclear(res);
	}
	/* after a signal nothing is waited for: the server may stand still */
	if (!more && !sig_caught()) {
		cancel(db);
		rc = drain(db, 1);
	}
	return rc;
}

int
search_omissions(PGconn *db, const char *medium, const struct tests *t,
    void (*take)(const struct found *e))
{
	const char *const params[] = { t->under, t->needs };

	return ask(db, sql_find_omissions, medium, 2, params, NULL, NULL,
	    take);
}
