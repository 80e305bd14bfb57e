/*
 * Names that fit, over all media.
 *
 * If the index of names does not have a medium, or the pattern has too few
 * letters for it, the medium's table of paths is read, some blocks at a time.
 * So a search that is cut short knows how far it came and goes on from there.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/procstat.h"
#include "catalogue/db.h"
#include "find/lookup.h"
#include "find/match.h"
#include "page/markup.h"
#include "page/page.h"
#include "sql/statements.h"
#include "answer.h"
#include "frame.h"
#include "small.h"

enum {
	SEARCH_MS = 3000,
	FEW = 4,		/* paths of a medium */
	/* a page with so many names comes at once */
	ENOUGH = 20,
	ENOUGH_MS = 80,
	STRETCH = 2048,		/* blocks of a statement, 16 MB */
	ROWS = 1000		/* of a statement */
};

static const struct kind {
	const char *word;
	enum message label;
	const char *type, *mime;
} kinds[] = {
	{ "", MSG_KIND_ANY, NULL, NULL },
	{ "file", MSG_KIND_FILE, "f", NULL },
	{ "folder", MSG_KIND_FOLDER, "d", NULL },
	{ "picture", MSG_KIND_PICTURE, "f", "image/%" },
	{ "film", MSG_KIND_FILM, "f", "video/%" },
	{ "sound", MSG_KIND_SOUND, "f", "audio/%" },
	{ "text", MSG_KIND_TEXT, "f", "text/%" },
	{ "pdf", MSG_KIND_PDF, "f", "application/pdf" }
};

static struct {
	const char *words, *only;	/* a medium, NULL: all */
	const struct kind *kind;
	struct matcher names;
	char *needs;
	/* where to go on: a medium, a place in its table */
	const char *from;
	char at[32];
	uint64_t found, media, looked, not_loaded;
	int cut;
	int64_t enough, end;
} search;

/* No time, or enough for a page that somebody waits for. */
static int
is_over(void)
{
	int64_t now = monotonic_ms();

	/* what there is so far is shown while the search goes on */
	if (now >= search.enough && search.found < ENOUGH && !reply_begun())
		reply_part(&page);
	return now >= search.end || (search.found >= ENOUGH &&
	    now >= search.enough);
}

/*
 * The longest run of ASCII letters and the like that stands for itself, as the
 * statement has it: in lower case.  NULL: there is none.
 */
static char *
needed(const char *pattern)
{
	size_t i, from = 0, best = 0, best_len = 0;
	char *text;

	for (i = 0; ; i++) {
		unsigned char c = (unsigned char)pattern[i];

		if (c > ' ' && c < 0x7f && !strchr("*?[]\\", c))
			continue;
		if (c == ' ')
			continue;
		if (i - from > best_len) {
			best = from;
			best_len = i - from;
		}
		/* a bracket: what follows may be one of several */
		if (!c || c == '[')
			break;
		from = i + 1;
	}
	if (best_len == 0)
		return NULL;
	text = xasprintf("%.*s", (int)best_len, pattern + best);
	for (i = 0; text[i]; i++)
		text[i] = (char)tolower((unsigned char)text[i]);
	return text;
}

