#define _GNU_SOURCE
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void
escaped(struct buf *b, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i, n;

	buf_putc(b, '"');
	for (i = 0; i < len; i += n) {
		n = utf8_char(p + i, len - i);
		if (n == 0) {
			/* the caller has no better spelling: U+FFFD */
			buf_puts(b, "\\ufffd");
			n = 1;
		} else if (p[i] == '"' || p[i] == '\\') {
			buf_putc(b, '\\');
			buf_putc(b, p[i]);
		} else if (p[i] < 0x20 || p[i] == 0x7f) {
			buf_printf(b, "\\u%04x", p[i]);
		} else if (utf8_misleads(p + i, n)) {
			buf_printf(b, "\\u%04x", utf8_misleads(p + i, n));
		} else {
			buf_put(b, p + i, n);
		}
	}
	buf_putc(b, '"');
}

static void
key_of(struct buf *b, const char *key)
{
	if (b->len > 0 && !strchr("{[:\n", b->data[b->len - 1]))
		buf_putc(b, ',');
	if (key) {
		escaped(b, key, strlen(key));
		buf_putc(b, ':');
	}
}

void
json_raw(struct buf *b, const char *key, const char *json)
{
	key_of(b, key);
	buf_puts(b, json);
}

void
json_begin_object(struct buf *b, const char *key)
{
	json_raw(b, key, "{");
}

void
json_end_object(struct buf *b)
{
	buf_putc(b, '}');
}

void
json_begin_array(struct buf *b, const char *key)
{
	json_raw(b, key, "[");
}

void
json_end_array(struct buf *b)
{
	buf_putc(b, ']');
}

void
json_text(struct buf *b, const char *key, const char *s)
{
	if (!s) {
		json_none(b, key);
		return;
	}
	key_of(b, key);
	escaped(b, s, strlen(s));
}

void
json_u64(struct buf *b, const char *key, uint64_t n)
{
	key_of(b, key);
	buf_printf(b, "%llu", (unsigned long long)n);
}

void
json_i64(struct buf *b, const char *key, int64_t n)
{
	key_of(b, key);
	buf_printf(b, "%lld", (long long)n);
}

void
json_double(struct buf *b, const char *key, double d)
{
	if (!isfinite(d)) {
		json_none(b, key);
		return;
	}
	key_of(b, key);
	buf_printf(b, "%.6g", d);
}

void
json_bool(struct buf *b, const char *key, int truth)
{
	json_raw(b, key, truth ? "true" : "false");
}

void
json_none(struct buf *b, const char *key)
{
	json_raw(b, key, "null");
}

void
json_name(struct buf *b, const char *key, const void *name, size_t len)
{
	char *hex, *hex_key;

	/* a NUL is valid UTF-8, but text ends there for many readers */
	if (utf8_valid(name, len) && !memchr(name, 0, len)) {
		key_of(b, key);
		escaped(b, name, len);
		return;
	}
	hex_key = xasprintf("%s_hex", key);
	hex = xmalloc(2 * len + 1);
	hex_encode(hex, name, len);
	json_text(b, hex_key, hex);
	free(hex);
	free(hex_key);
}
