/*
 * ntt-mark-excluded: applies ignore patterns to a loaded medium.
 *
 * The paths are read through a cursor and matched here, as bytes; those that
 * match go into a temporary table, from which paths and inodes are marked in
 * the transaction that read them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/pgarray.h"
#include "catalogue/queue.h"
#include "raw/pattern.h"
#include "sql/statements.h"

enum { FILE_MAX = 16 << 20, OID_TID = 27 };

static struct {
	const char *medium, *patterns;
	int all, dry_run, undo;
} opt;

static PGconn *db;
static struct pattern_set *patterns;	/* NULL: --undo of everything */
static const char *medium;

/* What became of a medium. */
static struct outcome {
	uint64_t looked_at, paths, inodes, unlinked;
} done;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "all", NULL, "every loaded medium", OPT_FLAG(&opt.all) },
	{ 0, "patterns", "FILE",
		"the patterns (default NTT_IGNORE_PATTERNS)",
		OPT_TEXT(&opt.patterns) },
	{ 0, "dry-run", NULL, "count what would change, change nothing",
		OPT_FLAG(&opt.dry_run) },
	{ 0, "undo", NULL, "take exclusions back", OPT_FLAG(&opt.undo) },
	OPT_END
};

static const struct prog prog = {
	"ntt-mark-excluded",
	"MEDIUM | --all [--patterns FILE] [--dry-run] [--undo]",
	"Apply ignore patterns to what is loaded"
};

/* The backquotes that open or close a fenced block, 0 if the line has none. */
static size_t
fence(const char *line, size_t len, size_t *rest)
{
	size_t indent = 0, n = 0;

	while (indent < len && indent < 3 && line[indent] == ' ')
		indent++;
	while (indent + n < len && line[indent + n] == '`')
		n++;
	*rest = indent + n;
	return n >= 3 ? n : 0;
}

static int
only_blanks(const char *p, size_t len)
{
	while (len > 0 && strchr(" \t\r", p[len - 1]) && p[len - 1])
		len--;
	return len == 0;
}

/*
 * In a Markdown guide only the lines of fenced blocks are patterns.  The
 * others become blank, so that messages have the numbers of the lines.  A
 * file without a fence is a list.
 */
static void
blank_prose(struct buf *text, const char *name)
{
	struct buf out = BUF_INIT;
	size_t open = 0, fences = 0, at = 0, n, len, rest;

	while (at < text->len) {
		const char *line = text->data + at;
		const char *end = memchr(line, '\n', text->len - at);

		len = end ? (size_t)(end - line) : text->len - at;
		n = fence(line, len, &rest);
		if (n && !open && !memchr(line + rest, '`', len - rest)) {
			open = n;
			fences++;
		} else if (open && n >= open &&
		    only_blanks(line + rest, len - rest)) {
			open = 0;
		} else if (open) {
			buf_put(&out, line, len);
		}
		buf_putc(&out, '\n');
		at += len + 1;
	}
	if (open)
		die(EXIT_USAGE, "%s: the last fenced block has no end",
		    quoted(name));
	if (fences == 0) {
		buf_free(&out);
		return;
	}
	buf_free(text);
	*text = out;
}

static void
load_patterns(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct buf text = BUF_INIT;
	char *error;
	ssize_t n = -1;

	buf_reserve(&text, FILE_MAX + 1);
	if (fd >= 0)
		n = read_full(fd, text.data, FILE_MAX + 1);
	if (n > FILE_MAX) {
		errno = EFBIG;
		n = -1;
	}
	if (n < 0)
		die(EXIT_USAGE, "could not read %s: %m", quoted(file));
	close(fd);
	text.len = (size_t)n;
	text.data[n] = '\0';
	blank_prose(&text, file);
	patterns = pattern_parse(text.data ? text.data : "", text.len, file,
	    &error);
	if (!patterns)
		die(EXIT_USAGE, "%s", error);
	if (pattern_count(patterns) == 0)
		say("there are no patterns in %s", quoted(file));
	buf_free(&text);
}

