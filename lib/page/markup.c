#define _GNU_SOURCE
#include "page/markup.h"

#include <string.h>

/* A character whose encoding is n valid bytes. */
static uint32_t
code_point(const unsigned char *p, size_t n)
{
	static const unsigned char mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = p[0] & mask[n];
	size_t i;

	for (i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

/* Controls, marks of direction, and what is drawn as nothing. */
static int
is_hidden(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0x00, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad },
		{ 0x61c, 0x61c }, { 0x115f, 0x1160 }, { 0x180e, 0x180e },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
		{ 0x3164, 0x3164 }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0xe0000, 0xe0fff }
	};
	size_t i;

	for (i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return 1;
	return (c & 0xfffe) == 0xfffe;
}

static void
put_escape(struct buf *b, uint32_t c, int is_byte)
{
	static const char from[] = "\a\b\t\n\v\f\r", to[] = "abtnvfr";
	const char *special = c && c < 0x80 ? strchr(from, (int)c) : NULL;

	if (special)
		buf_printf(b, "\\%c", to[special - from]);
	else if (is_byte || c < 0x80)
		buf_printf(b, "\\x%02x", c);
	else
		buf_printf(b, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

static void
put_character(struct buf *b, const unsigned char *p, size_t n)
{
	switch (*p) {
	case '&':
		buf_puts(b, "&amp;");
		break;
	case '<':
		buf_puts(b, "&lt;");
		break;
	case '>':
		buf_puts(b, "&gt;");
		break;
	case '"':
		buf_puts(b, "&quot;");
		break;
	case '\'':
		buf_puts(b, "&#39;");
		break;
	default:
		buf_put(b, p, n);
	}
}

static void
put(struct buf *b, const unsigned char *p, size_t len, int plain)
{
	size_t i, n;

	buf_reserve(b, len);
	for (i = 0; i < len; i += n) {
		uint32_t c = p[i];

		n = utf8_char(p + i, len - i);
		if (n > 0)
			c = code_point(p + i, n);
		if (n > 0 && !is_hidden(c)) {
			if (plain && c == '\\')
				buf_putc(b, '\\');
			put_character(b, p + i, n);
			continue;
		}
		if (!plain)
			buf_puts(b, "<span class=\"esc\">");
		put_escape(b, c, n == 0);
		if (!plain)
			buf_puts(b, "</span>");
		n += n == 0;
	}
}

void
markup_html(struct buf *b, const void *bytes, size_t len)
{
	put(b, bytes, len, 0);
}

void
markup_plain(struct buf *b, const void *bytes, size_t len)
{
	put(b, bytes, len, 1);
}

/* XML 1.0, production [2]; surrogates are no UTF-8. */
static int
is_xml(const unsigned char *p, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		uint32_t c;

		n = utf8_char(p + i, len - i);
		if (n == 0)
			return 0;
		c = code_point(p + i, n);
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
		    c == 0xfffe || c == 0xffff)
			return 0;
	}
	return 1;
}

int
markup_xml(struct buf *b, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t i, n;

	if (!is_xml(p, len))
		return 0;
	buf_reserve(b, len);
	for (i = 0; i < len; i += n) {
		n = utf8_char(p + i, len - i);
		if (p[i] < 0x20)
			buf_printf(b, "&#%u;", p[i]);
		else if (utf8_misleads(p + i, n))
			buf_printf(b, "&#%u;", utf8_misleads(p + i, n));
		else
			put_character(b, p + i, n);
	}
	return 1;
}
