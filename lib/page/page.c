#define _GNU_SOURCE
#include "page/page.h"

#include <stdarg.h>
#include <string.h>

#include "base/num.h"
#include "page/markup.h"
#include "page/style.h"

/* A table of WIDE columns and more is shown row by row on a telephone. */
enum { MOST_COLUMNS = 16, WIDE = 5 };

/* What is open on the page that is being written. */
static struct {
	const char *headings[MOST_COLUMNS];
	unsigned int columns;
	unsigned int numbers;	/* columns of the table that hold them */
	unsigned int column;	/* the next of the row */
	int row, term;
} at;

void
page_begin(struct buf *b, const char *kicker, const void *title, size_t len)
{
	buf_puts(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
	    "content=\"width=device-width, initial-scale=1\">\n"
	    /* an empty icon, or browsers ask a server for one */
	    "<link rel=\"icon\" href=\"data:,\">\n"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\""
	    "default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
	    "<meta name=\"generator\" content=\"ntt-report " NTT_VERSION
	    "\">\n<title>");
	markup_plain(b, title, len);
	buf_printf(b, " – %s</title>\n<style>\n%s</style>\n</head>\n<body>\n"
	    "<header>\n<p class=\"kicker\">%s</p>\n<h1><bdi>", kicker,
	    page_style, kicker);
	markup_html(b, title, len);
	buf_puts(b, "</bdi></h1>\n");
}

void
page_main(struct buf *b)
{
	buf_puts(b, "</header>\n<main>\n");
}

void
page_end(struct buf *b, const char *when)
{
	buf_printf(b, "</main>\n<footer>\n<p>Made by ntt-report %s from the "
	    "catalogue as it was on ", NTT_VERSION);
	page_text(b, when);
	buf_puts(b, ". Sizes are in powers of 1,000; times are UTC. "
	    "<span class=\"esc\">\\x1c</span> stands for a byte or a character "
	    "of a name that cannot be shown.</p>\n</footer>\n</body>\n"
	    "</html>\n");
}

void
page_section(struct buf *b, const char *id, const char *title)
{
	buf_printf(b, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s"
	    "</h2>\n", id, id, title);
}

void
page_section_end(struct buf *b)
{
	buf_puts(b, "</section>\n");
}

static int
is_wide(void)
{
	return at.columns >= WIDE;
}

void
(page_table)(struct buf *b, const char *caption, ...)
{
	const char *heading;
	va_list ap;
	unsigned int i;

	memset(&at, 0, sizeof at);
	va_start(ap, caption);
	while ((heading = va_arg(ap, const char *)) &&
	    at.columns < MOST_COLUMNS) {
		at.numbers |= (unsigned int)(*heading == '#') << at.columns;
		at.headings[at.columns++] = heading + (*heading == '#');
	}
	va_end(ap);
	/* what can be scrolled must be reached by the keyboard */
	buf_puts(b, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
	    "aria-label=\"");
	markup_plain(b, caption, strlen(caption));
	buf_printf(b, "\">\n<table%s>\n<caption>", is_wide() ?
	    " class=\"wide\" role=\"table\"" : "");
	markup_html(b, caption, strlen(caption));
	buf_printf(b, "</caption>\n<thead><tr%s>", is_wide() ?
	    " role=\"row\"" : "");
	for (i = 0; i < at.columns; i++)
		buf_printf(b, "<th scope=\"col\"%s%s>%s</th>", is_wide() ?
		    " role=\"columnheader\"" : "", at.numbers >> i & 1 ?
		    " class=\"n\"" : "", at.headings[i]);
	buf_puts(b, "</tr></thead>\n<tbody>");
}

/* The row that is open, if there is one, ends with its last cell. */
static void
end_row(struct buf *b)
{
	if (at.column > 0)
		buf_puts(b, at.column == 1 ? "</th>" : "</td>");
	if (at.row)
		buf_puts(b, "</tr>");
	at.row = 0;
	at.column = 0;
}

void
page_row(struct buf *b)
{
	end_row(b);
	buf_puts(b, is_wide() ? "\n<tr role=\"row\">" : "\n<tr>");
	at.row = 1;
}

void
page_cell_begin(struct buf *b, int number)
{
	const char *class = number ? " class=\"n\"" : "";

	if (at.column > 0)
		buf_puts(b, at.column == 1 ? "</th>" : "</td>");
	if (at.column == 0)
		buf_printf(b, "<th scope=\"row\"%s%s>", is_wide() ?
		    " role=\"rowheader\"" : "", class);
	else if (is_wide())
		buf_printf(b, "<td role=\"cell\" data-label=\"%s\"%s>",
		    at.headings[at.column], class);
	else
		buf_printf(b, "<td%s>", class);
	at.column++;
}

void
page_cell(struct buf *b, const char *text)
{
	page_cell_begin(b, at.numbers >> at.column & 1);
	page_text(b, text);
}

void
page_count(struct buf *b, uint64_t n)
{
	page_cell_begin(b, 1);
	buf_puts(b, num_grouped(n));
}

void
page_bytes(struct buf *b, uint64_t n)
{
	page_cell_begin(b, 1);
	buf_puts(b, num_bytes(n));
}

void
page_table_end(struct buf *b)
{
	end_row(b);
	buf_puts(b, "</tbody>\n</table>\n</div>\n");
}

void
page_list(struct buf *b, const char *class)
{
	buf_printf(b, "<dl class=\"%s\">", class);
	at.term = 0;
}

void
page_term(struct buf *b, const char *term)
{
	if (at.term)
		buf_puts(b, "</dd></div>");
	buf_puts(b, "\n<div><dt>");
	page_text(b, term);
	buf_puts(b, "</dt><dd>");
	at.term = 1;
}

void
page_list_end(struct buf *b)
{
	buf_puts(b, at.term ? "</dd></div>\n</dl>\n" : "</dl>\n");
	at.term = 0;
}

void
page_text(struct buf *b, const char *text)
{
	markup_html(b, text, strlen(text));
}

void
page_name(struct buf *b, const void *name, size_t len)
{
	buf_puts(b, "<bdi class=\"name\">");
	markup_html(b, name, len);
	buf_puts(b, "</bdi>");
}

void
page_command(struct buf *b, const char *command)
{
	const char *line = command;

	buf_puts(b, "<pre>$ ");
	for (;; line++) {
		size_t len = strcspn(line, "\n");

		markup_html(b, line, len);
		line += len;
		if (!*line)
			break;
		buf_putc(b, '\n');
	}
	buf_puts(b, "</pre>\n");
}

void
page_plural(struct buf *b, uint64_t n, const char *one, const char *many)
{
	buf_printf(b, "%s %s", num_grouped(n), n == 1 ? one : many);
}

void
page_share(struct buf *b, uint64_t part, uint64_t whole)
{
	/* tenths of a per cent, rounded down */
	unsigned int share = whole ? (unsigned int)((__uint128_t)part * 1000 /
	    whole) : 0;

	if (share == 0 && part > 0)
		buf_puts(b, "under 0.1\302\240%");
	else
		buf_printf(b, "%u.%u\302\240%%", share / 10, share % 10);
}

void
page_seconds(struct buf *b, double seconds)
{
	uint64_t minutes = (uint64_t)(seconds / 60 + 0.5);

	if (seconds < 1)
		buf_puts(b, "under a second");
	else if (seconds < 90)
		buf_printf(b, "%.0f s", seconds);
	else if (minutes < 90)
		buf_printf(b, "%u min", (unsigned int)minutes);
	else
		buf_printf(b, "%llu h %02u min", (unsigned long long)
		    (minutes / 60), (unsigned int)(minutes % 60));
}
