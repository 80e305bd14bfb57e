#define _GNU_SOURCE
#include "base/bag_name.h"

#include <string.h>

void
bag_put_in_manifest(struct buf *b, const char *path)
{
	for (; *path; path++) {
		if (*path == '\r' || *path == '\n')
			buf_printf(b, "%%%02X", (unsigned char)*path);
		else
			buf_putc(b, *path);
	}
}

static int
has(const char *path, size_t len, const char *text)
{
	return memmem(path, len, text, strlen(text)) != NULL;
}

static int
ends_in_space(const char *path, size_t len)
{
	/* U+00A0, 1680, 2000 to 200A, 202F, 205F, 3000 */
	static const char *const spaces[] = { " ", "\xc2\xa0", "\xe1\x9a\x80",
		"\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83",
		"\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87",
		"\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xaf",
		"\xe2\x81\x9f", "\xe3\x80\x80" };
	size_t i, n;

	for (i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
		n = strlen(spaces[i]);
		if (len >= n && !memcmp(path + len - n, spaces[i], n))
			return 1;
	}
	return 0;
}

int
bag_must_rename(const char *path, size_t len)
{
	enum { MOST = 2 };
	size_t i, returns = 0, feeds = 0;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)path[i];

		returns += c == '\r';
		feeds += c == '\n';
		if (c == '%' || (c < ' ' && c != '\r' && c != '\n'))
			return 1;
	}
	/* U+0085, 2028, 2029 */
	return returns > MOST || feeds > MOST || !utf8_valid(path, len) ||
	    has(path, len, "\xc2\x85") || has(path, len, "\xe2\x80\xa8") ||
	    has(path, len, "\xe2\x80\xa9") || ends_in_space(path, len);
}

void
bag_put_renamed(struct buf *b, const char *path, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)path[i];

		if (c < ' ' || c >= 0x7f || c == '%' || c == '=' ||
		    (c == ' ' && i + 1 == len))
			buf_printf(b, "=%02X", c);
		else
			buf_putc(b, (char)c);
	}
}
