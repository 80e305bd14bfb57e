#define _GNU_SOURCE
#include "summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/json.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "base/diag.h"
#include "catalogue/account.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "sql/statements.h"

static void
line(const char *label, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void
line(const char *label, const char *fmt, ...)
{
	va_list ap;

	printf("  %-12s ", label);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static uint64_t
cell(const PGresult *res, int col)
{
	return (uint64_t)db_int(res, 0, col);
}

static PGresult *
ask(const struct run_medium *m, PGconn *db, const char *sql)
{
	PGresult *res = db_query(db, sql, m->hash);

	if (!res)
		db_die("could not sum up %s", m->hash);
	return res;
}

static void
print_contents(const struct run_medium *m, PGconn *db, struct buf *json)
{
	char *sql = sql_for(sql_orchestrator_sums, m->hash);
	PGresult *res = ask(m, db, sql);

	line("files", "%s, %s, in %s paths (%s directories, %s links)",
	    num_grouped(cell(res, 0)), num_bytes(cell(res, 8)),
	    num_grouped(cell(res, 3)), num_grouped(cell(res, 1)),
	    num_grouped(cell(res, 2)));
	line("contents", "%s different, %s", num_grouped(cell(res, 4)),
	    num_bytes(cell(res, 10)));
	if (cell(res, 11))
		line("streams", "%s, %s", num_grouped(cell(res, 11)),
		    num_bytes(cell(res, 12)));
	if (cell(res, 5))
		line("excluded", "%s", num_grouped(cell(res, 5)));
	line("failed", "%s", num_grouped(cell(res, 6)));
	if (cell(res, 7))
		line("pending", "%s", num_grouped(cell(res, 7)));
	line("damaged", "%s", num_grouped(cell(res, 9)));
	json_u64(json, "files", cell(res, 0));
	json_u64(json, "bytes", cell(res, 8));
	json_u64(json, "paths", cell(res, 3));
	json_u64(json, "directories", cell(res, 1));
	json_u64(json, "links", cell(res, 2));
	json_u64(json, "contents", cell(res, 4));
	json_u64(json, "excluded", cell(res, 5));
	json_u64(json, "failed", cell(res, 6));
	json_u64(json, "pending", cell(res, 7));
	json_u64(json, "damaged", cell(res, 9));
	PQclear(res);
	free(sql);
}

/* The first of what is missing by their names, and where all of them are. */
static void
print_omissions(const struct run_medium *m, PGconn *db, struct buf *json)
{
	enum { SHOWN = 5 };
	struct buf why = BUF_INIT, path = BUF_INIT;
	PGresult *res;
	int i;

	if (account_describe(db, m->hash, &why) < 0)
		db_die("could not sum up %s", m->hash);
	if (!why.len)
		return;
	line("MISSING", "%s", why.data);
	json_text(json, "missing", why.data);
	res = ask(m, db, sql_orchestrator_omissions);
	for (i = 0; i < PQntuples(res) && i < SHOWN; i++) {
		buf_reset(&path);
		if (!PQgetisnull(res, i, 2) &&
		    db_bytea_value(res, i, 2, &path) < 0)
			continue;
		line("", "%s%s%s %s %s", PQgetisnull(res, i, 1) ? "" :
		    "partition ", db_text(res, i, 1),
		    path.len ? quoted_bytes(path.data, path.len) : "",
		    db_text(res, i, 0), db_text(res, i, 3));
	}
	if (PQntuples(res) > SHOWN)
		line("", "… and more: ntt-recover-failed list-omissions -m "
		    "%.8s", m->hash);
	PQclear(res);
	buf_free(&path);
	buf_free(&why);
}

static void
print_copying(const struct run_medium *m, PGconn *db, struct buf *json)
{
	PGresult *res = ask(m, db, sql_orchestrator_copied);

	line("new", "%s contents, %s, that the store did not have",
	    num_grouped(cell(res, 2)), num_bytes(cell(res, 3)));
	line("duplicates", "%s files, %s saved",
	    num_grouped(cell(res, 0) - cell(res, 2)),
	    num_bytes(cell(res, 1) - cell(res, 3)));
	json_u64(json, "new_contents", cell(res, 2));
	json_u64(json, "new_bytes", cell(res, 3));
	json_u64(json, "duplicates", cell(res, 0) - cell(res, 2));
	json_u64(json, "saved_bytes", cell(res, 1) - cell(res, 3));
	PQclear(res);
}

void
run_summary(const struct run_medium *m, PGconn *db,
    const struct run_stage_time *stages, int count, struct buf *json)
{
	char *tree = medium_tree(m->hash);
	PGresult *res;
	int i, first = 1;

	printf("%s  %s\n", m->hash, m->human ? m->human : "");
	if (m->health)
		line("health", "%s", m->health);
	if (medium_loaded(db, m->hash) == 1) {
		print_contents(m, db, json);
		print_copying(m, db, json);
		print_omissions(m, db, json);
	}
	line("store", "%s", config_get(CONFIG_BYHASH_ROOT));
	if (*config_get(CONFIG_ARCHIVED_ROOT))
		line("tree", "%s", tree);
	res = ask(m, db, sql_orchestrator_archive);
	if (PQntuples(res) > 0) {
		line("archive", "%s", db_text(res, 0, 0));
		json_name(json, "archive", db_text(res, 0, 0),
		    strlen(db_text(res, 0, 0)));
	}
	PQclear(res);
	free(tree);
	printf("  %-12s ", "seconds");
	json_begin_object(json, "seconds");
	for (i = 0; i < count; i++) {
		if (stages[i].seconds <= 0)
			continue;
		printf("%s%s %.1f", first ? "" : ", ", stages[i].name,
		    stages[i].seconds);
		json_double(json, stages[i].name, stages[i].seconds);
		first = 0;
	}
	json_end_object(json);
	puts(first ? "everything was done already" : "");
}
