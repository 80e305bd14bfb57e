/* A file: picture, text or bytes, what is known of it, where else it is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "catalogue/db.h"
#include "page/markup.h"
#include "page/page.h"
#include "sql/statements.h"
#include "store/blob_read.h"
#include "answer.h"
#include "entry.h"
#include "frame.h"
#include "picture.h"
#include "where.h"

/*
 * How much of a file is shown at once; up to which size a content that is due
 * is hashed before anything of it is shown.
 */
enum { TEXT_MOST = 32768, BYTES_MOST = 4096, CHECK_MOST = 16 << 20 };
enum { LINE = 16 };

static int
is_text(const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] == 0x7f || (p[i] < 0x20 && !strchr("\t\n\r\f\x1a",
		    p[i])))
			return 0;
	return 1;
}

/* Lines as they are, everything else that is not seen as an escape. */
static void
put_text(const char *p, size_t len)
{
	size_t i, from = 0;

	buf_puts(&page, "<pre class=\"view\" tabindex=\"0\">\n");
	for (i = 0; i <= len; i++) {
		if (i < len && p[i] != '\n' && p[i] != '\t' && p[i] != '\r')
			continue;
		markup_html(&page, p + from, i - from);
		if (i < len && (p[i] != '\r' || i + 1 == len ||
		    p[i + 1] != '\n'))
			buf_putc(&page, p[i] == '\r' ? '\n' : p[i]);
		from = i + 1;
	}
	buf_puts(&page, "</pre>\n");
}

static void
put_bytes(const unsigned char *p, size_t len, uint64_t at)
{
	size_t i, n;

	buf_puts(&page, "<pre class=\"view bytes\" tabindex=\"0\">\n");
	for (i = 0; i < len; i += LINE) {
		buf_printf(&page, "%08" PRIx64 " ", at + i);
		for (n = 0; n < LINE; n++)
			buf_printf(&page, i + n < len ? " %02x" : "   ",
			    i + n < len ? p[i + n] : 0);
		buf_puts(&page, "  ");
		for (n = 0; n < LINE && i + n < len; n++) {
			char c = (char)p[i + n];

			markup_html(&page, c > ' ' && c < 0x7f ? &c : ".", 1);
		}
		buf_putc(&page, '\n');
	}
	buf_puts(&page, "</pre>\n");
}

static void
put_view_link(enum message label, const char *as, uint64_t at)
{
	buf_puts(&page, "<a href=\"");
	request_link(&page, asked->medium, "file", asked->path.data,
	    asked->path.len);
	buf_printf(&page, "?as=%s&amp;at=%" PRIu64 "#view\">", as, at);
	put(&page, label);
	buf_puts(&page, "</a> ");
}

static void
put_view(const unsigned char *p, size_t len, uint64_t at, uint64_t size,
    int checked)
{
	const char *as = request_param(asked, "as");
	int shown_as_text = as ? !strcmp(as, "text") : is_text(p, len);
	size_t most = shown_as_text ? TEXT_MOST : BYTES_MOST;

	if (len > most)
		len = most;
	page_section(&page, "view", text(shown_as_text ? MSG_VIEW_TEXT :
	    MSG_VIEW_BYTES));
	if (len == 0) {
		frame_paragraph(&page, NULL, MSG_VIEW_EMPTY);
		page_section_end(&page);
		return;
	}
	frame_paragraph(&page, "soft", MSG_VIEW_RANGE, num_grouped(at),
	    num_grouped(at + len - 1), num_grouped(size));
	if (!checked)
		frame_paragraph(&page, "notice", MSG_VIEW_UNCHECKED);
	if (shown_as_text)
		put_text((const char *)p, len);
	else
		put_bytes(p, len, at);
	buf_puts(&page, "<p>");
	if (at + len < size)
		put_view_link(MSG_VIEW_NEXT, shown_as_text ? "text" : "bytes",
		    at + len);
	if (at > 0)
		put_view_link(MSG_VIEW_START, shown_as_text ? "text" :
		    "bytes", 0);
	put_view_link(shown_as_text ? MSG_VIEW_AS_BYTES : MSG_VIEW_AS_TEXT,
	    shown_as_text ? "bytes" : "text", at);
	buf_puts(&page, "</p>\n");
	page_section_end(&page);
}

/* 1: there is a picture, or there may be one. */
static int
put_picture(const struct entry *e)
{
	struct buf plain = BUF_INIT;
	const char *name;
	size_t len;

	name = last_part(asked->path.data, asked->path.len, &len);
	if (!picture_possible()) {
		/* others than pictures begin like this, too */
		if (picture_likely(e->mime, name, len))
			frame_paragraph(&page, "notice", MSG_PICTURES_NEED);
		return 0;
	}
	if (picture_find(e->blob, PICTURE_LARGE, NULL) == PICTURE_NONE) {
		frame_paragraph(&page, "soft", MSG_PICTURE_NONE);
		return 0;
	}
	page_section(&page, "picture", text(MSG_PICTURE));
	buf_puts(&page, "<img class=\"picture\" src=\"");
	request_link(&page, asked->medium, "image", asked->path.data,
	    asked->path.len);
	buf_puts(&page, "\" alt=\"");
	buf_escape(&plain, name, len);
	put(&page, MSG_PICTURE_OF, plain.data);
	buf_free(&plain);
	buf_puts(&page, "\">\n");
	frame_paragraph(&page, "soft", MSG_PICTURE_HELP);
	page_section_end(&page);
	return 1;
}

static void
put_failure(const char *why)
{
	page_section(&page, "view", text(MSG_VIEW_BYTES));
	frame_paragraph(&page, "notice", MSG_VIEW_FAILED, why);
	page_section_end(&page);
}

