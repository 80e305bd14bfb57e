/* A folder as one file: what one gets, and then the file. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/num.h"
#include "base/spawn.h"
#include "base/words.h"
#include "catalogue/db.h"
#include "page/markup.h"
#include "page/page.h"
#include "sql/statements.h"
#include "answer.h"
#include "count.h"
#include "disposition.h"
#include "entry.h"
#include "frame.h"

enum { SAMPLES = 50, COUNT_MS = 1000 };

static char *prefix;	/* the folder, as a parameter */
static PGresult *omitted;	/* what was met in it */

/* NULL: the catalogue had no time for it. */
static PGresult *
try_medium(const char *statement, int n, const char *const *params)
{
	char *sql = sql_for(statement, asked->medium);
	PGresult *res = db_query_n(db, sql, n, params);

	free(sql);
	return res;
}

static void
put_item(PGresult *res, int row)
{
	struct buf path = BUF_INIT;

	buf_puts(&page, "<li>");
	if (db_bytea_value(res, row, 0, &path) == 0 && path.len > 0)
		page_name(&page, path.data, path.len);
	else
		put(&page, MSG_ROOT);
	buf_puts(&page, "</li>\n");
	buf_free(&path);
}

/* The entries of res that are kept with zeros, or those that are left out. */
static void
put_items(PGresult *res, int kept, PGresult *met, uint64_t all)
{
	uint64_t shown = 0;
	int row;

	buf_puts(&page, "<ul>\n");
	/* the first row is of all of them */
	for (row = 1; row < PQntuples(res) && shown < SAMPLES; row++) {
		if (db_bool(res, row, 1) != kept)
			continue;
		put_item(res, row);
		shown++;
	}
	for (row = 0; met && row < PQntuples(met) && shown < SAMPLES;
	    row++, shown++)
		put_item(met, row);
	if (shown < all) {
		buf_puts(&page, "<li>");
		put(&page, MSG_AND_MORE);
		buf_puts(&page, "</li>\n");
	}
	buf_puts(&page, "</ul>\n");
}

static void
put_see_missing(enum message why)
{
	frame_paragraph(&page, "notice", why);
	buf_printf(&page, "<p><a href=\"/m/%s/missing\">", asked->medium);
	put(&page, MSG_OPEN_MISSING);
	buf_puts(&page, "</a></p>\n");
}

static uint64_t
omissions(void)
{
	char most[16];
	const char *params[] = { prefix, most };

	snprintf(most, sizeof most, "%d", 4 * SAMPLES);
	omitted = web_ask_medium(sql_web_take_omissions, 2, params);
	return PQntuples(omitted) > 0 ? (uint64_t)db_int(omitted, 0, 1) : 0;
}

/*
 * What taking it leaves out, or gives with zeros: 0 nothing, 1 something; -1
 * nobody knows.
 */
static int
put_sums(int by_folders)
{
	char most[16], limit[16];
	const char *params[] = { prefix, flag(by_folders), most };
	const char *wait = limit;
	uint64_t out = omissions(), zeros;
	PGresult *sums;

	snprintf(most, sizeof most, "%d", 4 * SAMPLES);
	snprintf(limit, sizeof limit, "%d", COUNT_MS);
	PQclear(web_ask(sql_web_timeout, 1, &wait));
	sums = try_medium(sql_web_take, 3, params);
	if (!sums) {
		put_see_missing(MSG_TAKE_UNCOUNTED);
		return -1;
	}
	frame_paragraph(&page, NULL, MSG_TAKE_COUNT, num_grouped((uint64_t)
	    db_int(sums, 0, 2)), num_bytes((uint64_t)db_int(sums, 0, 3)));
	out += (uint64_t)db_int(sums, 0, 4);
	zeros = (uint64_t)db_int(sums, 0, 5);
	if (out > 0) {
		frame_paragraph(&page, "notice", MSG_TAKE_LEFT,
		    num_grouped(out));
		put_items(sums, 0, omitted, out);
	}
	if (zeros > 0) {
		frame_paragraph(&page, "notice", MSG_TAKE_DAMAGED,
		    num_grouped(zeros));
		put_items(sums, 1, NULL, zeros);
	}
	return out + zeros > 0;
}

/* The same of a whole medium, which was counted before. */
static int
put_counted(const struct counted *c)
{
	const char *medium = asked->medium;
	PGresult *damaged = web_ask(sql_web_damaged, 1, &medium);
	int left = omissions() > 0 || c->missing + c->excluded > 0 ||
	    db_int(damaged, 0, 0) > 0;

	frame_paragraph(&page, NULL, MSG_TAKE_COUNT, num_grouped(c->files),
	    num_bytes(c->bytes));
	if (left)
		put_see_missing(MSG_TAKE_MEDIUM_LEFT);
	PQclear(damaged);
	return left;
}