static void
put_hit(PGresult *res, int row, const struct buf *path, const char *medium,
    const char *medium_name)
{
	char type = *db_text(res, row, 2);
	const char *name;
	size_t len;

	if (search.found++ == 0)
		page_table(&page, text(MSG_SEARCH_RESULTS), text(MSG_ENTRY),
		    text(MSG_TYPE), text(MSG_N_SIZE), text(MSG_CHANGED),
		    text(MSG_PATH));
	name = last_part(path->data, path->len, &len);
	page_row(&page);
	page_cell_begin(&page, 0);
	frame_link(&page, medium, type == 'd' ? "tree" : "file", path->data,
	    path->len);
	if (type == 'f')
		put_small(medium, path, db_text_null(res, row, 5),
		    db_text_null(res, row, 6));
	page_name(&page, name, len);
	buf_puts(&page, "</a>");
	page_cell_begin(&page, 0);
	put(&page, type_message(type));
	page_cell_begin(&page, 1);
	if (type == 'f')
		buf_puts(&page, num_bytes((uint64_t)db_int(res, row, 3)));
	page_cell_begin(&page, 0);
	put_time(&page, db_int(res, row, 4));
	page_cell_begin(&page, 0);
	page_name(&page, medium_name, strlen(medium_name));
	buf_puts(&page, ": ");
	frame_link(&page, medium, "tree", path->data, path->len > len ?
	    path->len - len - 1 : 0);
	if (path->len > len)
		page_name(&page, path->data, path->len - len - 1);
	else
		put(&page, MSG_ROOT);
	buf_puts(&page, "</a>");
}

/* The rows that fit, until the page is full; search.at is the last one. */
static void
put_hits(PGresult *res, const char *medium, const char *medium_name)
{
	struct buf path = BUF_INIT;
	int row;

	for (row = 0; row < PQntuples(res) && search.found < PAGE_ROWS;
	    row++) {
		buf_reset(&path);
		if (db_bytea_value(res, row, 1, &path) == 0 &&
		    path.len > 0 && matcher_fits(&search.names, path.data))
			put_hit(res, row, &path, medium, medium_name);
		snprintf(search.at, sizeof search.at, "%s",
		    db_text(res, row, 0));
	}
	buf_free(&path);
}

/*
 * The server takes a few paths in a large folder for half of the table, and
 * reads all of it; by the index on folders it reads one folder at most.
 */
static void
allow_scans(int allowed)
{
	static int are_allowed = 1;
	const char *on = allowed ? "on" : "off";

	if (allowed != are_allowed)
		PQclear(web_ask(sql_web_scans, 1, &on));
	are_allowed = allowed;
}

/* 1: all of them; 0: search.at is where to go on. */
static int
search_among(const char *medium, const char *name, struct lookup_hits *hits)
{
	enum { PARAMS = 5 };
	int lengths[PARAMS] = { 0 }, formats[PARAMS] = { 0, 0, 0, 1, 1 };
	const char *params[PARAMS] = { search.at, search.kind->type,
		search.kind->mime };
	PGresult *res;
	char *sql;

	if (is_over())
		return 0;
	allow_scans(hits->paths.count > FEW);
	sql = sql_for(sql_web_search_among, medium);
	params[3] = pgarray_param(&hits->dirs, &lengths[3]);
	params[4] = pgarray_param(&hits->paths, &lengths[4]);
	res = db_check(db, db_exec_params(db, sql, PARAMS, NULL, params,
	    lengths, formats, 0));
	free(sql);
	if (!res)
		answer_failed();
	put_hits(res, medium, name);
	PQclear(res);
	return search.found < PAGE_ROWS;
}

/*
 * From search.at to block end: 1, or 0 and search.at is where to go on.
 */
static int
search_stretch(const char *sql, uint64_t end, const char *medium,
    const char *medium_name)
{
	char to[32], rows[16];
	const char *params[] = { search.at, to, search.needs,
		search.kind->type, search.kind->mime, rows };
	PGresult *res;
	int n;

	snprintf(to, sizeof to, "(%" PRIu64 ",0)", end);
	snprintf(rows, sizeof rows, "%d", ROWS);
	do {
		res = web_ask(sql, 6, params);
		n = PQntuples(res);
		put_hits(res, medium, medium_name);
		PQclear(res);
		if (search.found == PAGE_ROWS)
			return 0;
	} while (n == ROWS && !is_over());
	if (n == ROWS)
		return 0;
	snprintf(search.at, sizeof search.at, "%s", to);
	return 1;
}

