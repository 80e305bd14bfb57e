/*
 * ntt-list-media: the media that hold a path prefix, or all of them with their
 * states.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/csv.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/num.h"
#include "base/prog.h"
#include "catalogue/db.h"
#include "catalogue/inventory.h"
#include "sql/statements.h"

static const char *prefix;
static int stats, json, csv;

enum { LIST, COMMA, QUOTED };
static const char *const formats[] = { "list", "comma", "quoted", NULL };
static int format;

static const struct prog_option options[] = {
	{ 0, "path-prefix", "P", "only media with a path that begins so",
		OPT_TEXT(&prefix) },
	{ 0, "format", "F", "list, comma or quoted (default list)",
		OPT_CHOICE(&format, formats) },
	{ 0, "stats", NULL, "how many of its paths and bytes",
		OPT_FLAG(&stats) },
	{ 0, "json", NULL, "print JSON, one object a line", OPT_FLAG(&json) },
	{ 0, "csv", NULL, "print a table for a spreadsheet", OPT_FLAG(&csv) },
	OPT_END
};

static const struct prog prog = {
	"ntt-list-media",
	"[--path-prefix P] [--format F] [--stats] [--json|--csv] [WORD…]",
	"List the media of the catalogue"
};

/* Columns of list_media. */
enum { HASH, HUMAN, HEALTH, IS_LOADED, IS_COPIED, IS_ARCHIVED, INODES, PATHS,
	HAS_TABLES, TITLE, MESSAGE, ADDED, SIZE, OMISSIONS, KIND, IMAGED, LOADED,
	COPIED, ARCHIVED, INVENTORY, HAS_DIRECTORIES };

static int
ask(PGconn *db, const char *statement, const char *medium, int64_t *paths,
    int64_t *bytes)
{
	char *bytea = db_bytea(prefix, strlen(prefix));
	char *sql = sql_for(statement, medium);
	PGresult *res = db_query(db, sql, bytea);

	if (!res)
		db_die("could not search %s", medium);
	*paths = db_int(res, 0, 0);
	*bytes = db_int(res, 0, 1);
	PQclear(res);
	free(bytea);
	free(sql);
	return *paths > 0;
}

/*
 * The matches of one medium; without --stats only whether there are any.  All
 * paths are read only where they are counted, or where no index can tell.
 */
static int
matches(PGconn *db, const PGresult *list, int row, int64_t *paths,
    int64_t *bytes)
{
	const char *medium = db_text(list, row, HASH);
	int indexed = *prefix && db_bool(list, row, HAS_DIRECTORIES);

	if (indexed && (!ask(db, sql_list_media_entry, medium, paths, bytes) ||
	    !stats))
		return *paths > 0;
	return ask(db, stats ? sql_list_media_sums : sql_list_media_any, medium,
	    paths, bytes);
}

static const char *
state(const PGresult *res, int row)
{
	return db_bool(res, row, IS_ARCHIVED) ? "archived" :
	    db_bool(res, row, IS_COPIED) ? "copied" :
	    db_bool(res, row, IS_LOADED) ? "loaded" : "registered";
}

/* What is known of every medium; numbers are written without quotes. */
static const struct {
	const char *name;
	int column;
	int number;
} facts[] = {
	{ "medium", HASH, 0 }, { "title", TITLE, 0 }, { "name", HUMAN, 0 },
	{ "message", MESSAGE, 0 }, { "kind", KIND, 0 }, { "added", ADDED, 0 },
	{ "size", SIZE, 1 }, { "health", HEALTH, 0 }, { "state", -1, 0 },
	{ "omissions", OMISSIONS, 1 }, { "inodes", INODES, 1 },
	{ "paths", PATHS, 1 }, { "imaged", IMAGED, 0 }, { "loaded", LOADED, 0 },
	{ "copied", COPIED, 0 }, { "archived", ARCHIVED, 0 },
};
enum { FACTS = sizeof facts / sizeof facts[0] };

/* NULL: it is not known. */
static const char *
fact(const PGresult *res, int row, size_t i)
{
	if (facts[i].column < 0)
		return state(res, row);
	return db_text_null(res, row, facts[i].column);
}

/* The columns of --csv that inventories have, in the order they are met. */
static struct inventory columns;

static void
read_inventory(const PGresult *res, int row, struct inventory *all)
{
	inventory_read(all, db_text_null(res, row, INVENTORY));
}

static void
find_columns(const PGresult *res)
{
	struct inventory all;
	size_t i;
	int row;

	for (row = 0; row < PQntuples(res); row++) {
		read_inventory(res, row, &all);
		for (i = 0; i < all.count; i++)
			if (!inventory_value(&columns, all.item[i].name))
				inventory_add(&columns, all.item[i].name, "");
		inventory_free(&all);
	}
}

static void
print_json(const PGresult *res, int row, int64_t paths, int64_t bytes)
{
	struct inventory all;
	struct buf b = BUF_INIT;
	size_t i;

	json_begin_object(&b, NULL);
	for (i = 0; i < FACTS; i++) {
		const char *value = fact(res, row, i);

		if (value && facts[i].number)
			json_raw(&b, facts[i].name, value);
		else
			json_text(&b, facts[i].name, value);
	}
	read_inventory(res, row, &all);
	inventory_object(&b, "inventory", &all);
	inventory_free(&all);
	if (prefix && stats) {
		json_i64(&b, "matching_paths", paths);
		json_i64(&b, "matching_bytes", bytes);
	}
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
}

