/*
 * ntt-list-media: the media that hold a path prefix, or all of them with their
 * states.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "db.h"
#include "diag.h"
#include "json.h"
#include "prog.h"

static const char *prefix;
static enum { LIST, COMMA, QUOTED } format;
static int stats, json;

static const struct option_help options[] = {
	{ 0, "path-prefix", "P", "only media with a path that begins so" },
	{ 0, "format", "F", "list, comma or quoted (default list)" },
	{ 0, "stats", NULL, "how many of its paths and bytes" },
	{ 0, "json", NULL, "print JSON, one object a line" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-list-media",
	"[--path-prefix P] [--format F] [--stats] [--json]",
	"List the media of the catalogue",
	options
};

/*
 * The matches of one medium; without --stats only whether there are any, which
 * ends at the first.
 */
static int
matches(PGconn *db, const char *medium, int64_t *paths, int64_t *bytes)
{
	char *bytea = db_bytea(prefix, strlen(prefix));
	char *path = db_ident(db, "path_p_", medium);
	char *inode = db_ident(db, "inode_p_", medium);
	char *sql = stats ? xasprintf("SELECT count(*), coalesce(sum(i.size) "
	    "FILTER (WHERE i.fs_type = 'f'), 0) FROM %s p JOIN %s i USING "
	    "(dev, ino) WHERE substring(p.path FOR octet_length($1::bytea)) "
	    "= $1::bytea", path, inode) : sql_on("SELECT count(*), 0 FROM "
	    "(SELECT FROM %s p WHERE substring(p.path FOR "
	    "octet_length($1::bytea)) = $1::bytea LIMIT 1) AS one", path);
	PGresult *res = db_query(db, sql, bytea);

	if (!res)
		db_die("could not search %s", medium);
	*paths = db_int(res, 0, 0);
	*bytes = db_int(res, 0, 1);
	PQclear(res);
	free(bytea);
	free(path);
	free(inode);
	free(sql);
	return *paths > 0;
}

static const char *
state(const PGresult *res, int row)
{
	return db_bool(res, row, 5) ? "archived" :
	    db_bool(res, row, 4) ? "copied" :
	    db_bool(res, row, 3) ? "loaded" : "registered";
}

static void
print_json(const PGresult *res, int row, int64_t paths, int64_t bytes)
{
	struct buf b = BUF_INIT;

	json_begin_object(&b, NULL);
	json_text(&b, "medium", db_text(res, row, 0));
	json_text(&b, "name", db_text(res, row, 1));
	json_text(&b, "health", PQgetisnull(res, row, 2) ? NULL :
	    db_text(res, row, 2));
	json_text(&b, "state", state(res, row));
	json_i64(&b, "inodes", db_int(res, row, 6));
	json_i64(&b, "paths", db_int(res, row, 7));
	if (prefix && stats) {
		json_i64(&b, "matching_paths", paths);
		json_i64(&b, "matching_bytes", bytes);
	}
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
}

static void
print_row(const PGresult *res, int row, int first, int64_t paths,
    int64_t bytes)
{
	const char *hash = db_text(res, row, 0);

	if (json)
		print_json(res, row, paths, bytes);
	else if (format != LIST)
		printf(format == COMMA ? "%s%s" : "%s'%s'", first ? "" : ",",
		    hash);
	else if (prefix && stats)
		printf("%s %lld paths %lld bytes\n", hash, (long long)paths,
		    (long long)bytes);
	else if (prefix)
		puts(hash);
	else
		printf("%s %-10s %-10s %10lld inodes %10lld paths  %s\n",
		    hash, state(res, row), PQgetisnull(res, row, 2) ? "-" :
		    db_text(res, row, 2), (long long)db_int(res, row, 6),
		    (long long)db_int(res, row, 7),
		    quoted(db_text(res, row, 1)));
}

static void
parse_options(int argc, char **argv)
{
	const char *name, *value;

	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value))) {
		if (!strcmp(name, "path-prefix"))
			prefix = value;
		else if (!strcmp(name, "stats"))
			stats = 1;
		else if (!strcmp(name, "json"))
			json = 1;
		else if (!strcmp(value, "list"))
			format = LIST;
		else if (!strcmp(value, "comma"))
			format = COMMA;
		else if (!strcmp(value, "quoted"))
			format = QUOTED;
		else
			die_usage("--format must be list, comma or quoted, "
			    "not %s", quoted(value));
	}
	prog_operands(0, 0);
	prog_config();
}

int
main(int argc, char **argv)
{
	int64_t paths = 0, bytes = 0;
	int row, found = 0;
	PGresult *res;
	PGconn *db;

	parse_options(argc, argv);
	db = db_open();
	if (!db)
		db_die("could not open the catalogue");
	res = db_query(db, "SELECT medium_hash, medium_human, health, "
	    "enum_done IS NOT NULL, copy_done IS NOT NULL, "
	    "archived_at IS NOT NULL, load_counts->>'inodes', "
	    "load_counts->>'paths', to_regclass(quote_ident('path_p_' || "
	    "medium_hash)) IS NOT NULL FROM medium ORDER BY added_at, "
	    "medium_hash");
	if (!res)
		db_die("could not list the media");
	for (row = 0; row < PQntuples(res); row++) {
		if (prefix && (!db_bool(res, row, 8) ||
		    !matches(db, db_text(res, row, 0), &paths, &bytes)))
			continue;
		print_row(res, row, found == 0, paths, bytes);
		found++;
	}
	if (format != LIST && !json && found)
		putchar('\n');
	PQclear(res);
	PQfinish(db);
	return found || !prefix ? EXIT_DONE : EXIT_FAILED;
}