/* 1: all of it; 0: search.at is where to go on. */
static int
search_medium(const char *medium, const char *name)
{
	char *sql = sql_for(sql_web_search, medium), *size;
	uint64_t blocks;
	PGresult *res;
	uint64_t block = strtoull(search.at + 1, NULL, 10);
	int whole = 1;

	if (is_over()) {
		free(sql);
		return 0;
	}
	allow_scans(1);
	size = sql_for(sql_web_blocks, medium);
	res = web_ask(size, 0, NULL);
	blocks = (uint64_t)db_int(res, 0, 0);
	PQclear(res);
	free(size);
	for (; whole && block < blocks; block += STRETCH) {
		whole = !is_over() && search_stretch(sql, block + STRETCH,
		    medium, name);
	}
	free(sql);
	return whole;
}

static const char *
search_all(void)
{
	const char *shown = flag(asked->restricted), *medium;
	PGresult *media = web_ask(sql_web_media, 1, &shown);
	struct lookup_hits *hits;
	struct lookup lookup;
	int row;

	lookup_begin(&lookup, &search.names);
	for (row = 0; row < PQntuples(media); row++) {
		medium = db_text(media, row, 0);
		if (search.only && strcmp(search.only, medium))
			continue;
		search.media++;
		if (search.cut)
			continue;
		if (search.from && strcmp(medium, search.from) < 0) {
			search.looked++;
			continue;
		}
		if (!search.from || strcmp(medium, search.from))
			strcpy(search.at, "(0,0)");
		if (!db_bool(media, row, 2)) {
			search.not_loaded++;
			continue;
		}
		hits = lookup_medium(&lookup, medium, db_text(media, row, 3));
		search.cut = hits && hits->paths.count == 0 ? 0 : hits ?
		    !search_among(medium, db_text(media, row, 1), hits) :
		    !search_medium(medium, db_text(media, row, 1));
		if (search.cut)
			search.from = medium;
		else
			search.looked++;
	}
	lookup_end(&lookup);
	return search.cut ? search.from : NULL;
}

static void
put_form(void)
{
	size_t i;

	buf_puts(&page, "<form class=\"form\" action=\"/search\" "
	    "method=\"get\">\n<p><label for=\"q\">");
	put(&page, MSG_SEARCH_LABEL);
	buf_puts(&page, "</label><input type=\"text\" id=\"q\" name=\"q\" "
	    "maxlength=\"255\" aria-describedby=\"help\" value=\"");
	frame_attribute(&page, search.words);
	buf_puts(&page, "\"></p>\n<p><label for=\"kind\">");
	put(&page, MSG_KIND);
	buf_puts(&page, "</label><select id=\"kind\" name=\"kind\">");
	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		buf_printf(&page, "<option value=\"%s\"%s>", kinds[i].word,
		    search.kind == &kinds[i] ? " selected" : "");
		put(&page, kinds[i].label);
		buf_puts(&page, "</option>");
	}
	buf_puts(&page, "</select></p>\n<p><button>");
	put(&page, MSG_SEARCH);
	buf_puts(&page, "</button></p>\n</form>\n"
	    "<p class=\"soft\" id=\"help\">");
	put(&page, MSG_SEARCH_HELP);
	buf_puts(&page, "</p>\n");
}

static void
put_media(void)
{
	const char *params[] = { flag(asked->restricted), search.words };
	PGresult *res;
	int row;

	if (!utf8_valid(search.words, strlen(search.words)))
		return;
	res = web_ask(sql_web_media_named, 2, params);
	if (PQntuples(res) > 0)
		page_section(&page, "media", text(MSG_SEARCH_MEDIA));
	for (row = 0; row < PQntuples(res); row++) {
		buf_printf(&page, "%s<a href=\"/m/%s\">", row ? "<br>" : "<p>",
		    db_text(res, row, 0));
		page_name(&page, db_text(res, row, 1),
		    strlen(db_text(res, row, 1)));
		buf_puts(&page, "</a> ");
		page_text(&page, db_text(res, row, 2));
	}
	if (row > 0) {
		buf_puts(&page, "</p>\n");
		page_section_end(&page);
	}
	PQclear(res);
}

