#include "base/csv.h"

#include <string.h>

static void
separate(struct buf *line)
{
	if (line->len > 0 && line->data[line->len - 1] != '\n')
		buf_putc(line, ',');
}

void
csv_text(struct buf *line, const char *text, size_t len)
{
	size_t i;

	separate(line);
	buf_putc(line, '"');
	for (i = 0; text && i < len; i++) {
		if (text[i] == '"')
			buf_putc(line, '"');
		buf_putc(line, text[i]);
	}
	buf_putc(line, '"');
}

void
csv_bare(struct buf *line, const char *text)
{
	separate(line);
	buf_puts(line, text ? text : "");
}

void
csv_end(struct buf *line)
{
	buf_puts(line, "\r\n");
}
