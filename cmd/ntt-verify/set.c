#define _GNU_SOURCE
#include "set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "catalogue/db.h"
#include "catalogue/pgarray.h"
#include "sql/statements.h"

int
verify_copy_out(PGconn *db, const char *query,
    int (*line)(void *arg, const char *text, size_t len), void *arg)
{
	PGresult *res = db_exec(db, query);
	char *text;
	int n, rc = 0;

	if (PQresultStatus(res) != PGRES_COPY_OUT) {
		PQclear(db_check(db, res));
		return -1;
	}
	PQclear(res);
	while ((n = PQgetCopyData(db, &text, 0)) > 0) {
		text[n - 1] = '\0';
		if (rc == 0)
			rc = line(arg, text, (size_t)(n - 1));
		PQfreemem(text);
	}
	while ((res = PQgetResult(db))) {
		res = db_check(db, res);
		if (!res)
			rc = -1;
		PQclear(res);
	}
	return n == -2 ? -1 : rc;
}

static void
init(struct verify_set *s, PGconn *db, const char *medium)
{
	memset(s, 0, sizeof *s);
	s->db = db;
	s->medium = medium ? xstrdup(medium) : NULL;
	spool_init(&s->spool);
	spool_init(&s->links);
}

int
verify_set_all(struct verify_set *s, PGconn *db)
{
	init(s, db, NULL);
	s->table = xstrdup("(SELECT blobid, size, last_checked, "
	    "true AS has_row FROM blobs)");
	return 0;
}

int
verify_set_medium(struct verify_set *s, PGconn *db, const char *medium)
{
	char *sql = sql_for(sql_verify_set_medium, medium);
	int rc;

	init(s, db, medium);
	s->table = xstrdup("verify_set");
	rc = db_do(db, sql);
	free(sql);
	return rc;
}

int
verify_set_list(struct verify_set *s, PGconn *db, const char *ids,
    size_t len)
{
	PGresult *res;

	init(s, db, NULL);
	s->table = xstrdup("verify_set");
	if (db_do(db, sql_verify_list_begin) < 0)
		return -1;
	res = db_exec(db, "COPY verify_list FROM STDIN");
	if (PQresultStatus(res) == PGRES_COPY_IN) {
		int put = 1;

		while (put == 1 && len > 0) {
			int n = len < 1 << 20 ? (int)len : 1 << 20;

			put = PQputCopyData(db, ids, n);
			ids += n;
			len -= (size_t)n;
		}
		PQputCopyEnd(db, put == 1 ? NULL : "failed");
		PQclear(res);
		res = PQgetResult(db);
	}
	res = db_check(db, res);
	if (!res)
		return -1;
	PQclear(res);
	while ((res = PQgetResult(db)))
		PQclear(res);
	return db_do(db, sql_verify_set_list);
}

static int
put_choice(void *arg, const char *text, size_t len)
{
	struct verify_set *s = arg;
	struct verify_choice c;
	char hex[65];

	memset(&c, 0, sizeof c);
	if (len < 67)
		return 0;
	memcpy(hex, text, 64);
	hex[64] = '\0';
	if (hex_decode(c.id, hex, sizeof c.id) < 0)
		return 0;
	c.has_row = text[65] == 't';
	c.size = text[67] == '\\' ? UINT64_MAX :
	    strtoull(text + 67, NULL, 10);
	s->chosen++;
	if (c.size != UINT64_MAX)
		s->chosen_bytes += c.size;
	return spool_put(&s->spool, &c, sizeof c);
}

static int
put_link(void *arg, const char *text, size_t len)
{
	struct verify_set *s = arg;
	struct verify_link l;
	char hex[65], *path;
	int rc = -1;

	memset(&l, 0, sizeof l);
	memcpy(hex, text, 64);
	hex[64] = '\0';
	l.symlink = text[65] == 'l';
	l.len = (uint32_t)((len - 67) / 2);
	path = xmalloc(l.len + 1);
	if (hex_decode(l.id, hex, sizeof l.id) == 0 &&
	    hex_decode(path, text + 67, l.len) == 0)
		rc = spool_put(&s->links, &l, sizeof l) < 0 ||
		    spool_put(&s->links, path, l.len) < 0 ? -1 : 0;
	free(path);
	return rc;
}

static int
count(struct verify_set *s, const char *condition, uint64_t *n)
{
	char *sql = xasprintf("SELECT count(*) FROM %s s%s", s->table,
	    condition);
	PGresult *res = db_query(s->db, sql);

	free(sql);
	if (!res)
		return -1;
	*n = (uint64_t)db_int(res, 0, 0);
	PQclear(res);
	return 0;
}

/* " WHERE …": what may be chosen at all. */
static char *
eligible(const struct verify_set *s)
{
	struct buf b = BUF_INIT;

	buf_puts(&b, " WHERE (last_checked IS NULL OR (true");
	if (s->since)
		buf_printf(&b, " AND last_checked < %s::timestamptz",
		    s->since);
	if (s->days)
		buf_printf(&b, " AND last_checked < now() - %llu * "
		    "interval '1 day'", (unsigned long long)s->days);
	buf_puts(&b, "))");
	return buf_detach(&b);
}