static void __attribute__((noreturn))
failed(const char *what)
{
	progress_stop();
	db_die("could not %s %s; nothing was changed", what, medium);
}

/* How many rows that changed. */
static uint64_t
do_or_fail(const char *what, const char *statement)
{
	char *sql = sql_for(statement, medium);
	PGresult *res = db_query(db, sql);
	uint64_t n;

	if (!res)
		failed(what);
	n = strtoull(PQcmdTuples(res), NULL, 10);
	PQclear(res);
	free(sql);
	return n;
}

static void
check_interrupted(void)
{
	if (!sig_caught())
		return;
	progress_stop();
	PQfinish(db);
	exit(EXIT_SIGNAL + sig_caught());
}

/* A batch of paths that match, on its way into the temporary table. */
struct batch {
	struct pgarray tid, dev, ino, pattern;
};

static void
batch_init(struct batch *b)
{
	pgarray_init(&b->tid, OID_TID);
	pgarray_init(&b->dev, PGARRAY_INT8);
	pgarray_init(&b->ino, PGARRAY_INT8);
	pgarray_init(&b->pattern, PGARRAY_INT4);
}

static void
batch_send(struct batch *b)
{
	struct pgarray *const columns[] = { &b->tid, &b->dev, &b->ino,
		&b->pattern };
	const char *params[4];
	int lengths[4], formats[4], i;
	PGresult *res;

	for (i = 0; i < 4; i++) {
		params[i] = pgarray_param(columns[i], &lengths[i]);
		formats[i] = 1;
	}
	res = db_check(db,
	    db_exec_params(db, sql_mark_excluded_add, 4, NULL, params, lengths,
	    formats, 1));
	if (!res)
		failed("note the paths of");
	PQclear(res);
	for (i = 0; i < 4; i++)
		pgarray_reset(columns[i]);
}

static void
batch_free(struct batch *b)
{
	pgarray_free(&b->tid);
	pgarray_free(&b->dev);
	pgarray_free(&b->ino);
	pgarray_free(&b->pattern);
}

/* Rows of ctid, dev, ino, path, in binary. */
static void
match_rows(PGresult *res, struct batch *b)
{
	int row, pattern;

	for (row = 0; row < PQntuples(res); row++) {
		pattern = patterns ? pattern_match(patterns,
		    PQgetvalue(res, row, 3),
		    (size_t)PQgetlength(res, row, 3)) : 0;
		if (pattern < 0)
			continue;
		pgarray_bytes(&b->tid, PQgetvalue(res, row, 0),
		    (size_t)PQgetlength(res, row, 0));
		pgarray_bytes(&b->dev, PQgetvalue(res, row, 1), 8);
		pgarray_bytes(&b->ino, PQgetvalue(res, row, 2), 8);
		pgarray_int4(&b->pattern, pattern);
	}
}

/*
 * Fills "excluding" with what is to change: what is copied is not looked at,
 * but for --undo, which makes its names known again.
 */
static void
match_paths(void)
{
	struct batch b;
	PGresult *res;
	int n;

	do_or_fail("read the paths of", opt.undo ?
	    sql_mark_excluded_excluded :
	    sql_mark_excluded_included);
	batch_init(&b);
	do {
		check_interrupted();
		res = db_check(db, db_exec_params(db, opt.undo ?
		    "FETCH 10000 FROM excluded_names" :
		    "FETCH 10000 FROM included_names", 0, NULL, NULL, NULL,
		    NULL, 1));
		if (!res)
			failed("read the paths of");
		n = PQntuples(res);
		match_rows(res, &b);
		PQclear(res);
		if (b.tid.count > 0)
			batch_send(&b);
		done.looked_at += (uint64_t)n;
		progress_set(done.looked_at);
	} while (n > 0);
	batch_free(&b);
	if (db_script(db, "CLOSE ALL; CREATE INDEX ON excluding (dev, ino); "
	    "ANALYZE excluding") < 0)
		failed("read the paths of");
}

