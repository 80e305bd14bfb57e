#define _GNU_SOURCE
#include "known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/num.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "find/known.h"
#include "sql/statements.h"

static char *
name_of(const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');

	if (!name && !strcmp(file, "-"))
		die_usage("a list from standard input needs a name: --as NAME");
	name = name ? name : slash ? slash + 1 : file;
	if (!*name || strchr(name, '/') || !utf8_valid(name, strlen(name)))
		die_usage("the name of a list is text without a slash, not %s",
		    quoted(name));
	return xstrdup(name);
}

static void
keep(PGconn *db, const struct known *k, const char *name, const char *file)
{
	char *absolute = strcmp(file, "-") ? path_absolute(file) :
	    xstrdup(file);
	char *path = db_path(absolute);
	char *hashes = xasprintf("%llu", (unsigned long long)k->hashes);
	char *left_out = xasprintf("%llu", (unsigned long long)k->left_out);

	if (db_do(db, sql_known_keep_list, name, path, hashes, left_out) < 0 ||
	    db_do(db, sql_known_keep_drop, name) < 0 ||
	    db_do(db, sql_known_keep, name) < 0 || db_commit(db) < 0)
		db_die("could not keep the list %s", quoted(name));
	free(absolute);
	free(path);
	free(hashes);
	free(left_out);
}

int
known_add(const char *file, const char *given)
{
	char *name = name_of(file, given);
	PGconn *db;
	struct known k;
	int left;

	sig_catch();
	db = db_need();
	known_compare(&k, db, file);
	keep(db, &k, name, file);
	say("%s: %s hashes know %s of %s contents", quoted(name),
	    num_grouped(k.hashes), num_grouped(k.known),
	    num_grouped(k.contents));
	left = known_say_left(&k, name);
	PQfinish(db);
	free(name);
	return left ? EXIT_PARTIAL : EXIT_DONE;
}

int
known_forget(const char *name)
{
	PGconn *db = db_need();
	PGresult *res = db_query(db, sql_known_forget, name);
	int there;

	if (!res)
		db_die("could not forget the list %s", quoted(name));
	there = PQntuples(res);
	PQclear(res);
	PQfinish(db);
	if (!there)
		die(EXIT_FAILED, "the catalogue has no list %s (ntt-db known "
		    "shows them)", quoted(name));
	return EXIT_DONE;
}

enum { NAME, FILE_PATH, READ_AT, HASHES, LEFT_OUT, KNOWN, COMPARED, CONTENTS };

static void
show_json(const PGresult *res, int row)
{
	struct buf b = BUF_INIT;

	json_begin_object(&b, NULL);
	json_text(&b, "list", db_text(res, row, NAME));
	json_text(&b, "file", db_text(res, row, FILE_PATH));
	json_text(&b, "read_at", db_text(res, row, READ_AT));
	json_i64(&b, "hashes", db_int(res, row, HASHES));
	json_i64(&b, "left_out", db_int(res, row, LEFT_OUT));
	json_i64(&b, "known", db_int(res, row, KNOWN));
	json_i64(&b, "compared", db_int(res, row, COMPARED));
	json_i64(&b, "contents", db_int(res, row, CONTENTS));
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
}

int
known_show(int json)
{
	PGconn *db = db_need();
	PGresult *res = db_query(db, sql_known_lists);
	int row;

	if (!res)
		db_die("could not read the lists");
	for (row = 0; row < PQntuples(res); row++) {
		int64_t missing = db_int(res, row, CONTENTS) -
		    db_int(res, row, COMPARED);

		if (json) {
			show_json(res, row);
			continue;
		}
		printf("%s  read %s UTC  %s hashes  knows %s of %s contents",
		    quoted(db_text(res, row, NAME)),
		    db_text(res, row, READ_AT),
		    num_grouped((uint64_t)db_int(res, row, HASHES)),
		    num_grouped((uint64_t)db_int(res, row, KNOWN)),
		    num_grouped((uint64_t)db_int(res, row, CONTENTS)));
		if (missing > 0)
			printf("  %s not compared",
			    num_grouped((uint64_t)missing));
		putchar('\n');
	}
	PQclear(res);
	PQfinish(db);
	return EXIT_DONE;
}
