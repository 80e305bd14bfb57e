#define _GNU_SOURCE
#include "batch.h"

#include <string.h>

#include "base/diag.h"
#include "base/procstat.h"
#include "catalogue/db.h"
#include "catalogue/pgarray.h"
#include "sql/statements.h"

enum { EVERY_MS = 1000, MOST = 2000, ROOM = 16 << 20, PARAMS = 10 };

enum { ID, EXIT, SIGNAL, TIMED_OUT, MS, OUTPUT, BYTES, ERRORS, ANSWER };
enum { TYPE_ID, TYPE, TYPES };
enum { TEXT_ID, TEXT_TOOL, TEXT, TEXT_CUT, TEXTS };

static struct {
	PGconn *db;
	struct tool tool;
	struct pgarray answer[ANSWER], type[TYPES], text[TEXTS];
	size_t room;		/* bytes in all of them */
	int64_t since;
} batch;

static void
init(struct pgarray *a, const uint32_t *types, int n)
{
	int i;

	for (i = 0; i < n; i++)
		pgarray_init(&a[i], types[i]);
}

void
batch_open(PGconn *db)
{
	static const uint32_t answer[] = { PGARRAY_TEXT, PGARRAY_INT4,
		PGARRAY_INT4, PGARRAY_INT4, PGARRAY_INT4, PGARRAY_BYTEA,
		PGARRAY_INT8, PGARRAY_BYTEA };
	static const uint32_t type[] = { PGARRAY_TEXT, PGARRAY_TEXT };
	static const uint32_t text[] = { PGARRAY_TEXT, PGARRAY_TEXT,
		PGARRAY_TEXT, PGARRAY_INT4 };

	batch.db = db;
	init(batch.answer, answer, ANSWER);
	init(batch.type, type, TYPES);
	init(batch.text, text, TEXTS);
	batch.since = monotonic_ms();
}

void
batch_tool(const struct tool *tool)
{
	batch_commit();
	batch.tool = *tool;
}

static void
grow(size_t bytes)
{
	batch.room += bytes;
	if (batch.room >= ROOM)
		batch_commit();
}

void
batch_answer(const char *id, const struct pool_answer *a)
{
	double ms = a->seconds * 1000;

	pgarray_text(&batch.answer[ID], id);
	pgarray_int4(&batch.answer[EXIT], a->exit);
	pgarray_int4(&batch.answer[SIGNAL], a->signal);
	pgarray_int4(&batch.answer[TIMED_OUT], a->timed_out);
	pgarray_int4(&batch.answer[MS], ms < INT32_MAX ? (int32_t)ms :
	    INT32_MAX);
	pgarray_bytes(&batch.answer[OUTPUT], a->out.data ? a->out.data : "",
	    a->out.len);
	pgarray_int8(&batch.answer[BYTES], (int64_t)a->out_bytes);
	pgarray_bytes(&batch.answer[ERRORS], a->err.data ? a->err.data : "",
	    a->err.len);
	grow(a->out.len + a->err.len);
}

void
batch_type(const char *id, const char *type)
{
	pgarray_text(&batch.type[TYPE_ID], id);
	pgarray_text(&batch.type[TYPE], type);
	grow(0);
}

void
batch_text(const char *id, const char *tool, const char *text, int cut)
{
	pgarray_text(&batch.text[TEXT_ID], id);
	pgarray_text(&batch.text[TEXT_TOOL], tool);
	pgarray_text(&batch.text[TEXT], text);
	pgarray_int4(&batch.text[TEXT_CUT], cut);
	grow(text ? strlen(text) : 0);
}

/* A statement with texts, and arrays behind them. */
static int
put(const char *sql, const char *const *texts, int n, struct pgarray *a,
    int arrays)
{
	const char *params[PARAMS];
	int lengths[PARAMS] = { 0 }, formats[PARAMS] = { 0 }, i;
	PGresult *res;

	for (i = 0; i < n; i++)
		params[i] = texts[i];
	for (i = 0; i < arrays; i++) {
		params[n + i] = pgarray_param(&a[i], &lengths[n + i]);
		formats[n + i] = 1;
	}
	res = db_check(batch.db, db_exec_params(batch.db, sql, n + arrays, NULL,
	    params, lengths, formats, 0));
	PQclear(res);
	return res ? 0 : -1;
}

static void
reset(struct pgarray *a, int n)
{
	int i;

	for (i = 0; i < n; i++)
		pgarray_reset(&a[i]);
}

void
batch_commit(void)
{
	const char *tool[] = { batch.tool.name, batch.tool.version };
	int ok;

	batch.since = monotonic_ms();
	if (batch.answer[ID].count == 0 && batch.type[TYPE_ID].count == 0 &&
	    batch.text[TEXT_ID].count == 0)
		return;
	ok = db_begin(batch.db) == 0;
	if (batch.answer[ID].count)
		ok = ok && put(sql_each_answers, tool, 2, batch.answer,
		    ANSWER) == 0;
	if (batch.type[TYPE_ID].count)
		ok = ok && put(sql_each_types, NULL, 0, batch.type,
		    TYPES) == 0 && put(sql_each_forget, tool, 1, batch.type,
		    1) == 0;
	if (batch.text[TEXT_ID].count)
		ok = ok && put(sql_each_texts, NULL, 0, batch.text,
		    TEXTS) == 0 && put(sql_each_forget, tool, 1, batch.text,
		    1) == 0;
	if (!ok || db_commit(batch.db) < 0)
		db_die("could not record what was found out; run it again, "
		    "nothing that was recorded is lost");
	reset(batch.answer, ANSWER);
	reset(batch.type, TYPES);
	reset(batch.text, TEXTS);
	batch.room = 0;
}

void
batch_step(void)
{
	if (monotonic_ms() - batch.since >= EVERY_MS ||
	    batch.answer[ID].count >= MOST ||
	    batch.type[TYPE_ID].count >= MOST ||
	    batch.text[TEXT_ID].count >= MOST)
		batch_commit();
}
