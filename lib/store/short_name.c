#define _GNU_SOURCE
#include "store/short_name.h"

#include <stdio.h>
#include <string.h>

#include "hash/blake3.h"

void
short_name(char name[SHORT_NAME_MAX + 1], const char *full, size_t len,
    int tries)
{
	enum { DIGITS = 16, KEPT = SHORT_NAME_MAX - 1 - DIGITS };
	uint8_t hash[DIGITS / 2];
	char digits[DIGITS + 1];
	blake3_hasher h;
	size_t kept = 0, n;

	while (kept < len) {
		n = utf8_char((const unsigned char *)full + kept, len - kept);
		n = n ? n : 1;
		if (kept + n > KEPT)
			break;
		kept += n;
	}
	blake3_hasher_init(&h);
	blake3_hasher_update(&h, full, len);
	while (tries-- > 0)
		blake3_hasher_update(&h, "/", 1);
	blake3_hasher_finalize(&h, hash, sizeof hash);
	hex_encode(digits, hash, sizeof hash);
	snprintf(name, SHORT_NAME_MAX + 1, "%.*s~%s", (int)kept, full, digits);
}

const char *
short_path(const char *path, struct buf *room)
{
	char name[SHORT_NAME_MAX + 1];
	const char *p, *end;
	int changed = 0;

	buf_reset(room);
	for (p = path; ; p = end + 1) {
		end = strchrnul(p, '/');
		if ((size_t)(end - p) > SHORT_NAME_MAX) {
			/* what came before it was not copied */
			if (!changed)
				buf_put(room, path, (size_t)(p - path));
			changed = 1;
			short_name(name, p, (size_t)(end - p), 0);
			buf_puts(room, name);
		} else if (changed) {
			buf_put(room, p, (size_t)(end - p));
		}
		if (*end == '\0')
			break;
		if (changed)
			buf_putc(room, '/');
	}
	return changed ? room->data : path;
}
