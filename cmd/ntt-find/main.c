/*
 * ntt-find: finds files of the collection by name, content or state.
 *
 * The catalogue makes the tests on types, sizes, times, contents; names are
 * compared with the patterns here (find/match.h), because they are bytes.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <locale.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/prog.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "find/question.h"

static struct question question;
static struct {
	int null, longer, json, count, unique;
} opt;

static uint64_t hits;
static void *contents;		/* a tree of the blobs that were printed */
static int terminal;

static const struct prog_option options[] = {
	QUESTION_OPTIONS(question),
	{ 0, "missing", NULL, "only what is not stored",
		OPT_FLAG(&question.tests.missing) },
	{ '0', "null", NULL, "end each place with a NUL",
		OPT_FLAG(&opt.null) },
	{ 'l', "long", NULL, "type, mode, links, size and time too",
		OPT_FLAG(&opt.longer) },
	{ 0, "json", NULL, "print JSON, one object a line",
		OPT_FLAG(&opt.json) },
	{ 0, "count", NULL, "print how many there are",
		OPT_FLAG(&opt.count) },
	{ 0, "unique", NULL, "one line a content", OPT_FLAG(&opt.unique) },
	OPT_END
};

static const struct prog prog = {
	"ntt-find",
	"[options] [MEDIUM:DIRECTORY…] [PATTERN…]",
	"Find files of all media by name, content or state"
};

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Whether this content was there before, for --unique. */
static int
seen_before(const char *blob)
{
	char *copy = xstrdup(blob), **node = tsearch(copy, &contents, compare);

	if (!node)
		die(EXIT_AGAIN, "out of memory");
	if (*node == copy)
		return 0;
	free(copy);
	return 1;
}

static void
print_json(const struct found *e)
{
	struct buf b = BUF_INIT;

	json_begin_object(&b, NULL);
	json_text(&b, "medium", e->medium);
	json_text(&b, "medium_name", e->medium_name);
	json_name(&b, "path", e->path, e->len);
	json_text(&b, "type", (char[2]) { e->type, '\0' });
	json_i64(&b, "size", e->size);
	if (e->type != '?') {
		json_i64(&b, "links", e->nlink);
		json_i64(&b, "mtime", e->mtime);
	}
	json_text(&b, "status", e->status);
	json_text(&b, "blob", e->blob);
	json_text(&b, "mime", e->mime);
	json_text(&b, "excluded", e->excluded);
	json_bool(&b, "damaged", e->damaged);
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
}

static void
print_long(const struct found *e)
{
	time_t when = (time_t)e->mtime;
	char day[32] = "-", mode[8] = "-";
	struct tm tm;

	if (e->type != '?' && localtime_r(&when, &tm))
		strftime(day, sizeof day, "%Y-%m-%d %H:%M", &tm);
	if (e->mode >= 0)
		snprintf(mode, sizeof mode, "%04o", (unsigned)e->mode & 07777);
	printf("%c %4s %3" PRId64 " %12" PRId64 " %16s %s", e->type, mode,
	    e->nlink, e->size, day, e->damaged ? "damaged " : "");
	if (e->excluded)
		printf("excluded ");
	else if (e->type == '?' || (e->type == 'f' &&
	    strcmp(e->status, "success")))
		printf("%s ", e->status);
}

static void
take(const struct found *e)
{
	if (opt.unique && (!e->blob || seen_before(e->blob)))
		return;
	hits++;
	if (opt.count)
		return;
	if (opt.json) {
		print_json(e);
		return;
	}
	if (opt.longer)
		print_long(e);
	printf("%s:", e->medium);
	if (terminal) {
		struct buf b = BUF_INIT;

		buf_escape(&b, e->path, e->len);
		fwrite(b.data, 1, b.len, stdout);
		buf_free(&b);
	} else {
		fwrite(e->path, 1, e->len, stdout);
	}
	putchar(opt.null ? '\0' : '\n');
}

int
main(int argc, char **argv)
{
	uint64_t left;
	PGconn *db;

	prog_start(&prog, argc, argv);
	prog_options(options);
	question_options(&question);
	prog_config();
	setlocale(LC_CTYPE, "C.UTF-8");
	sig_catch();
	db = db_need();
	question_read(&question, db);
	terminal = isatty(STDOUT_FILENO) && !opt.null;
	question.tests.paths_only = !opt.longer && !opt.json && !opt.unique;
	left = question_ask(&question, db, take);
	if (opt.count)
		printf("%" PRIu64 "\n", hits);
	if (sig_caught())
		return EXIT_SIGNAL + sig_caught();
	return left > 0 ? EXIT_PARTIAL : hits > 0 ? EXIT_DONE : EXIT_FAILED;
}