static void
put_content(const struct entry *e)
{
	static unsigned char block[TEXT_MOST], head[PICTURE_HEAD];
	const char *wanted = request_param(asked, "at");
	uint64_t at = 0, size;
	struct store store;
	int fd, err = 0, checked = e->fresh;
	ssize_t n, first;
	struct stat st;

	entry_store(&store);
	fd = store_read(&store, e->blob);
	if (fd < 0 || fstat(fd, &st) < 0) {
		put_failure(blob_why(errno == ENOENT ? BLOB_MISSING :
		    BLOB_UNREADABLE));
		return;
	}
	size = (uint64_t)st.st_size;
	if (wanted && num_u64(wanted, 0, INT64_MAX, &at) < 0)
		refuse(400, MSG_E400, MSG_E400_LONG);
	if (at > size || (at == size && at > 0))
		refuse(416, MSG_E416, MSG_E416_LONG);
	if (size != (uint64_t)e->blob_size || (!checked && size <=
	    CHECK_MOST && store_check(&store, e->blob, &err) != STORE_GOOD)) {
		put_failure(blob_why(BLOB_BAD));
		return;
	}
	checked |= size <= CHECK_MOST;
	first = pread(fd, head, sizeof head, 0);
	n = pread(fd, block, sizeof block, (off_t)at);
	if (first < 0 || n < 0) {
		put_failure(blob_why(BLOB_UNREADABLE));
		return;
	}
	/* who sees a picture does not want to read it, too */
	if (size <= PICTURE_MOST && picture_plausible(head, (size_t)first) &&
	    put_picture(e) && !request_param(asked, "as")) {
		buf_puts(&page, "<p>");
		put_view_link(MSG_VIEW_AS_BYTES, "bytes", 0);
		buf_puts(&page, "</p>\n");
		close(fd);
		return;
	}
	put_view(block, (size_t)n, at, size, checked);
	close(fd);
}

static int
append(void *arg, const void *bytes, size_t len)
{
	buf_put(arg, bytes, len);
	return 0;
}

static void
put_target(const struct entry *e)
{
	struct buf target = BUF_INIT;
	struct blob_sink sink = { .put = append, .arg = &target };
	struct store store;

	if (e->type != 'l' || !e->blob)
		return;
	entry_store(&store);
	sink.buf = xmalloc(BLOB_BLOCK);
	if (blob_read(&store, e->blob, &sink) != BLOB_GOOD)
		return;
	page_term(&page, text(MSG_POINTS_TO));
	page_name(&page, target.data ? target.data : "", target.len);
	free(sink.buf);
	buf_free(&target);
}

static void
put_mode(enum message term, uint64_t n)
{
	char number[32];

	snprintf(number, sizeof number, "%04" PRIo64, n);
	page_term(&page, text(term));
	buf_puts(&page, number);
}

static void
put_details(const struct entry *e)
{
	page_section(&page, "details", text(MSG_DETAILS));
	page_list(&page, "card");
	page_term(&page, text(MSG_TYPE));
	put(&page, type_message(e->type));
	if (e->type == 'f') {
		buf_puts(&page, ", ");
		if (e->mime)
			page_text(&page, e->mime);
		else
			put(&page, MSG_TYPE_UNKNOWN);
		page_term(&page, text(MSG_SIZE));
		buf_printf(&page, "%s (%s)", num_bytes((uint64_t)e->size),
		    num_grouped((uint64_t)e->size));
	}
	put_target(e);
	page_term(&page, text(MSG_CHANGED));
	put_time(&page, e->mtime);
	if (e->mode >= 0)
		put_mode(MSG_MODE, (uint64_t)e->mode & 07777);
	if (e->uid >= 0 && e->gid >= 0) {
		char *uid = xasprintf("%" PRId64, e->uid);
		char *gid = xasprintf("%" PRId64, e->gid);

		page_term(&page, text(MSG_OWNER));
		put(&page, MSG_OWNER_OF, uid, gid);
		free(uid);
		free(gid);
	}
	if (e->blob) {
		page_term(&page, text(MSG_CONTENT));
		buf_printf(&page, "<span class=\"id\">%s</span>", e->blob);
		page_term(&page, text(MSG_CHECKED));
		if (e->checked)
			page_text(&page, e->checked);
		else
			put(&page, MSG_CHECKED_NEVER);
	}
	page_list_end(&page);
	page_section_end(&page);
}

static void
put_lost(const struct entry *e)
{
	if (!e->damaged)
		return;
	if (e->lost)
		frame_paragraph(&page, "notice", MSG_LOST_ALL, e->lost);
	else
		frame_paragraph(&page, "notice", MSG_LOST_UNKNOWN);
}

void
file_page(void)
{
	const struct shown_medium *m = loaded_medium();
	struct buf href = BUF_INIT;
	const char *name;
	struct entry e;
	size_t len;

	entry_get(&e);
	if (e.type == 'd')
		tree_page();
	name = last_part(asked->path.data, asked->path.len, &len);
	frame_begin(&page, e.type == 'f' ? MSG_FILE_KICKER : e.type == 'l' ?
	    MSG_LINK_KICKER : MSG_ENTRY_KICKER, len ? name : m->name,
	    len ? len : strlen(m->name));
	entry_header(m);
	frame_main(&page);
	put_lost(&e);
	if (e.type == 'f' && entry_can_be_given(&e, &page)) {
		request_link(&href, asked->medium, "get", asked->path.data,
		    asked->path.len);
		frame_action(&page, href.data, MSG_DOWNLOAD);
		frame_paragraph(&page, "soft", MSG_DOWNLOAD_HELP);
		put_content(&e);
	}
	put_details(&e);
	if (e.type == 'f' && e.blob)
		where_section(&e, WHERE_ON_PAGE_MS);
	frame_end(&page);
	reply_page(200, &page);
}