static uint64_t
ask(const char *what, const char *statement)
{
	char *sql = sql_for(statement, medium);
	PGresult *res = db_query(db, sql);
	uint64_t n;

	if (!res)
		failed(what);
	n = (uint64_t)db_int(res, 0, 0);
	PQclear(res);
	free(sql);
	return n;
}

/* What would change. */
static void
count_changes(void)
{
	done.paths = ask("count the paths of",
	    "SELECT count(*) FROM excluding");
	done.inodes = ask("count the inodes of", opt.undo ?
	    sql_mark_excluded_would_include :
	    sql_mark_excluded_would_exclude);
}

/* The patterns as exclude_reason has them, by number. */
static void
mark_paths(void)
{
	struct pgarray reasons;
	const char *param;
	char *sql;
	size_t i;
	int len, format = 1;
	PGresult *res;

	pgarray_init(&reasons, PGARRAY_TEXT);
	for (i = 0; patterns && i < pattern_count(patterns); i++) {
		const char *text = pattern_text(patterns, i);
		struct buf shown = BUF_INIT;

		if (!utf8_valid(text, strlen(text)))
			buf_escape(&shown, text, strlen(text));
		pgarray_text(&reasons, shown.data ? shown.data : text);
		buf_free(&shown);
	}
	param = pgarray_param(&reasons, &len);
	sql = sql_for(sql_mark_excluded_paths, medium);
	res = db_check(db, db_exec_params(db, sql, 1, NULL, &param, &len,
	    &format, 0));
	if (!res)
		failed("mark the paths of");
	done.paths = strtoull(PQcmdTuples(res), NULL, 10);
	PQclear(res);
	pgarray_free(&reasons);
	free(sql);
}

static void
exclude(void)
{
	mark_paths();
	done.inodes = do_or_fail("mark the inodes of",
	    sql_mark_excluded_inodes);
}

/* Directories are made when their range is worked on again. */
static void
include(void)
{
	uint64_t pending;

	done.unlinked = ask("count the inodes of", sql_mark_excluded_unlinked);
	done.paths = do_or_fail("mark the paths of",
	    sql_mark_excluded_include_paths);
	done.inodes = do_or_fail("mark the inodes of",
	    sql_mark_excluded_include_inodes);
	pending = ask("look at", sql_mark_excluded_pending);
	if (pending && (db_do(db, sql_mark_excluded_ranges, medium) < 0 ||
	    db_do(db, sql_mark_excluded_reopen, medium) < 0 || queue_reopen(db,
	    medium) < 0))
		failed("reopen");
}

/*
 * Copiers read which paths are excluded before they read the files: none is
 * to be at work, and none begins while this lock is held.
 */
static int
lock_medium(void)
{
	PGresult *res;
	int archived, workers;

	if (queue_plan_lock(db, medium) < 0)
		failed("lock");
	res = db_query(db, sql_mark_excluded_lock_medium, medium);
	workers = queue_workers(db, medium);
	if (!res || workers < 0)
		failed("lock");
	archived = PQntuples(res) && db_bool(res, 0, 0);
	PQclear(res);
	if (workers > 0) {
		warn("%d copiers are at work on %s: stop them first "
		    "(ntt-stop-workers), or wait", workers, medium);
		return EXIT_AGAIN;
	}
	if (archived && opt.undo) {
		warn("%s is archived already: what is taken back could not "
		    "be copied", medium);
		return EXIT_REFUSED;
	}
	do_or_fail("lock", sql_mark_excluded_lock);
	return EXIT_DONE;
}

