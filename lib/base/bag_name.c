#include "base/bag_name.h"

void
bag_put_in_manifest(struct buf *b, const char *path)
{
	for (; *path; path++) {
		if (*path == '\r' || *path == '\n' || *path == '%')
			buf_printf(b, "%%%02X", (unsigned char)*path);
		else
			buf_putc(b, *path);
	}
}

void
bag_put_renamed(struct buf *b, const char *path, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)path[i];

		if (c >= 0x80 || c == '%')
			buf_printf(b, "%%%02X", c);
		else
			buf_putc(b, c);
	}
}