static void
print_csv(const PGresult *res, int row)
{
	struct buf line = BUF_INIT;
	struct inventory all;
	size_t i;

	for (i = 0; i < FACTS; i++) {
		const char *value = fact(res, row, i);

		if (!value || facts[i].number)
			csv_bare(&line, value);
		else
			csv_text(&line, value, strlen(value));
	}
	read_inventory(res, row, &all);
	for (i = 0; i < columns.count; i++) {
		const char *value = inventory_value(&all,
		    columns.item[i].name);

		if (value)
			csv_text(&line, value, strlen(value));
		else
			csv_bare(&line, NULL);
	}
	inventory_free(&all);
	csv_end(&line);
	fputs(line.data, stdout);
	buf_free(&line);
}

static void
print_csv_head(void)
{
	struct buf line = BUF_INIT;
	size_t i;

	for (i = 0; i < FACTS; i++)
		csv_bare(&line, facts[i].name);
	for (i = 0; i < columns.count; i++)
		csv_text(&line, columns.item[i].name,
		    strlen(columns.item[i].name));
	csv_end(&line);
	fputs(line.data, stdout);
	buf_free(&line);
}

/* So many digits tell each medium from all others; eight at least. */
static int
digits_needed(const PGresult *res)
{
	int n = 8, i, k;

	for (i = 0; i < PQntuples(res); i++)
		for (k = i + 1; k < PQntuples(res); k++)
			while (n < 32 && !strncmp(db_text(res, i, HASH),
			    db_text(res, k, HASH), (size_t)n))
				n++;
	return n;
}

/* A line of the table of all media. */
static void
print_line(const PGresult *res, int row, int digits)
{
	const char *title = db_text(res, row, TITLE);
	int64_t missing = db_int(res, row, OMISSIONS);

	printf("%4d  %-*.*s  %-10s  %-10s  %9s  %s  %s", row + 1, digits,
	    digits, db_text(res, row, HASH), state(res, row),
	    PQgetisnull(res, row, HEALTH) ? "-" : db_text(res, row, HEALTH),
	    PQgetisnull(res, row, SIZE) ? "-" :
	    num_bytes((uint64_t)db_int(res, row, SIZE)),
	    db_text(res, row, ADDED),
	    quoted(*title ? title : db_text(res, row, HUMAN)));
	if (!PQgetisnull(res, row, MESSAGE))
		printf("  %s", quoted(db_text(res, row, MESSAGE)));
	if (missing)
		printf("  %s missing", num_grouped((uint64_t)missing));
	putchar('\n');
}

static void
print_row(const PGresult *res, int row, int first, int digits, int64_t paths,
    int64_t bytes)
{
	const char *hash = db_text(res, row, HASH);

	if (json)
		print_json(res, row, paths, bytes);
	else if (csv)
		print_csv(res, row);
	else if (format != LIST)
		printf(format == COMMA ? "%s%s" : "%s'%s'", first ? "" : ",",
		    hash);
	else if (prefix && stats)
		printf("%s %lld paths %lld bytes\n", hash, (long long)paths,
		    (long long)bytes);
	else if (prefix)
		puts(hash);
	else
		print_line(res, row, digits);
}

static void
parse_options(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(0, -1);
	if (json && csv)
		die_usage("--json and --csv are two things");
	prog_config();
}

/* Each operand is a word, or several of them; NULL: all media. */
static char *
wanted_words(void)
{
	struct buf b = BUF_INIT;
	int i;

	for (i = 0; i < prog_operand_count(); i++)
		buf_printf(&b, "%s ", prog_operand(i));
	if (b.len && !utf8_valid(b.data, b.len))
		die_usage("the words are not UTF-8: %s", quoted(b.data));
	return b.len ? buf_detach(&b) : NULL;
}

int
main(int argc, char **argv)
{
	int64_t paths = 0, bytes = 0;
	int row, found = 0, digits;
	char *words;
	PGresult *res;
	PGconn *db;

	parse_options(argc, argv);
	words = wanted_words();
	db = db_need();
	res = db_query_n(db, sql_list_media, 1, (const char *[]) { words });
	if (!res)
		db_die("could not list the media");
	digits = format == LIST && !json && !csv && !prefix ?
	    digits_needed(res) : 0;
	if (csv) {
		find_columns(res);
		print_csv_head();
	}
	for (row = 0; row < PQntuples(res); row++) {
		if (prefix && (!db_bool(res, row, HAS_TABLES) ||
		    !matches(db, res, row, &paths, &bytes)))
			continue;
		print_row(res, row, found == 0, digits, paths, bytes);
		found++;
	}
	if (format != LIST && !json && !csv && found)
		putchar('\n');
	if (words && !found)
		warn("no medium has all these words in its name, its message "
		    "and its inventory: %s", quoted(words));
	inventory_free(&columns);
	free(words);
	PQclear(res);
	PQfinish(db);
	return found || (!prefix && !prog_operand_count()) ? EXIT_DONE : EXIT_FAILED;
}
