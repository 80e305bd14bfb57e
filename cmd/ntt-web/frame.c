#define _GNU_SOURCE
#include "frame.h"

#include <stdarg.h>
#include <string.h>

#include "page/markup.h"
#include "page/page.h"
#include "request.h"

const char frame_style[] =
"nav.top{display:flex;flex-wrap:wrap;gap:.5rem 1.2rem;align-items:center;"
"margin:0 0 1.6rem}\n"
"nav.top form{display:flex;flex-wrap:wrap;gap:.4rem;flex:1 1 15rem;"
"align-items:center}\n"
"input,select,button{font:inherit;color:var(--ink);background:var(--paper);"
"border:1px solid var(--soft);border-radius:3px;padding:.25rem .5rem;"
"min-width:0;max-width:100%}\n"
"input[type=search]{flex:1 1 9rem}\n"
"button,a.button{background:var(--faint);border:1px solid var(--soft);"
"border-radius:3px;cursor:pointer}\n"
"a.button{display:inline-block;padding:.3rem .8rem;text-decoration:none;"
"color:var(--mark)}\n"
"input:focus-visible,select:focus-visible,button:focus-visible{outline:2px "
"solid var(--mark);outline-offset:2px}\n"
".skip{position:absolute;left:-99rem}\n"
".skip:focus{left:.5rem;top:.5rem;background:var(--paper);padding:.3rem "
".6rem}\n"
".crumbs{overflow-wrap:anywhere}\n"
".form{display:flex;flex-wrap:wrap;gap:.6rem 1rem;align-items:end;"
"margin:1rem 0}\n"
".form label{display:block;font-size:.92rem;color:var(--soft)}\n"
".form p{margin:0;flex:0 1 auto;max-width:100%}\n"
"img.picture{display:block;max-width:100%;height:auto;max-height:40rem;"
"border:1px solid var(--rule)}\n"
"svg.bar{display:block;width:100%;min-width:6rem;max-width:20rem;"
"height:.9rem;margin-top:.2rem;border-left:1px solid var(--soft)}\n"
"img.small{display:block;width:8rem;height:6rem;object-fit:contain;"
"object-position:left;margin-bottom:.2rem}\n"
".notice{border-left:3px solid var(--warn);padding:.1rem .8rem}\n"
"pre.view{max-width:none}\n"
"pre.bytes{white-space:pre;overflow-x:auto;overflow-wrap:normal}\n"
"main:focus{outline:none}\n"
"@media (max-width:34rem){.wide svg.bar{display:inline-block;"
"width:calc(100% - 8rem);vertical-align:middle;margin:0}}\n"
/* what is on a button is part of the text beside it */
"@media print{.skip,nav.top,form.form{display:none}"
"a.button{border:0;padding:0;background:none}}\n";

const char frame_icon[] =
"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\">"
"<rect x=\"1\" y=\"3\" width=\"14\" height=\"10\" rx=\"1\" fill=\"#1d4f7c\"/>"
"<circle cx=\"8\" cy=\"8\" r=\"3\" fill=\"#fcfbf8\"/></svg>\n";

void
frame_attribute(struct buf *b, const char *value)
{
	for (; *value; value++) {
		if (strchr("&<>\"'", *value) || (unsigned char)*value < ' ')
			buf_printf(b, "&#%d;", *value);
		else
			buf_putc(b, *value);
	}
}

static void
begin(struct buf *b, enum message kicker, const void *title, size_t len,
    const char *asked)
{
	buf_puts(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
	    "content=\"width=device-width, initial-scale=1\">\n"
	    "<meta name=\"referrer\" content=\"no-referrer\">\n"
	    "<link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\">\n"
	    "<link rel=\"stylesheet\" href=\"/style.css\">\n<title>");
	markup_plain(b, title, len);
	buf_puts(b, " – ");
	put(b, kicker);
	buf_puts(b, "</title>\n</head>\n<body>\n"
	    "<a class=\"skip\" href=\"#main\">");
	put(b, MSG_SKIP);
	buf_puts(b, "</a>\n<nav class=\"top\" aria-label=\"");
	put(b, MSG_NAVIGATION);
	buf_puts(b, "\">\n<a href=\"/\">");
	put(b, MSG_SHELF);
	buf_puts(b, "</a>\n<form role=\"search\" action=\"/search\" "
	    "method=\"get\"><input type=\"search\" name=\"q\" "
	    "maxlength=\"255\" aria-label=\"");
	put(b, MSG_SEARCH_LABEL);
	buf_puts(b, "\" placeholder=\"");
	put(b, MSG_SEARCH_LABEL);
	buf_puts(b, "\" value=\"");
	if (asked)
		frame_attribute(b, asked);
	buf_puts(b, "\"> <button>");
	put(b, MSG_SEARCH);
	buf_puts(b, "</button></form>\n</nav>\n<header>\n<p class=\"kicker\">");
	put(b, kicker);
	buf_puts(b, "</p>\n<h1><bdi>");
	markup_html(b, title, len);
	buf_puts(b, "</bdi></h1>\n");
}

void
frame_begin(struct buf *b, enum message kicker, const void *title, size_t len)
{
	begin(b, kicker, title, len, NULL);
}

void
frame_begin_search(struct buf *b, enum message kicker, const char *title,
    const char *asked)
{
	begin(b, kicker, title, strlen(title), asked);
}

void
frame_main(struct buf *b)
{
	buf_puts(b, "</header>\n<main id=\"main\" tabindex=\"-1\">\n");
}

void
frame_end(struct buf *b)
{
	const char *s = text(MSG_FOOT), *at = strstr(s, "{1}");

	buf_puts(b, "</main>\n<footer>\n<p>");
	if (at) {
		markup_html(b, s, (size_t)(at - s));
		buf_puts(b, "<span class=\"esc\">\\x1c</span>");
		s = at + 3;
	}
	markup_html(b, s, strlen(s));
	buf_puts(b, "</p>\n</footer>\n</body>\n</html>\n");
}

void
frame_error(struct buf *b, enum message title, enum message why)
{
	frame_begin(b, MSG_ERROR_KICKER, text(title), strlen(text(title)));
	frame_main(b);
	frame_paragraph(b, NULL, why);
	frame_end(b);
}

void
frame_link(struct buf *b, const char *medium, const char *word,
    const void *path, size_t len)
{
	buf_puts(b, "<a href=\"");
	request_link(b, medium, word, path, len);
	buf_puts(b, "\">");
}

void
frame_action(struct buf *b, const char *href, enum message label)
{
	buf_puts(b, "<p><a class=\"button\" href=\"");
	markup_plain(b, href, strlen(href));
	buf_puts(b, "\">");
	put(b, label);
	buf_puts(b, "</a></p>\n");
}

void
(frame_paragraph)(struct buf *b, const char *class, enum message m, ...)
{
	const char *values[4] = { NULL, NULL, NULL, NULL }, *value;
	va_list ap;
	int n = 0;

	va_start(ap, m);
	while (n < 4 && (value = va_arg(ap, const char *)))
		values[n++] = value;
	va_end(ap);
	if (class)
		buf_printf(b, "<p class=\"%s\">", class);
	else
		buf_puts(b, "<p>");
	put(b, m, values[0], values[1], values[2], values[3]);
	buf_puts(b, "</p>\n");
}

void
frame_word(struct buf *b, const char *class, enum message m)
{
	buf_printf(b, "<span class=\"word %s\">", class);
	put(b, m);
	buf_puts(b, "</span>");
}
