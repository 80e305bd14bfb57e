/*
 * ntt-recover-failed: shows what could not be copied and why, and makes it
 * pending again.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/prog.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/queue.h"
#include "sql/statements.h"
#include "omissions.h"

static struct {
	const char *medium, *error_type, *reason;
	int dry_run, execute, permanent, json, all;
} opt;

static const char *const classes[] = {
	"path_error", "io_error", "permission_error", "hash_error", "unknown",
	NULL
};

static PGconn *db;
static char *medium;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "error-type", "T", "failures of one class only",
		OPT_WORD(&opt.error_type, classes) },
	{ 0, "dry-run", NULL, "say what a reset would do (the default)",
		OPT_FLAG(&opt.dry_run) },
	{ 0, "execute", NULL, "reset", OPT_FLAG(&opt.execute) },
	{ 0, "permanent", NULL, "reset also what is failed_permanent",
		OPT_FLAG(&opt.permanent) },
	{ 0, "all", NULL, "accept everything; list what is settled, too",
		OPT_FLAG(&opt.all) },
	{ 0, "reason", "TEXT", "why it is accepted", OPT_TEXT(&opt.reason) },
	{ 0, "json", NULL, "print JSON", OPT_FLAG(&opt.json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-recover-failed",
	"list-failures MEDIUM [--error-type T] [--json]\n"
	"reset-failures MEDIUM [--error-type T] [--permanent] [--execute]\n"
	"list-damaged MEDIUM [--json]\n"
	"list-omissions MEDIUM [--all] [--json]\n"
	"accept MEDIUM PATH|--all --reason TEXT",
	"List, reset and accept what could not be copied"
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

/* Over the failures: $1 is --error-type, or NULL for all. */
static PGresult *
query_failures(const char *statement, const char *second)
{
	const char *params[] = { opt.error_type, second };
	char *sql = sql_for(statement, medium);
	PGresult *res = db_query_n(db, sql, second ? 2 : 1, params);

	if (!res)
		db_die("could not list the failures of %s", medium);
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
	json_text(b, "error", db_text_null(res, row, 6));
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
	PGresult *res = query_failures(sql_recover_failed_classes, "false");
	PGresult *samples = query_failures(sql_recover_failed_samples, NULL);
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
	PGresult *res = query_failures(sql_recover_failed_classes,
	    opt.permanent ? "false" : "true");
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
	res = db_query(db, sql_recover_failed_lock, medium);
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

	log_begin(&b, LOG_RESET_FAILURES);
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
	PGresult *res;
	uint64_t n;

	lock_medium();
	res = query_failures(sql_recover_failed_reset,
	    opt.permanent ? "true" : "false");
	n = strtoull(PQcmdTuples(res), NULL, 10);
	PQclear(res);
	if (n > 0 && (db_do(db, sql_recover_failed_reopen, medium) < 0 ||
	    queue_reopen(db, medium) < 0))
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
	char *sql = sql_for(sql_recover_failed_damaged, medium);
	PGresult *res = db_query(db, sql, medium);

	if (!res)
		db_die("could not list what is damaged of %s", medium);
	print_damaged(res);
	PQclear(res);
	free(sql);
	return EXIT_DONE;
}

static int
list_omissions(void)
{
	return omissions_list(db, medium, opt.all, opt.json);
}

static int
accept_omissions(void)
{
	return omissions_accept(db, medium, opt.all ? NULL : prog_operand(1),
	    opt.reason);
}

static const char *const verbs[] = {
	"list-failures", "reset-failures", "list-damaged", "list-omissions",
	"accept", NULL
};
static int (*const commands[])(void) = {
	list_failures, reset_failures, list_damaged, list_omissions,
	accept_omissions
};

static int
(*parse_options(int argc, char **argv))(void)
{
	int verb, operands;

	prog_start(&prog, argc, argv);
	prog_options(options);
	verb = prog_verb(verbs);
	operands = commands[verb] == accept_omissions && !opt.all ? 2 : 1;
	opt.medium = prog_need_medium(1, operands);
	prog_operands(operands, operands);
	if (commands[verb] == accept_omissions &&
	    (!opt.reason || !*opt.reason))
		die_usage("accept needs --reason");
	if (opt.dry_run && opt.execute)
		die_usage("--dry-run and --execute exclude each other");
	prog_config();
	return commands[verb];
}

int
main(int argc, char **argv)
{
	int (*command)(void) = parse_options(argc, argv);
	int loaded, status;

	if (opt.execute && command != reset_failures)
		die_usage("--execute is for reset-failures");
	db = db_need();
	medium = medium_named_hash(db, opt.medium);
	loaded = medium_loaded(db, medium);
	if (loaded < 0)
		db_die("could not look at %s", medium);
	if (!loaded && command != list_omissions &&
	    command != accept_omissions)
		die(EXIT_FAILED, "medium %s is not loaded", medium);
	log_open(config_get(CONFIG_LOG_DIR), prog.name, medium);
	status = command();
	PQfinish(db);
	free(medium);
	return status;
}
