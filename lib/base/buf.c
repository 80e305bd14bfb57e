#define _GNU_SOURCE
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exits.h"

void
out_of_memory(void)
{
	/* stderr has no buffer, so this needs none */
	fprintf(stderr, "%s: out of memory\n", program_invocation_short_name);
	exit(EXIT_AGAIN);
}

void *
xrealloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *
xmalloc(size_t size)
{
	return xrealloc(NULL, size);
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

char *
xstrdup(const char *s)
{
	size_t size = strlen(s) + 1;

	return memcpy(xmalloc(size), s, size);
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		out_of_memory();
	va_end(ap);
	return s;
}

void
buf_reserve(struct buf *b, size_t more)
{
	size_t need = b->len + more + 1;

	if (need <= b->size)
		return;
	if (need < b->len)
		out_of_memory();
	if (need < 2 * b->size)
		need = 2 * b->size;
	if (need < 64)
		need = 64;
	b->data = xrealloc(b->data, need);
	b->size = need;
	b->data[b->len] = '\0';
}

void
buf_put(struct buf *b, const void *bytes, size_t len)
{
	buf_reserve(b, len);
	if (len)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_puts(struct buf *b, const char *string)
{
	buf_put(b, string, strlen(string));
}

void
buf_putc(struct buf *b, int byte)
{
	char c = (char)byte;

	buf_put(b, &c, 1);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	buf_reserve(b, 80);
	n = vsnprintf(b->data + b->len, b->size - b->len, fmt, ap);
	if (n >= 0 && (size_t)n >= b->size - b->len) {
		buf_reserve(b, (size_t)n);
		n = vsnprintf(b->data + b->len, b->size - b->len, fmt, again);
	}
	va_end(again);
	if (n > 0)
		b->len += (size_t)n;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	buf_reserve(b, 0);
	b->data[0] = '\0';
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

char *
buf_detach(struct buf *b)
{
	char *data;

	buf_reserve(b, 0);
	data = b->data;
	data[b->len] = '\0';
	*b = (struct buf)BUF_INIT;
	return data;
}

size_t
utf8_char(const unsigned char *p, size_t len)
{
	size_t n, i;

	if (len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (len < n)
		return 0;
	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, beyond U+10FFFF (RFC 3629) */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

int
utf8_valid(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = utf8_char(p + i, len - i);
		if (n == 0)
			return 0;
	}
	return 1;
}

unsigned int
utf8_misleads(const unsigned char *p, size_t n)
{
	unsigned int c = n == 2 ? (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu) :
	    n == 3 ? (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 |
	    (p[2] & 0x3fu) : 0;

	return (c >= 0x80 && c < 0xa0) || c == 0x61c || c == 0x200e ||
	    c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069) ? c : 0;
}

void
buf_escape(struct buf *b, const void *bytes, size_t len)
{
	static const char from[] = "\a\b\t\n\v\f\r\"\\";
	static const char to[] = "abtnvfr\"\\";
	const unsigned char *p = bytes;
	size_t i, n;

	buf_reserve(b, len);
	for (i = 0; i < len; i += n) {
		const char *special = p[i] ? strchr(from, p[i]) : NULL;

		n = utf8_char(p + i, len - i);
		if (special) {
			buf_putc(b, '\\');
			buf_putc(b, to[special - from]);
		} else if (n == 0 || p[i] < 0x20 || p[i] == 0x7f ||
		    utf8_misleads(p + i, n)) {
			buf_printf(b, "\\x%02x", p[i]);
			n = 1;
		} else {
			buf_put(b, p + i, n);
		}
	}
}

void
buf_shell(struct buf *b, const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-";

	if (*word && word[strspn(word, safe)] == '\0') {
		buf_puts(b, word);
		return;
	}
	buf_putc(b, '\'');
	for (; *word; word++) {
		if (*word == '\'')
			buf_puts(b, "'\\''");
		else
			buf_putc(b, *word);
	}
	buf_putc(b, '\'');
}

void
hex_encode(char *hex, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		hex[2 * i] = digits[p[i] >> 4];
		hex[2 * i + 1] = digits[p[i] & 15];
	}
	hex[2 * len] = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int
hex_decode(void *bytes, const char *hex, size_t len)
{
	unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);

		if (low < 0)
			return -1;
		p[i] = (unsigned char)(high << 4 | low);
	}
	return hex[2 * len] == '\0' ? 0 : -1;
}
