/* A medium, and what is missing of it. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "catalogue/account.h"
#include "catalogue/content.h"
#include "catalogue/db.h"
#include "page/page.h"
#include "sql/statements.h"
#include "answer.h"
#include "bars.h"
#include "compare.h"
#include "count.h"
#include "frame.h"
#include "photo.h"

static void
put_term(enum message term, const char *value)
{
	if (!*value)
		return;
	page_term(&page, text(term));
	page_text(&page, value);
}

static void
put_identity(const struct shown_medium *m)
{
	page_list(&page, "card");
	put_term(MSG_MESSAGE, m->message);
	put_term(MSG_STATE, text(state_message(m->state)));
	put_term(MSG_HEALTH, text(health_message(m->health)));
	if (m->size >= 0)
		put_term(MSG_SIZE, num_bytes((uint64_t)m->size));
	put_term(MSG_KIND_OF_SOURCE, m->source);
	put_term(MSG_MODEL, m->model);
	put_term(MSG_SERIAL, m->serial);
	put_term(MSG_FILESYSTEM, m->fs);
	put_term(MSG_ADDED, m->added);
	put_term(MSG_ENTRIES, m->paths);
	page_term(&page, text(MSG_HASH));
	buf_printf(&page, "<span class=\"id\">%s</span>", asked->medium);
	page_list_end(&page);
}

/*
 * What is not stored, from indexes and from what was counted before: the
 * account itself would read all of the medium.
 */
static void
put_account(const struct counted *c)
{
	const char *medium = asked->medium;
	PGresult *kinds = web_ask(sql_account_kinds, 1, &medium);
	PGresult *damaged = web_ask(sql_web_damaged, 1, &medium);
	uint64_t n = (uint64_t)db_int(damaged, 0, 0);
	struct buf b = BUF_INIT;
	int row;

	for (row = 0; row < PQntuples(kinds); row++) {
		buf_puts(&b, row ? ", " : "");
		account_clause(&b, db_text(kinds, row, 0),
		    (uint64_t)db_int(kinds, row, 1));
	}
	if (c && c->missing > 0) {
		buf_puts(&b, b.len ? ", " : "");
		put_plain(&b, MSG_CLAUSE_MISSING, num_grouped(c->missing));
	}
	if (n > 0) {
		buf_puts(&b, b.len ? ", " : "");
		put_plain(&b, MSG_CLAUSE_DAMAGED, num_grouped(n));
	}
	if (b.len > 0)
		frame_paragraph(&page, "notice", MSG_MISSING_SOME, b.data);
	else
		frame_paragraph(&page, NULL, c ? MSG_MISSING_NOTHING :
		    MSG_MISSING_UNKNOWN);
	buf_free(&b);
	PQclear(kinds);
	PQclear(damaged);
}

static void
put_link(const char *word, enum message label)
{
	buf_puts(&page, "<li>");
	frame_link(&page, asked->medium, word, NULL, 0);
	put(&page, label);
	buf_puts(&page, "</a>");
}

static void
put_photo(void)
{
	char *photo = photo_of(asked->medium);

	if (photo) {
		buf_printf(&page, "<figure class=\"photo\"><img alt=\"%s\" "
		    "src=\"/m/%s/photo\"></figure>\n", text(MSG_PHOTO),
		    asked->medium);
		free(photo);
	}
}

void
medium_page(void)
{
	const struct shown_medium *m = shown_medium();
	const struct counted *c = counted(asked->medium);

	frame_begin(&page, MSG_MEDIUM_KICKER, m->name, strlen(m->name));
	frame_main(&page);
	put_photo();
	page_section(&page, "look", text(MSG_LOOK));
	if (!m->loaded)
		frame_paragraph(&page, "notice", MSG_NOT_LOADED);
	buf_puts(&page, "<ul>\n");
	if (m->loaded) {
		put_link("tree", MSG_OPEN_TREE);
		buf_puts(&page, "</li>\n");
		put_link("take", MSG_TAKE_MEDIUM);
		buf_puts(&page, "</li>\n");
	}
	put_link("report", MSG_OPEN_REPORT);
	buf_puts(&page, ": ");
	put(&page, MSG_REPORT_HELP);
	buf_puts(&page, "</li>\n");
	put_link("missing", MSG_OPEN_MISSING);
	buf_puts(&page, "</li>\n");
	if (health_message(m->health) != MSG_HEALTH_OK &&
	    health_message(m->health) != MSG_HEALTH_UNKNOWN) {
		put_link("map", MSG_OPEN_MAP);
		buf_puts(&page, "</li>\n");
	}
	buf_puts(&page, "</ul>\n");
	if (m->loaded)
		put_account(c);
	if (c)
		frame_paragraph(&page, NULL, MSG_ONLY_HERE_LONG,
		    num_bytes(c->only_bytes), num_grouped(c->contents));
	if (c && c->bytes > 0)
		put_bar(&page, c->only_bytes, c->bytes);
	page_section_end(&page);
	put_shared_with(asked->medium);
	page_section(&page, "details", text(MSG_DETAILS));
	put_identity(m);
	page_section_end(&page);
	frame_end(&page);
	reply_page(200, &page);
}

