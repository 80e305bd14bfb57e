#define _GNU_SOURCE
#include "disposition.h"

#include <ctype.h>
#include <string.h>

#include "page/markup.h"

/* markup.h knows what has no glyph, or turns round what follows. */
static int
is_seen(const unsigned char *p, size_t n)
{
	struct buf shown = BUF_INIT;
	int seen;

	if (n == 1)
		return *p >= ' ' && *p < 0x7f && !strchr("/\\:*?\"<>|", *p);
	markup_plain(&shown, p, n);
	seen = shown.len > 0 && *shown.data != '\\';
	buf_free(&shown);
	return seen;
}

/*
 * Systems hide names that begin with a dot, and cut off a dot or a blank at the
 * end.
 */
static int
is_outside(const unsigned char *p, size_t i, size_t len)
{
	return (i == 0 && *p == '.') || (i + 1 == len && strchr(" .", *p));
}

void
disposition_put(struct buf *b, const char *name, size_t len,
    const char *ending)
{
	const unsigned char *p = (const unsigned char *)name;
	struct buf ascii = BUF_INIT, utf8 = BUF_INIT;
	size_t i, n, k;

	for (i = 0; i < len; i += n) {
		int seen;

		n = utf8_char(p + i, len - i);
		seen = n > 0 && is_seen(p + i, n) &&
		    !is_outside(p + i, i, len);
		n += n == 0;
		buf_putc(&ascii, seen && n == 1 && p[i] != '%' ? p[i] : '_');
		for (k = 0; k < (seen ? n : 1); k++) {
			unsigned char c = seen ? p[i + k] : '_';

			if (isalnum(c) || strchr("-._", c))
				buf_putc(&utf8, c);
			else
				buf_printf(&utf8, "%%%02X", c);
		}
	}
	if (len == 0) {
		buf_puts(&ascii, "medium");
		buf_puts(&utf8, "medium");
	}
	buf_printf(b, "attachment; filename=\"%s%s\"; filename*=UTF-8''%s%s",
	    ascii.data, ending, utf8.data, ending);
	buf_free(&ascii);
	buf_free(&utf8);
}