static int
put_account(const struct shown_medium *m)
{
	const struct counted *c = counted(asked->medium);

	if (asked->path.len == 0 && c)
		return put_counted(c);
	return put_sums(m->complete && asked->path.len > 0);
}

/* The folder that is asked for; nothing else can be taken. */
static const struct shown_medium *
folder(void)
{
	const struct shown_medium *m = loaded_medium();
	struct entry e;

	if (asked->path.len > 0) {
		entry_get(&e);
		if (e.type != 'd')
			refuse(404, MSG_E404, MSG_E404_LONG);
	}
	prefix = db_bytea(asked->path.data ? asked->path.data : "",
	    asked->path.len);
	return m;
}

static void
put_form(const char *word, int left, enum message label, enum message help)
{
	struct buf href = BUF_INIT;

	request_link(&href, asked->medium, word, asked->path.data,
	    asked->path.len);
	if (left != 0)
		buf_puts(&href, "?without=1");
	buf_puts(&page, "<p><a class=\"button\" href=\"");
	markup_plain(&page, href.data, href.len);
	buf_puts(&page, "\">");
	put(&page, label);
	buf_puts(&page, "</a> ");
	put(&page, help);
	buf_puts(&page, "</p>\n");
	buf_free(&href);
}

void
take_page(void)
{
	const struct shown_medium *m = folder();
	const char *name;
	size_t len;
	int left;

	name = last_part(asked->path.data, asked->path.len, &len);
	frame_begin(&page, MSG_TAKE_KICKER, len ? name : m->name,
	    len ? len : strlen(m->name));
	entry_header(m);
	frame_main(&page);
	left = put_account(m);
	frame_paragraph(&page, NULL, MSG_TAKE_FORMAT);
	/* who was told of it wants it all the same */
	if (left > 0)
		frame_paragraph(&page, NULL, MSG_TAKE_WITHOUT);
	page_section(&page, "forms", text(MSG_TAKE_FORMS));
	put_form("zip", left, MSG_TAKE_ZIP, MSG_TAKE_ZIP_HELP);
	put_form("tar", left, MSG_TAKE_TAR, MSG_TAKE_TAR_HELP);
	put_form("bag", left, MSG_TAKE_BAG, MSG_TAKE_BAG_HELP);
	page_section_end(&page);
	frame_paragraph(&page, "soft", MSG_TAKE_BREAKS);
	frame_end(&page);
	reply_page(200, &page);
}

/* What has to be known of a child is known here: its output is the reply. */
static void __attribute__((noreturn))
become(char *const argv[])
{
	char *program = program_path(argv[0]);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* its own connections only read, too */
	if (!program || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    setenv("PGOPTIONS", "-c default_transaction_read_only=on", 1) < 0 ||
	    dup2(reply_fd(), STDOUT_FILENO) < 0)
		_exit(EXIT_FAILED);
	PQfinish(db);
	execv(program, argv);
	warn("could not run %s: %s", quoted(program), strerror(errno));
	_exit(EXIT_NOEXEC);
}

static void __attribute__((noreturn))
give_folder(const char *ending, const char *type, const char *const options[])
{
	const struct shown_medium *m = folder();
	struct buf disposition = BUF_INIT, place = BUF_INIT;
	struct words w = WORDS_INIT;
	const char *name;
	size_t len;

	name = last_part(asked->path.data, asked->path.len, &len);
	disposition_put(&disposition, len ? name : m->name,
	    len ? len : strlen(m->name), ending);
	reply_header("Content-Disposition", disposition.data);
	reply_begin(200, type, POLICY_NOTHING, -1);
	buf_printf(&place, "%s:", asked->medium);
	buf_put(&place, asked->path.data, asked->path.len);
	words_add(&w, "ntt-restore");
	words_add(&w, "-q");
	words_add_all(&w, options);
	words_add(&w, place.data);
	become(w.word);
}

void
get_tar(void)
{
	static const char *const options[] = { "--tar", NULL };

	give_folder(".tar", "application/x-tar", options);
}

void
get_zip(void)
{
	static const char *const options[] = { "--zip", NULL };

	give_folder(".zip", "application/zip", options);
}

void
get_bag(void)
{
	static const char *const options[] = { "--zip", "--bag", NULL };

	give_folder(".bag.zip", "application/zip", options);
}

void
get_report(void)
{
	char *argv[] = { (char *)"ntt-report", (char *)"-q", NULL, NULL,
		NULL };

	shown_medium();
	argv[2] = (char *)asked->medium;
	if (!asked->restricted)
		argv[3] = (char *)"--hide-restricted";
	reply_begin(200, "text/html; charset=utf-8", POLICY_REPORT, -1);
	become(argv);
}
