#include "format.h"

#include <string.h>

static size_t
put(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

void
stream_name(char name[STREAM_NAME], const void *units, size_t count)
{
	const unsigned char *u = units;
	size_t i, len = 0;

	for (i = 0; i < count && len + 5 < STREAM_NAME; i++) {
		uint32_t c = u[2 * i] | (uint32_t)u[2 * i + 1] << 8, low;

		low = i + 1 < count ? u[2 * i + 2] |
		    (uint32_t)u[2 * i + 3] << 8 : 0;
		if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 &&
		    low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i++;
		}
		/* no name of ours has one */
		len += put(name + len, c ? c : 0xfffd);
	}
	name[len] = '\0';
}
