/* What is in a folder of a medium. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "catalogue/db.h"
#include "catalogue/directory.h"
#include "page/page.h"
#include "sql/statements.h"
#include "answer.h"
#include "entry.h"
#include "frame.h"
#include "small.h"

enum column { PATH, TYPE, SIZE, MTIME, STATUS, EXCLUDED, DAMAGED, STATE,
	BLOB, MIME };

/*
 * Folders come first, unless there are more entries than this: for that, all of
 * them have to be read.
 */
enum { LARGE = 5000 };
static int is_large;

static void
put_remarks(PGresult *res, int row)
{
	const char *status = db_text(res, row, STATUS);

	if (db_bool(res, row, EXCLUDED) || !strcmp(status, "excluded"))
		frame_word(&page, "soft", MSG_MARK_EXCLUDED);
	else if (strcmp(status, "success") && strcmp(status, "non_file"))
		frame_word(&page, "bad", MSG_MARK_MISSING);
	if (db_bool(res, row, DAMAGED))
		frame_word(&page, "warn", MSG_MARK_DAMAGED);
	if (strcmp(db_text(res, row, STATE), "good"))
		frame_word(&page, "bad", MSG_MARK_BAD);
}

static void
put_row(PGresult *res, int row, struct buf *path)
{
	char type = *db_text(res, row, TYPE);
	const char *name;
	size_t len;

	buf_reset(path);
	if (db_bytea_value(res, row, PATH, path) < 0)
		return;
	name = last_part(path->data, path->len, &len);
	page_row(&page);
	page_cell_begin(&page, 0);
	frame_link(&page, asked->medium, type == 'd' ? "tree" : "file",
	    path->data, path->len);
	if (type == 'f' && !strcmp(db_text(res, row, STATE), "good"))
		put_small(asked->medium, path, db_text_null(res, row, BLOB),
		    db_text_null(res, row, MIME));
	page_name(&page, name, len);
	buf_puts(&page, type == 'd' ? "/</a>" : "</a>");
	page_cell_begin(&page, 0);
	put(&page, type_message(type));
	page_cell_begin(&page, 1);
	if (type == 'f')
		buf_puts(&page, num_bytes((uint64_t)db_int(res, row, SIZE)));
	page_cell_begin(&page, 0);
	put_time(&page, db_int(res, row, MTIME));
	page_cell_begin(&page, 0);
	put_remarks(res, row);
}

/* A link to this page from the entry on that the last one is. */
static void
put_next(PGresult *res, int row, struct buf *path)
{
	buf_reset(path);
	if (db_bytea_value(res, row, PATH, path) < 0)
		return;
	buf_puts(&page, "<p><a href=\"");
	request_link(&page, asked->medium, "tree", asked->path.data,
	    asked->path.len);
	if (is_large)
		buf_puts(&page, "?after=");
	else
		buf_printf(&page, "?rest=%d&amp;after=",
		    *db_text(res, row, TYPE) != 'd');
	request_encode(&page, path->data, path->len);
	buf_puts(&page, "\">");
	put(&page, MSG_NEXT);
	buf_puts(&page, "</a></p>\n");
}

static int
look_if_large(const char *hash)
{
	char most[16];
	const char *params[] = { hash, most };
	PGresult *res;
	int large;

	snprintf(most, sizeof most, "%d", LARGE);
	res = web_ask_medium(sql_web_is_large, 2, params);
	large = db_bool(res, 0, 0);
	PQclear(res);
	return large;
}

static PGresult *
list(void)
{
	const char *after = request_param(asked, "after");
	const char *rest = request_param(asked, "rest");
	char hash[24], limit[16], *prefix, *last = NULL;
	struct buf inside = BUF_INIT;
	const char *params[5] = { hash, NULL, NULL, NULL, limit };
	const char *by_name[4] = { hash, NULL, NULL, limit };
	PGresult *res;

	buf_put(&inside, asked->path.data, asked->path.len);
	if (inside.len > 0)
		buf_putc(&inside, '/');
	snprintf(hash, sizeof hash, "%" PRId64, directory_hash(
	    asked->path.data ? asked->path.data : "", asked->path.len));
	snprintf(limit, sizeof limit, "%d", PAGE_ROWS + 1);
	prefix = db_bytea(inside.data ? inside.data : "", inside.len);
	params[1] = prefix;
	if (after && rest) {
		last = db_bytea(after, strlen(after));
		params[2] = flag(*rest == '1');
		params[3] = last;
	}
	is_large = look_if_large(hash);
	if (is_large) {
		last = last ? last : after ? db_bytea(after, strlen(after)) :
		    NULL;
		by_name[1] = prefix;
		by_name[2] = last;
		res = web_ask_medium(sql_web_listing_large, 4, by_name);
	} else {
		res = web_ask_medium(sql_web_listing, 5, params);
	}
	free(prefix);
	free(last);
	buf_free(&inside);
	return res;
}

static void
put_listing(PGresult *res)
{
	struct buf path = BUF_INIT;
	int row, n = PQntuples(res);

	for (row = 0; row < n && row < PAGE_ROWS; row++) {
		if (row == 0)
			page_table(&page, text(MSG_IN_FOLDER), text(MSG_ENTRY),
			    text(MSG_TYPE), text(MSG_N_SIZE),
			    text(MSG_CHANGED), text(MSG_REMARK));
		put_row(res, row, &path);
	}
	if (row > 0)
		page_table_end(&page);
	put_small_account();
	if (n > PAGE_ROWS)
		put_next(res, PAGE_ROWS - 1, &path);
	buf_free(&path);
}

void
tree_page(void)
{
	const struct shown_medium *m = loaded_medium();
	PGresult *res = list();
	struct buf href = BUF_INIT;
	const char *name;
	size_t len;

	/* a folder that is empty must be one, a file has a page of its own */
	if (PQntuples(res) == 0 && asked->path.len > 0) {
		struct entry e;

		entry_get(&e);
		if (e.type != 'd')
			file_page();
	}
	name = last_part(asked->path.data, asked->path.len, &len);
	frame_begin(&page, MSG_TREE_KICKER, len ? name : m->name,
	    len ? len : strlen(m->name));
	entry_header(m);
	frame_main(&page);
	if (is_large)
		frame_paragraph(&page, "soft", MSG_LARGE_FOLDER,
		    num_grouped(LARGE));
	put_listing(res);
	if (PQntuples(res) == 0)
		frame_paragraph(&page, NULL, MSG_EMPTY_FOLDER);
	if (!m->complete)
		frame_paragraph(&page, "notice", MSG_IMPLIED_UNKNOWN);
	request_link(&href, asked->medium, "take", asked->path.data,
	    asked->path.len);
	frame_action(&page, href.data, len ? MSG_TAKE_FOLDER :
	    MSG_TAKE_MEDIUM);
	frame_end(&page);
	reply_page(200, &page);
}
