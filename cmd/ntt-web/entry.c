#define _GNU_SOURCE
#include "entry.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "catalogue/content.h"
#include "catalogue/db.h"
#include "catalogue/directory.h"
#include "catalogue/store_mark.h"
#include "page/page.h"
#include "sql/statements.h"
#include "frame.h"

enum column { TYPE, STATUS, BLOB, EXCLUDED, ERROR, DAMAGED, DETERMINED,
	EXTENTS, SIZE, MODE, UID, GID, MTIME, MIME, NLINK, STATE, CHECKED,
	BLOB_SIZE, FRESH };

static int64_t
or_none(PGresult *res, enum column c)
{
	return PQgetisnull(res, 0, (int)c) ? -1 : db_int(res, 0, (int)c);
}

void
entry_get(struct entry *e)
{
	struct directory_memo memo = DIRECTORY_MEMO_INIT;
	const char *bytes = asked->path.data ? asked->path.data : "";
	char dir[24], *path = db_bytea(bytes, asked->path.len);
	const char *params[] = { dir, path, config_get(CONFIG_RECHECK) };
	PGresult *res;

	snprintf(dir, sizeof dir, "%" PRId64, directory_of(&memo, bytes,
	    asked->path.len));
	res = web_ask_medium(sql_web_entry, 3, params);
	if (PQntuples(res) == 0)
		refuse(404, MSG_E404, MSG_E404_LONG);
	e->type = *db_text(res, 0, TYPE);
	e->status = db_text(res, 0, STATUS);
	e->blob = db_text_null(res, 0, BLOB);
	e->excluded = db_text_null(res, 0, EXCLUDED);
	e->error = db_text_null(res, 0, ERROR);
	e->damaged = db_bool(res, 0, DAMAGED);
	e->lost = db_bool(res, 0, DETERMINED) ?
	    db_text_null(res, 0, EXTENTS) : NULL;
	e->size = db_int(res, 0, SIZE);
	e->mode = or_none(res, MODE);
	e->uid = or_none(res, UID);
	e->gid = or_none(res, GID);
	e->mtime = db_int(res, 0, MTIME);
	e->nlink = db_int(res, 0, NLINK);
	e->mime = db_text_null(res, 0, MIME);
	e->state = db_text_null(res, 0, STATE);
	e->checked = db_text_null(res, 0, CHECKED);
	e->blob_size = or_none(res, BLOB_SIZE);
	e->fresh = db_bool(res, 0, FRESH);
	free(path);
}

void
entry_header(const struct shown_medium *m)
{
	buf_puts(&page, "<p class=\"crumbs\">");
	buf_printf(&page, "<a href=\"/m/%s\">", asked->medium);
	page_name(&page, m->name, strlen(m->name));
	buf_puts(&page, "</a>: ");
	put_crumbs(&page, asked->path.data, asked->path.len);
	buf_puts(&page, "</p>\n");
}

int
entry_can_be_given(const struct entry *e, struct buf *b)
{
	struct buf why = BUF_INIT;

	if (e->blob && (!e->state || !strcmp(e->state, "good")))
		return 1;
	if (e->blob) {
		frame_paragraph(b, "notice", !strcmp(e->state, "bad") ?
		    MSG_CONTENT_BAD : !strcmp(e->state, "missing") ?
		    MSG_CONTENT_MISSING : MSG_CONTENT_UNREADABLE);
		return 0;
	}
	content_why_not(&why, e->type, e->status, e->excluded, e->error);
	frame_paragraph(b, "notice", MSG_NOT_THERE, why.data);
	buf_free(&why);
	return 0;
}

void
entry_need(const struct entry *e)
{
	struct buf why = BUF_INIT, b = BUF_INIT;

	if (entry_can_be_given(e, &why))
		return;
	frame_begin(&b, MSG_ERROR_KICKER, text(MSG_E409),
	    strlen(text(MSG_E409)));
	frame_main(&b);
	buf_put(&b, why.data, why.len);
	frame_end(&b);
	reply_page(409, &b);
}

void
entry_store(struct store *s)
{
	if (store_open_read(s, config_get(CONFIG_BYHASH_ROOT)) < 0 ||
	    faccessat(s->root, STORE_MARK, F_OK, 0) < 0)
		refuse(503, MSG_E503_STORE, MSG_E503_STORE_LONG);
}
