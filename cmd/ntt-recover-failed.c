/*
 * ntt-recover-failed: what could not be copied, why, and once more.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "catalogue.h"
#include "config.h"
#include "db.h"
#include "diag.h"
#include "json.h"
#include "log.h"
#include "num.h"
#include "prog.h"
#include "queue.h"

static struct {
	const char *medium, *error_type;
	int dry_run, execute, json;
} opt;

static PGconn *db;
static char *medium, *inode, *path;	/* the partitions, quoted */

static const struct option_help options[] = {
	{ 'm', "medium", "HASH", "the medium" },
	{ 0, "error-type", "T", "failures of one class only" },
	{ 0, "dry-run", NULL, "say what a reset would do (the default)" },
	{ 0, "execute", NULL, "reset" },
	{ 0, "json", NULL, "print JSON" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-recover-failed",
	"list-failures -m HASH [--error-type T] [--json]\n"
	"reset-failures -m HASH [--error-type T] [--dry-run] [--execute]\n"
	"list-damaged -m HASH [--json]",
	"List and reset what could not be copied",
	options
};

static const char *const classes[] = {
	"path_error", "io_error", "permission_error", "hash_error", "unknown"
};

/* A name in a result, for people. */
static const char *
shown_name(PGresult *res, int row, int col)
{
	struct buf name = BUF_INIT;
	const char *shown = "(no path)";

	if (!PQgetisnull(res, row, col) &&
	    db_bytea_value(res, row, col, &name) == 0)
		shown = quoted_bytes(name.data, name.len);
	buf_free(&name);
	return shown;
}

static void
put_name(struct buf *b, PGresult *res, int row, int col)
{
	struct buf name = BUF_INIT;

	if (!PQgetisnull(res, row, col) &&
	    db_bytea_value(res, row, col, &name) == 0)
		json_name(b, "path", name.data ? name.data : "", name.len);
	buf_free(&name);
}

/* Messages of systems and media are hostile too. */
static const char *
shown_text(PGresult *res, int row, int col)
{
	const char *text = db_text(res, row, col);

	return *text ? quoted(text) : "\"\"";
}

/* The statement over the failures, with --error-type as $1. */
static PGresult *
query_failures(const char *sql)
{
	PGresult *res = opt.error_type ? db_query(db, sql, opt.error_type) :
	    db_query(db, sql);

	if (!res)
		db_die("could not list the failures of %s", medium);
	return res;
}

static const char *
of_type(void)
{
	return opt.error_type ? " AND error_type = $1::inode_error" : "";
}

/* error_type, status, number, bytes */
static PGresult *
query_classes(const char *statuses)
{
	char *sql = xasprintf("SELECT error_type, status, count(*), "
	    "coalesce(sum(size), 0) FROM %s WHERE status IN (%s)%s "
	    "GROUP BY 1, 2 ORDER BY 1, 2", inode, statuses, of_type());
	PGresult *res = query_failures(sql);

	free(sql);
	return res;
}

/* error_type, status, dev, ino, attempts, size, last error, a path */
static PGresult *
query_samples(void)
{
	char *sql = xasprintf("SELECT error_type, status, dev, ino, attempts, "
	    "size, errors[array_length(errors, 1)], (SELECT p.path FROM %s p "
	    "WHERE p.dev = s.dev AND p.ino = s.ino ORDER BY p.exclude_reason "
	    "IS NOT NULL, p.path LIMIT 1) FROM (SELECT *, row_number() OVER "
	    "(PARTITION BY error_type, status ORDER BY dev, ino) AS n FROM %s "
	    "WHERE status IN ('failed_retryable', 'failed_permanent')%s) AS s "
	    "WHERE n <= 5 ORDER BY error_type, status, n", path, inode,
	    of_type());
	PGresult *res = query_failures(sql);

	free(sql);
	return res;
}

static int
same_class(PGresult *a, int i, PGresult *b, int j)
{
	return !strcmp(db_text(a, i, 0), db_text(b, j, 0)) &&
	    !strcmp(db_text(a, i, 1), db_text(b, j, 1));
}

static void
put_sample(struct buf *b, PGresult *res, int row)
{
	json_begin_object(b, NULL);
	put_name(b, res, row, 7);
	json_i64(b, "dev", db_int(res, row, 2));
	json_i64(b, "ino", db_int(res, row, 3));
	json_i64(b, "attempts", db_int(res, row, 4));
	json_i64(b, "size", db_int(res, row, 5));
	json_text(b, "error", PQgetisnull(res, row, 6) ? NULL :
	    db_text(res, row, 6));
	json_end_object(b);
}

/* A class, and its samples from *s on. */
static void
put_class(struct buf *b, PGresult *res, int row, PGresult *samples, int *s)
{
	json_begin_object(b, NULL);
	json_text(b, "error_type", db_text(res, row, 0));
	json_text(b, "status", db_text(res, row, 1));
	json_i64(b, "inodes", db_int(res, row, 2));
	json_i64(b, "bytes", db_int(res, row, 3));
	json_begin_array(b, "samples");
	for (; *s < PQntuples(samples) && same_class(res, row, samples, *s);
	    ++*s)
		put_sample(b, samples, *s);
	json_end_array(b);
	json_end_object(b);
}

static void
print_class(PGresult *res, int row)
{
	printf("%-17s %-17s %10s inodes %12s\n", db_text(res, row, 0),
	    db_text(res, row, 1), num_grouped((uint64_t)db_int(res, row, 2)),
	    num_bytes((uint64_t)db_int(res, row, 3)));
}

static void
print_samples(PGresult *res, int row, PGresult *samples, int *s)
{
	for (; *s < PQntuples(samples) && same_class(res, row, samples, *s);
	    ++*s)
		printf("    %s (%s attempts): %s\n",
		    shown_name(samples, *s, 7), db_text(samples, *s, 4),
		    shown_text(samples, *s, 6));
}

static int
list_failures(void)
{
	PGresult *res = query_classes("'failed_retryable', "
	    "'failed_permanent'");
	PGresult *samples = query_samples();
	struct buf b = BUF_INIT;
	int row, s = 0;

	json_begin_object(&b, NULL);
	json_text(&b, "medium", medium);
	json_begin_array(&b, "failures");
	for (row = 0; row < PQntuples(res); row++) {
		if (opt.json) {
			put_class(&b, res, row, samples, &s);
			continue;
		}
		print_class(res, row);
		print_samples(res, row, samples, &s);
	}
	json_end_array(&b);
	json_end_object(&b);
	if (opt.json)
		puts(b.data);
	else if (PQntuples(res) == 0)
		printf("no failures\n");
	buf_free(&b);
	PQclear(res);
	PQclear(samples);
	return EXIT_DONE;
}

static int
show_reset(void)
{
	PGresult *res = query_classes("'failed_retryable'");
	struct buf b = BUF_INIT;
	uint64_t sum = 0;
	int row;

	for (row = 0; row < PQntuples(res); row++) {
		sum += (uint64_t)db_int(res, row, 2);
		if (!opt.json)
			print_class(res, row);
	}
	if (opt.json) {
		json_begin_object(&b, NULL);
		json_text(&b, "medium", medium);
		json_u64(&b, "reset", 0);
		json_u64(&b, "would_reset", sum);
		json_end_object(&b);
		puts(b.data);
	} else {
		printf("%s inodes would become pending%s\n", num_grouped(sum),
		    sum ? "; --execute does it" : "");
	}
	buf_free(&b);
	PQclear(res);
	return EXIT_DONE;
}

/*
 * The row of the medium, locked: a copier that finds nothing pending takes it
 * too before it says so.
 */
static void
lock_medium(void)
{
	PGresult *res;

	if (db_begin(db) < 0)
		db_die("could not begin");
	res = db_query(db, "SELECT archived_at IS NOT NULL, archive_path FROM "
	    "medium WHERE medium_hash = $1 FOR UPDATE", medium);
	if (!res)
		db_die("could not lock %s", medium);
	if (PQntuples(res) && db_bool(res, 0, 0))
		die(EXIT_REFUSED, "%s is archived already, in %s; nothing was "
		    "changed", medium, quoted(db_text(res, 0, 1)));
	PQclear(res);
}

static void
report_reset(uint64_t n)
{
	struct buf b = BUF_INIT;

	log_begin(&b, "reset_failures");
	json_u64(&b, "inodes", n);
	json_text(&b, "error_type", opt.error_type);
	log_end(&b);
	if (opt.json) {
		json_begin_object(&b, NULL);
		json_text(&b, "medium", medium);
		json_u64(&b, "reset", n);
		json_end_object(&b);
		puts(b.data);
	} else {
		printf("%s inodes are pending again\n", num_grouped(n));
	}
	buf_free(&b);
}

/* What failed keeps its class and its errors until it is copied. */
static int
execute_reset(void)
{
	char *sql = xasprintf("UPDATE %s SET status = 'pending', attempts = 0, "
	    "next_attempt_at = NULL WHERE status = 'failed_retryable'%s",
	    inode, of_type());
	PGresult *res;
	uint64_t n;

	lock_medium();
	res = query_failures(sql);
	n = strtoull(PQcmdTuples(res), NULL, 10);
	PQclear(res);
	free(sql);
	if (n > 0 && (db_do(db, "UPDATE medium SET copy_done = NULL WHERE "
	    "medium_hash = $1", medium) < 0 || queue_reopen(db, medium) < 0))
		db_die("could not reopen %s; nothing was changed", medium);
	if (db_commit(db) < 0)
		db_die("could not commit the reset of %s", medium);
	report_reset(n);
	return EXIT_DONE;
}

static int
reset_failures(void)
{
	return opt.execute ? execute_reset() : show_reset();
}

static void
put_damaged(struct buf *b, PGresult *res, int row, int first)
{
	if (first) {
		json_begin_object(b, NULL);
		json_i64(b, "dev", db_int(res, row, 0));
		json_i64(b, "ino", db_int(res, row, 1));
		json_i64(b, "size", db_int(res, row, 2));
		json_text(b, "status", db_text(res, row, 3));
		json_bool(b, "determined", db_bool(res, row, 4));
		json_raw(b, "ranges", PQgetisnull(res, row, 6) ? "[]" :
		    db_text(res, row, 6));
		json_begin_array(b, "paths");
	}
	json_begin_object(b, NULL);
	put_name(b, res, row, 7);
	json_end_object(b);
}

/* Rows of one inode follow each other, one for each path. */
static void
print_damaged(PGresult *res)
{
	struct buf b = BUF_INIT;
	int row, first = 1;

	json_begin_object(&b, NULL);
	json_text(&b, "medium", medium);
	json_begin_array(&b, "damaged");
	for (row = 0; row < PQntuples(res); row++) {
		if (!opt.json) {
			printf("%s %s\n", PQgetisnull(res, row, 5) ?
			    "unknown" : db_text(res, row, 5),
			    shown_name(res, row, 7));
			continue;
		}
		if (row > 0)
			first = db_int(res, row, 0) != db_int(res, row - 1,
			    0) || db_int(res, row, 1) !=
			    db_int(res, row - 1, 1);
		if (row > 0 && first) {
			json_end_array(&b);
			json_end_object(&b);
		}
		put_damaged(&b, res, row, first);
	}
	if (opt.json && row > 0) {
		json_end_array(&b);
		json_end_object(&b);
	}
	json_end_array(&b);
	json_end_object(&b);
	if (opt.json)
		puts(b.data);
	else if (row == 0)
		printf("no damaged files\n");
	buf_free(&b);
}

static int
list_damaged(void)
{
	char *sql = xasprintf("SELECT d.dev, d.ino, i.size, i.status, "
	    "d.determined, (SELECT string_agg(lower(r) || '-' || "
	    "upper(r) - 1, ',' ORDER BY r) FROM unnest(d.extents) AS r) AS "
	    "text, (SELECT jsonb_agg(jsonb_build_array(lower(r), upper(r)) "
	    "ORDER BY r) FROM unnest(d.extents) AS r) AS json, p.path "
	    "FROM inode_damage d LEFT JOIN %s i ON i.dev = d.dev AND "
	    "i.ino = d.ino LEFT JOIN %s p ON p.dev = d.dev AND p.ino = d.ino "
	    "WHERE d.medium_hash = $1 AND (NOT d.determined OR NOT "
	    "isempty(d.extents)) ORDER BY d.dev, d.ino, p.path", inode, path);
	PGresult *res = db_query(db, sql, medium);

	if (!res)
		db_die("could not list what is damaged of %s", medium);
	print_damaged(res);
	PQclear(res);
	free(sql);
	return EXIT_DONE;
}

static int
(*parse_command(const char *word))(void)
{
	if (!strcmp(word, "list-failures"))
		return list_failures;
	if (!strcmp(word, "reset-failures"))
		return reset_failures;
	if (!strcmp(word, "list-damaged"))
		return list_damaged;
	die_usage("unknown command %s", quoted(word));
}

static const char *
class_arg(const char *value)
{
	unsigned int i;

	for (i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (!strcmp(value, classes[i]))
			return value;
	die_usage("--error-type must be path_error, io_error, "
	    "permission_error, hash_error or unknown, not %s", quoted(value));
}

static void
parse_options(int argc, char **argv)
{
	const char *name, *value;

	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value))) {
		if (!strcmp(name, "medium"))
			opt.medium = value;
		else if (!strcmp(name, "error-type"))
			opt.error_type = class_arg(value);
		else if (!strcmp(name, "dry-run"))
			opt.dry_run = 1;
		else if (!strcmp(name, "execute"))
			opt.execute = 1;
		else
			opt.json = 1;
	}
	prog_operands(1, 1);
	if (!opt.medium)
		die_usage("-m HASH is missing");
	if (opt.dry_run && opt.execute)
		die_usage("--dry-run and --execute exclude each other");
	prog_config();
}

int
main(int argc, char **argv)
{
	int (*command)(void);
	int loaded, status;

	parse_options(argc, argv);
	command = parse_command(prog_operand(0));
	if (opt.execute && command != reset_failures)
		die_usage("--execute is for reset-failures");
	db = db_open();
	if (!db)
		db_die("could not open the catalogue");
	medium = catalogue_medium_or_die(db, opt.medium);
	loaded = catalogue_loaded(db, medium);
	if (loaded < 0)
		db_die("could not look at %s", medium);
	if (!loaded)
		die(EXIT_FAILED, "medium %s is not loaded", medium);
	inode = db_ident(db, "inode_p_", medium);
	path = db_ident(db, "path_p_", medium);
	log_open(config_get(CONFIG_LOG_DIR), prog.name, medium);
	status = command();
	PQfinish(db);
	free(inode);
	free(path);
	free(medium);
	return status;
}
