#define _GNU_SOURCE
#include "todo.h"

#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "catalogue/db.h"
#include "sql/statements.h"

enum { AT_ONCE = 1000 };

void
todo_open(struct todo *t, PGconn *db)
{
	memset(t, 0, sizeof *t);
	t->db = db;
	pgarray_init(&t->ids, PGARRAY_TEXT);
	if (db_script(db, sql_each_begin) < 0)
		db_die("could not begin to choose contents");
}

static void
send_chosen(struct todo *t)
{
	static const int binary = 1;
	const char *param;
	PGresult *res;
	int len;

	if (t->ids.count == 0)
		return;
	param = pgarray_param(&t->ids, &len);
	res = db_check(t->db, db_exec_params(t->db, sql_each_choose, 1, NULL,
	    &param, &len, &binary, 0));
	if (!res)
		db_die("could not choose contents");
	PQclear(res);
	pgarray_reset(&t->ids);
}

void
todo_choose(struct todo *t, const char *id)
{
	pgarray_text(&t->ids, id);
	if (t->ids.count == AT_ONCE)
		send_chosen(t);
}

static const char *
truth(int yes)
{
	return yes ? "t" : "f";
}

void
todo_plan(struct todo *t, const char *what, const struct tool *tool,
    int failed, int again)
{
	PGresult *res;

	send_chosen(t);
	if (db_script(t->db, sql_each_reset) < 0 ||
	    db_do(t->db, sql_each_plan, tool->name, tool->version,
	    truth(failed), truth(again), what) < 0 || db_script(t->db, sql_each_planned) < 0)
		db_die("could not find out what is to be done");
	res = db_query(t->db, sql_each_sums, tool->name, tool->version);
	if (!res)
		db_die("could not count what is to be done");
	t->chosen = (uint64_t)db_int(res, 0, 0);
	t->contents = (uint64_t)db_int(res, 0, 1);
	t->bytes = (uint64_t)db_int(res, 0, 2);
	t->failed = (uint64_t)db_int(res, 0, 3);
	PQclear(res);
	PQclear(t->page);
	t->page = NULL;
	t->row = 0;
	*t->last = '\0';
}

static void
next_page(struct todo *t)
{
	PQclear(t->page);
	t->row = 0;
	t->page = db_query(t->db, sql_each_next, t->last,
	    config_get(CONFIG_RECHECK));
	if (!t->page)
		db_die("could not read what is to be done");
}

int
todo_next(struct todo *t, struct content *c)
{
	if (!t->page || t->row == PQntuples(t->page))
		next_page(t);
	if (PQntuples(t->page) == 0)
		return 0;
	memset(c, 0, sizeof *c);
	strncpy(c->id, db_text(t->page, t->row, 0), STORE_ID);
	c->size = (uint64_t)db_int(t->page, t->row, 1);
	c->mime = PQgetisnull(t->page, t->row, 2) ? NULL :
	    PQgetvalue(t->page, t->row, 2);
	c->has_row = db_bool(t->page, t->row, 3);
	c->trusted = db_bool(t->page, t->row, 4);
	memcpy(t->last, c->id, sizeof t->last);
	t->row++;
	return 1;
}

void
todo_close(struct todo *t)
{
	PQclear(t->page);
	pgarray_free(&t->ids);
}