/* ---- what is missing ---- */

static void
put_path(PGresult *res, int row, int col)
{
	struct buf path = BUF_INIT;

	if (!PQgetisnull(res, row, col) &&
	    db_bytea_value(res, row, col, &path) == 0 && path.len > 0) {
		frame_link(&page, asked->medium, "file", path.data, path.len);
		page_name(&page, path.data, path.len);
		buf_puts(&page, "</a>");
	} else {
		put(&page, MSG_ROOT);
	}
	buf_free(&path);
}

static void
put_omission(PGresult *res, int row)
{
	struct buf why = BUF_INIT;
	struct buf path = BUF_INIT;

	page_cell_begin(&page, 0);
	if (PQgetisnull(res, row, 0) && !PQgetisnull(res, row, 1))
		put(&page, MSG_PARTITION, db_text(res, row, 1));
	else if (!PQgetisnull(res, row, 0) &&
	    db_bytea_value(res, row, 0, &path) == 0 && path.len > 0)
		page_name(&page, path.data, path.len);
	else
		put(&page, MSG_ROOT);
	page_cell_begin(&page, 0);
	account_clause(&why, db_text(res, row, 2), 1);
	page_text(&page, why.data ? why.data : "");
	if (*db_text(res, row, 3)) {
		buf_puts(&page, ": ");
		page_text(&page, db_text(res, row, 3));
	}
	if (!PQgetisnull(res, row, 4)) {
		buf_puts(&page, " (");
		put(&page, MSG_SETTLED, db_text(res, row, 4));
		buf_puts(&page, ")");
	}
	buf_free(&path);
	buf_free(&why);
}

static void
put_without(PGresult *res, int row)
{
	struct buf why = BUF_INIT;

	page_cell_begin(&page, 0);
	put_path(res, row, 0);
	page_cell_begin(&page, 0);
	content_why_not(&why, *db_text(res, row, 1), db_text(res, row, 2),
	    db_text_null(res, row, 3), db_text_null(res, row, 4));
	page_text(&page, why.data);
	buf_free(&why);
}

static void
put_damaged(PGresult *res, int row)
{
	page_cell_begin(&page, 0);
	put_path(res, row, 0);
	page_cell_begin(&page, 0);
	if (db_bool(res, row, 1))
		page_text(&page, db_text(res, row, 2));
	else
		put(&page, MSG_NOT_DETERMINED);
}

static void
put_bad(PGresult *res, int row)
{
	page_cell_begin(&page, 0);
	put_path(res, row, 0);
	page_cell(&page, db_text(res, row, 1));
}

/* A section of what a statement gives; 0 if it gives nothing. */
static int
put_list(const char *id, enum message title, enum message heading,
    const char *sql, void (*put_row)(PGresult *, int))
{
	char limit[16];
	const char *param = limit;
	PGresult *res;
	int row, n;

	snprintf(limit, sizeof limit, "%d", PAGE_ROWS + 1);
	res = web_ask_medium(sql, 1, &param);
	n = PQntuples(res);
	if (n > 0) {
		page_section(&page, id, text(title));
		page_table(&page, text(title), text(MSG_ENTRY),
		    text(heading));
		for (row = 0; row < n && row < PAGE_ROWS; row++) {
			page_row(&page);
			put_row(res, row);
		}
		page_table_end(&page);
		if (n > PAGE_ROWS)
			frame_paragraph(&page, "notice", MSG_MISSING_FIRST,
			    num_grouped(PAGE_ROWS));
		page_section_end(&page);
	}
	PQclear(res);
	return n > 0;
}

void
missing_page(void)
{
	const struct shown_medium *m = shown_medium();
	int any = 0;

	frame_begin(&page, MSG_MISSING_KICKER, m->name, strlen(m->name));
	buf_printf(&page, "<p><a href=\"/m/%s\">", asked->medium);
	put(&page, MSG_MEDIUM);
	buf_puts(&page, "</a></p>\n");
	frame_main(&page);
	any |= put_list("met", MSG_MISSING_MET, MSG_WHY,
	    sql_browse_omissions, put_omission);
	if (m->loaded) {
		any |= put_list("without", MSG_MISSING_WITHOUT, MSG_WHY,
		    sql_browse_without, put_without);
		any |= put_list("damaged", MSG_MISSING_DAMAGED, MSG_LOST,
		    sql_browse_damaged, put_damaged);
		any |= put_list("bad", MSG_MISSING_BAD, MSG_STATE_OF_COPY,
		    sql_browse_bad, put_bad);
	} else {
		frame_paragraph(&page, "notice", MSG_NOT_LOADED);
	}
	if (!any && m->loaded)
		frame_paragraph(&page, NULL, MSG_MISSING_NOTHING);
	frame_end(&page);
	reply_page(200, &page);
}