static int
choose_links(struct verify_set *s, const char *chosen)
{
	char *inode = db_ident(s->db, "inode_p_", s->medium);
	char *path = db_ident(s->db, "path_p_", s->medium), *sql;
	int rc;

	sql = xasprintf("COPY (SELECT c.blobid, i.fs_type, encode(p.path, "
	    "'hex') FROM (%s) c JOIN %s i ON i.blobid = c.blobid JOIN %s p "
	    "ON p.dev = i.dev AND p.ino = i.ino WHERE p.exclude_reason IS "
	    "NULL AND i.fs_type IN ('f', 'l')) TO STDOUT", chosen, inode,
	    path);
	rc = verify_copy_out(s->db, sql, put_link, s);
	free(sql);
	free(inode);
	free(path);
	return rc;
}

static int
choose(struct verify_set *s, uint64_t want, int links)
{
	char *where = eligible(s), *chosen, *sql;
	int rc;

	/* ties by name, which is as good as by lot */
	chosen = xasprintf("SELECT blobid, has_row, size FROM %s s%s ORDER BY "
	    "last_checked NULLS FIRST%s LIMIT %llu", s->table, where,
	    strcmp(s->table, "verify_set") ? "" : ", blobid",
	    (unsigned long long)want);
	sql = xasprintf("COPY (%s) TO STDOUT", chosen);
	rc = verify_copy_out(s->db, sql, put_choice, s);
	if (rc == 0 && links && s->medium)
		rc = choose_links(s, chosen);
	free(sql);
	free(chosen);
	free(where);
	return rc;
}

int
verify_set_choose(struct verify_set *s, uint64_t rate, uint64_t max,
    int links)
{
	uint64_t want;
	int rc;

	if (count(s, "", &s->blobs) < 0)
		return -1;
	want = (s->blobs + rate - 1) / rate;
	if (want > max)
		want = max;
	if (s->since) {
		char *since = xasprintf(" WHERE last_checked >= "
		    "%s::timestamptz", s->since);

		rc = count(s, since, &s->done);
		free(since);
		if (rc < 0)
			return -1;
		want -= s->done < want ? s->done : want;
	}
	rc = choose(s, want, links);
	if (rc == 0)
		rc = spool_rewind(&s->spool);
	if (rc == 0)
		rc = spool_rewind(&s->links);
	return rc;
}

int
verify_set_next(struct verify_set *s, struct verify_choice *c)
{
	return spool_get(&s->spool, c, sizeof *c);
}

int
verify_set_next_link(struct verify_set *s, struct verify_link *l,
    struct buf *path)
{
	int rc = spool_get(&s->links, l, sizeof *l);

	if (rc <= 0)
		return rc;
	buf_reset(path);
	buf_reserve(path, l->len);
	if (l->len > 0 && spool_get(&s->links, path->data, l->len) != 1)
		return -1;
	path->len = l->len;
	path->data[path->len] = '\0';
	return 1;
}

void
verify_set_free(struct verify_set *s)
{
	spool_free(&s->spool);
	spool_free(&s->links);
	free(s->medium);
	free(s->table);
	PQfreemem(s->since);
	memset(s, 0, sizeof *s);
}

char *
verify_now(PGconn *db)
{
	PGresult *res = db_query(db, "SELECT now()");
	char *now = res ? xstrdup(db_text(res, 0, 0)) : NULL;

	PQclear(res);
	return now;
}

static PGresult *
ask_ids(PGconn *db, const char *sql, const char *const *ids, size_t n)
{
	struct pgarray a;
	const char *param;
	PGresult *res;
	int len, format = 1;
	size_t i;

	pgarray_init(&a, PGARRAY_TEXT);
	for (i = 0; i < n; i++)
		pgarray_text(&a, ids[i]);
	param = pgarray_param(&a, &len);
	res = db_check(db, db_exec_params(db, sql, 1, NULL, &param, &len,
	    &format, 0));
	pgarray_free(&a);
	return res;
}

int
verify_mark(PGconn *db, const char *const *ids, size_t n, PGresult **marked)
{
	PGresult *res;

	*marked = NULL;
	if (n == 0)
		return 0;
	res = ask_ids(db, sql_verify_mark, ids, n);
	if (!res)
		return -1;
	PQclear(res);
	*marked = ask_ids(db, sql_verify_marked, ids, n);
	return *marked ? 0 : -1;
}

int
verify_set_ages(struct verify_set *s, struct verify_ages *ages)
{
	PGresult *res = db_query(s->db, strcmp(s->table, "verify_set") ?
	    sql_verify_ages_all : sql_verify_ages);

	if (!res)
		return -1;
	ages->never = (uint64_t)db_int(res, 0, 0);
	ages->oldest_days = PQgetisnull(res, 0, 1) ? -1 :
	    strtod(db_text(res, 0, 1), NULL);
	PQclear(res);
	return 0;
}
