/* The media, as they stand on the shelf. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "catalogue/db.h"
#include "page/markup.h"
#include "page/page.h"
#include "sql/statements.h"
#include "answer.h"
#include "count.h"
#include "frame.h"
#include "photo.h"

enum column { HASH, NAME, MESSAGE, STATE, HEALTH, SIZE, ADDED, KEY, OMITTED,
	DAMAGED };

/* The name follows. */
static void
put_photo(const char *medium)
{
	char *photo = photo_of(medium);

	if (photo)
		buf_printf(&page, "<img class=\"small\" loading=\"lazy\" "
		    "alt=\"\" src=\"/m/%s/photo?small=1\">", medium);
	free(photo);
}

static void
put_row(PGresult *res, int row)
{
	const char *health = db_text(res, row, HEALTH);
	const struct counted *c = counted(db_text(res, row, HASH));
	uint64_t missing = (uint64_t)db_int(res, row, OMITTED);
	uint64_t damaged = (uint64_t)db_int(res, row, DAMAGED);

	page_row(&page);
	page_cell_begin(&page, 0);
	buf_printf(&page, "<a href=\"/m/%s\">", db_text(res, row, HASH));
	put_photo(db_text(res, row, HASH));
	page_name(&page, db_text(res, row, NAME),
	    strlen(db_text(res, row, NAME)));
	buf_puts(&page, "</a>");
	if (*db_text(res, row, MESSAGE)) {
		buf_puts(&page, "<br><span class=\"soft\">");
		page_text(&page, db_text(res, row, MESSAGE));
		buf_puts(&page, "</span>");
	}
	page_cell_begin(&page, 0);
	put(&page, state_message(db_text(res, row, STATE)));
	page_cell_begin(&page, 0);
	put(&page, health_message(health));
	page_cell_begin(&page, 1);
	if (!PQgetisnull(res, row, SIZE))
		buf_puts(&page, num_bytes((uint64_t)db_int(res, row, SIZE)));
	page_cell_begin(&page, 1);
	if (c)
		buf_puts(&page, num_grouped(c->files));
	page_cell_begin(&page, 1);
	if (c)
		buf_puts(&page, num_bytes(c->only_bytes));
	else
		put(&page, MSG_NOT_COUNTED);
	page_cell_begin(&page, 1);
	missing += c ? c->missing : 0;
	if (missing + damaged > 0)
		buf_printf(&page, "<a href=\"/m/%s/missing\">%s</a>",
		    db_text(res, row, HASH), num_grouped(missing + damaged));
}

static void
put_next(PGresult *res, int row)
{
	buf_puts(&page, "<p><a href=\"/?after=");
	request_encode(&page, db_text(res, row, KEY),
	    strlen(db_text(res, row, KEY)));
	buf_printf(&page, "&amp;hash=%s\">", db_text(res, row, HASH));
	put(&page, MSG_NEXT);
	buf_puts(&page, "</a></p>\n");
}

void
shelf_page(void)
{
	const char *after = request_param(asked, "after");
	const char *hash = request_param(asked, "hash");
	char limit[16];
	const char *params[] = { flag(asked->restricted), after,
		hash ? hash : "", limit };
	PGresult *res;
	int row;

	snprintf(limit, sizeof limit, "%d", PAGE_ROWS + 1);
	if ((after && !utf8_valid(after, strlen(after))) ||
	    (hash && !utf8_valid(hash, strlen(hash))))
		refuse(400, MSG_E400, MSG_E400_LONG);
	res = web_ask(sql_web_shelf, 4, params);
	frame_begin(&page, MSG_SHELF_KICKER, text(MSG_SHELF_TITLE),
	    strlen(text(MSG_SHELF_TITLE)));
	frame_main(&page);
	if (PQntuples(res) > 1) {
		buf_puts(&page, "<p><a href=\"/compare\">");
		put(&page, MSG_COMPARE);
		buf_puts(&page, "</a></p>\n");
	}
	if (PQntuples(res) == 0)
		frame_paragraph(&page, NULL, MSG_NO_MEDIA);
	for (row = 0; row < PQntuples(res) && row < PAGE_ROWS; row++) {
		if (row == 0)
			page_table(&page, text(MSG_MEDIA), text(MSG_MEDIUM),
			    text(MSG_STATE), text(MSG_HEALTH),
			    text(MSG_N_SIZE), text(MSG_N_FILES),
			    text(MSG_N_ONLY_HERE), text(MSG_N_NOT_STORED));
		put_row(res, row);
	}
	if (row > 0)
		page_table_end(&page);
	if (PQntuples(res) > PAGE_ROWS)
		put_next(res, PAGE_ROWS - 1);
	if (counted_when())
		frame_paragraph(&page, "soft", MSG_COUNTED_AT,
		    counted_when());
	else
		frame_paragraph(&page, "soft", MSG_NOT_COUNTED_YET);
	frame_end(&page);
	reply_page(200, &page);
}