static void
put_account(const char *further)
{
	struct buf href = BUF_INIT;

	if (search.found == 0)
		frame_paragraph(&page, NULL, further ? MSG_SEARCH_NONE_YET :
		    MSG_SEARCH_NONE);
	if (search.found == PAGE_ROWS)
		frame_paragraph(&page, "notice", MSG_SEARCH_FULL,
		    num_grouped(search.found));
	else if (further && search.found >= ENOUGH)
		frame_paragraph(&page, "notice", MSG_SEARCH_ENOUGH,
		    num_grouped(search.found), num_grouped(search.looked),
		    num_grouped(search.media));
	else if (further)
		frame_paragraph(&page, "notice", MSG_SEARCH_CUT,
		    num_grouped(SEARCH_MS / 1000), num_grouped(search.looked),
		    num_grouped(search.media));
	else
		frame_paragraph(&page, "soft", MSG_SEARCH_ALL,
		    num_grouped(search.looked));
	if (search.not_loaded > 0)
		frame_paragraph(&page, "notice", MSG_SEARCH_NOT_LOADED,
		    num_grouped(search.not_loaded));
	if (search.kind->mime)
		frame_paragraph(&page, "soft", MSG_MIME_UNKNOWN);
	if (!further)
		return;
	buf_puts(&href, "/search?q=");
	request_encode(&href, search.words, strlen(search.words));
	buf_printf(&href, "&kind=%s", search.kind->word);
	if (search.only)
		buf_printf(&href, "&m=%s", search.only);
	buf_printf(&href, "&from=%s&at=%s", further, search.at);
	frame_action(&page, href.data, MSG_MORE_RESULTS);
	buf_free(&href);
}

/* "(12,3)" */
static int
is_place(const char *at)
{
	size_t a, b;

	if (*at != '(')
		return 0;
	a = strspn(at + 1, "0123456789");
	if (a == 0 || a > 9 || at[1 + a] != ',')
		return 0;
	b = strspn(at + a + 2, "0123456789");
	return b > 0 && b <= 4 && !strcmp(at + a + 2 + b, ")");
}

static void
read_question(void)
{
	const char *kind = request_param(asked, "kind");
	const char *at = request_param(asked, "at");
	size_t i;

	search.words = request_param(asked, "q");
	search.only = request_param(asked, "m");
	search.from = request_param(asked, "from");
	search.kind = &kinds[0];
	for (i = 0; kind && i < sizeof kinds / sizeof kinds[0]; i++)
		if (!strcmp(kinds[i].word, kind))
			search.kind = &kinds[i];
	strcpy(search.at, "(0,0)");
	if (!search.words)
		search.words = "";
	if ((at && !is_place(at)) || strlen(search.words) > 255)
		refuse(400, MSG_E400, MSG_E400_LONG);
	if (at)
		strcpy(search.at, at);
}

void
search_page(void)
{
	const char *further;

	setlocale(LC_CTYPE, "C.UTF-8");
	read_question();
	search.end = monotonic_ms() + SEARCH_MS;
	search.enough = monotonic_ms() + ENOUGH_MS;
	search.names.ignore_case = 1;
	frame_begin_search(&page, MSG_SEARCH_KICKER, *search.words ?
	    search.words : text(MSG_SEARCH), search.words);
	frame_main(&page);
	put_form();
	if (!*search.words) {
		frame_paragraph(&page, NULL, MSG_SEARCH_WHAT);
		frame_end(&page);
		reply_page(200, &page);
	}
	matcher_add(&search.names, search.words);
	search.needs = needed(search.words);
	if (!search.from)
		put_media();
	page_section(&page, "results", text(MSG_SEARCH_RESULTS));
	further = search_all();
	if (search.found > 0)
		page_table_end(&page);
	put_small_account();
	put_account(further);
	page_section_end(&page);
	frame_end(&page);
	reply_page(200, &page);
}