static void
report(void)
{
	struct buf event = BUF_INIT;
	size_t i;

	printf("%s: %s paths and %s inodes %s%s\n", medium,
	    num_grouped(done.paths), num_grouped(done.inodes),
	    opt.dry_run ? "would be " : "",
	    opt.undo ? "included again" : "excluded");
	for (i = 0; patterns && i < pattern_count(patterns); i++)
		detail("%s paths match %s",
		    num_grouped(pattern_hits(patterns, i)),
		    quoted(pattern_text(patterns, i)));
	if (done.unlinked)
		say("%s of the paths belong to files that are copied: "
		    "ntt-re-hardlink -m %s links them",
		    num_grouped(done.unlinked), medium);
	if (opt.dry_run)
		return;
	log_medium(medium);
	log_begin(&event, opt.undo ? LOG_INCLUDED : LOG_EXCLUDED);
	json_u64(&event, "paths", done.paths);
	json_u64(&event, "inodes", done.inodes);
	log_end(&event);
	buf_free(&event);
}

/* The part of a transaction: an exit status. */
static int
change_medium(void)
{
	int status = opt.dry_run ? EXIT_DONE : lock_medium();

	if (status != EXIT_DONE)
		return status;
	do_or_fail("prepare", sql_mark_excluded_begin);
	match_paths();
	if (opt.dry_run)
		count_changes();
	else if (opt.undo)
		include();
	else
		exclude();
	check_interrupted();
	return EXIT_DONE;
}

static int
mark_medium(const char *name)
{
	int loaded = medium_loaded(db, name), status;

	medium = name;
	if (loaded < 0)
		db_die("could not look at %s", medium);
	if (!loaded) {
		warn("medium %s is not loaded", medium);
		return EXIT_FAILED;
	}
	memset(&done, 0, sizeof done);
	progress_start("matching", "paths", PROGRESS_COUNT, 0);
	if (db_begin(db) < 0)
		failed("begin with");
	status = change_medium();
	if (status != EXIT_DONE || opt.dry_run)
		db_rollback(db);
	else if (db_commit(db) < 0)
		failed("commit the changes of");
	progress_stop();
	if (status != EXIT_DONE)
		return status;
	report();
	return opt.dry_run || !done.paths ? EXIT_DONE :
	    catalogue_file_renew(db, medium, opt.undo ? "included" :
	    "excluded");
}

/* The worst that happened: "again" before "refused" before "failed". */
static int
mark_all(void)
{
	PGresult *res = db_query(db, sql_medium_all_loaded);
	int row, status, worst = EXIT_DONE;

	if (!res)
		db_die("could not list the media");
	for (row = 0; row < PQntuples(res); row++) {
		status = mark_medium(db_text(res, row, 0));
		if (status > worst)
			worst = status;
	}
	PQclear(res);
	return worst;
}

static void
parse_options(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	opt.medium = prog_medium(0, 0);
	prog_operands(0, 0);
	if (!opt.medium == !opt.all)
		die_usage("give either a medium or --all");
	prog_config();
	if (!opt.patterns && !opt.undo)
		opt.patterns = config_get(CONFIG_IGNORE_PATTERNS);
	if (!opt.patterns && !opt.undo)
		die_usage("there are no patterns: use --patterns FILE or set "
		    "NTT_IGNORE_PATTERNS");
}

int
main(int argc, char **argv)
{
	int status;
	char *name = NULL;

	parse_options(argc, argv);
	if (opt.patterns)
		load_patterns(opt.patterns);
	db = db_need();
	if (!opt.all)
		name = medium_named_hash(db, opt.medium);
	/* the whole of a cursor is wanted, not its beginning */
	if (db_script(db, "SET cursor_tuple_fraction = 1; SET jit = off") < 0)
		db_die("could not prepare");
	log_open(config_get(CONFIG_LOG_DIR), prog.name, name);
	sig_catch();
	status = opt.all ? mark_all() : mark_medium(name);
	PQfinish(db);
	pattern_free(patterns);
	free(name);
	return status;
}
