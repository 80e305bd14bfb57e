#define _GNU_SOURCE
#include "where.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/procstat.h"
#include "catalogue/db.h"
#include "page/page.h"
#include "sql/statements.h"
#include "frame.h"

enum { NAMES_A_MEDIUM = 50 };

/* When looking ends, monotonic_ms(). */
static int64_t end;

/* NULL: there is no time for all of it. */
static PGresult *
names_on(const char *medium, const char *blob)
{
	const char *params[] = { blob, "50" }, *wait;
	int64_t left = end - monotonic_ms();
	char *sql, limit[24];
	PGresult *res;

	if (left <= 0)
		return NULL;
	snprintf(limit, sizeof limit, "%" PRId64, left);
	wait = limit;
	PQclear(web_ask(sql_web_timeout, 1, &wait));
	sql = sql_for(sql_web_names, medium);
	res = db_query_n(db, sql, 2, params);
	free(sql);
	/* query_canceled; what else goes wrong goes wrong the usual way */
	if (!res && strcmp(db_sqlstate(), "57014"))
		answer_failed();
	return res;
}

/*
 * Names of the blob on a medium, but for the one that is asked for.  -1: not
 * all of it was looked through, and none is shown.
 */
static int
put_names(const char *medium, const char *name, const char *blob)
{
	PGresult *res = names_on(medium, blob);
	struct buf path = BUF_INIT;
	int row, n = 0;

	for (row = 0; res && row < PQntuples(res); row++) {
		buf_reset(&path);
		if (db_bytea_value(res, row, 0, &path) < 0 ||
		    (!strcmp(medium, asked->medium) &&
		    path.len == asked->path.len &&
		    !memcmp(path.data, asked->path.data, path.len)))
			continue;
		buf_puts(&page, "<li>");
		page_name(&page, name, strlen(name));
		buf_puts(&page, ": ");
		frame_link(&page, medium, "file", path.data, path.len);
		page_name(&page, path.data, path.len);
		buf_puts(&page, "</a></li>\n");
		n++;
	}
	if (res && PQntuples(res) == NAMES_A_MEDIUM) {
		buf_puts(&page, "<li>");
		put(&page, MSG_AND_MORE);
		buf_puts(&page, "</li>\n");
	}
	row = res ? n : -1;
	PQclear(res);
	buf_free(&path);
	return row;
}

static void
put_further(const char *from, uint64_t skipped)
{
	struct buf href = BUF_INIT;

	request_link(&href, asked->medium, "where", asked->path.data,
	    asked->path.len);
	if (from)
		buf_printf(&href, "?from=%s&skipped=%" PRIu64, from, skipped);
	frame_action(&page, href.data, MSG_LOOK_FURTHER);
	buf_free(&href);
}

/* The first medium at or after the one named. */
static int
first_row(PGresult *media, const char *from)
{
	int row = 0;

	while (from && row < PQntuples(media) &&
	    strcmp(db_text(media, row, 0), from) < 0)
		row++;
	return row;
}

/*
 * Looks through the media from the row on: the row of the first that was not
 * looked through.  *found: names.
 */
static int
look_through(PGresult *media, int row, const char *blob, int *found)
{
	int n;

	for (; row < PQntuples(media); row++) {
		if (!db_bool(media, row, 2) || !strcmp(db_text(media, row, 0),
		    asked->medium))
			continue;
		n = put_names(db_text(media, row, 0), db_text(media, row, 1),
		    blob);
		if (n < 0)
			return row;
		*found += n;
	}
	return row;
}

/* The medium of the file is nearest, so it comes first: 0, or -1. */
static int
look_here(PGresult *media, const char *blob, int *found)
{
	int row, n;

	for (row = 0; row < PQntuples(media); row++) {
		if (strcmp(db_text(media, row, 0), asked->medium))
			continue;
		n = put_names(asked->medium, db_text(media, row, 1), blob);
		if (n < 0)
			return -1;
		*found += n;
	}
	return 0;
}

void
where_section(const struct entry *e, int milliseconds)
{
	const char *from = request_param(asked, "from");
	const char *before_this = request_param(asked, "skipped");
	const char *params[] = { flag(asked->restricted), e->blob };
	uint64_t skipped = 0;
	PGresult *media = web_ask(sql_web_holders, 2, params);
	int row = 0, found = 0, n = PQntuples(media), here = 0;
	size_t before;

	page_section(&page, "others", text(MSG_OTHERS));
	if (e->size == 0) {
		frame_paragraph(&page, NULL, MSG_OTHERS_EMPTY);
		page_section_end(&page);
		return;
	}
	if (before_this && num_u64(before_this, 0, (uint64_t)n, &skipped) < 0)
		refuse(400, MSG_E400, MSG_E400_LONG);
	end = monotonic_ms() + milliseconds;
	before = page.len;
	buf_puts(&page, "<ul>\n");
	if (!from)
		here = look_here(media, e->blob, &found);
	if (here == 0)
		row = look_through(media, first_row(media, from), e->blob,
		    &found);
	buf_puts(&page, "</ul>\n");
	if (found == 0) {
		page.len = before;	/* no list of nothing */
		frame_paragraph(&page, NULL, MSG_OTHERS_NONE);
	}
	/* the first of this page had all of the time, and it was not enough */
	if (row < n && from && row == first_row(media, from)) {
		skipped++;
		row++;
	}
	if (skipped > 0)
		frame_paragraph(&page, "notice", MSG_OTHERS_SKIPPED,
		    num_grouped(skipped), e->blob);
	if (row < n) {
		frame_paragraph(&page, "notice", MSG_OTHERS_CUT,
		    num_grouped((uint64_t)row), num_grouped((uint64_t)n));
		put_further(here == 0 ? db_text(media, row, 0) : NULL,
		    skipped);
	} else if (skipped == 0) {
		frame_paragraph(&page, "soft", MSG_OTHERS_ALL,
		    num_grouped((uint64_t)n));
	}
	page_section_end(&page);
	PQclear(media);
}

void
where_page(void)
{
	const struct shown_medium *m = loaded_medium();
	const char *name;
	struct entry e;
	size_t len;

	entry_get(&e);
	if (e.type != 'f' || !e.blob)
		refuse(404, MSG_E404, MSG_E404_LONG);
	name = last_part(asked->path.data, asked->path.len, &len);
	frame_begin(&page, MSG_WHERE_KICKER, name, len);
	entry_header(m);
	frame_main(&page);
	where_section(&e, WHERE_ALONE_MS);
	frame_end(&page);
	reply_page(200, &page);
}
