#define _GNU_SOURCE
#include "export.h"

#include <inttypes.h>
#include <string.h>

/*
 * mactime(1) takes %XX for bytes of a name, but its lines end at a newline
 * that comes so, too: controls and what is no UTF-8 are C escapes, bars and
 * percent signs %XX.
 */
static void
put_name(struct buf *b, const struct export_row *row)
{
	const char *p = row->path, *end = p + row->len;

	buf_putc(b, '/');
	while (p < end) {
		size_t n = 0;

		while (p + n < end && p[n] != '|' && p[n] != '%')
			n++;
		buf_escape(b, p, n);
		p += n;
		if (p < end)
			buf_printf(b, "%%%02X", (unsigned char)*p++);
	}
}

static char
letter(char type)
{
	return type == 'f' ? 'r' : strchr("dlbcp", type) ? type :
	    type == 's' ? 'h' : '-';
}

int
export_bodyfile(PGconn *db, const char *medium, FILE *out)
{
	struct export_row row;
	struct buf b = BUF_INIT;
	struct export e;
	int rc = export_open(&e, db, medium, EXPORT_BY_INODE);

	while (rc == 0 && (rc = export_next(&e, &row)) > 0) {
		char c = letter(row.type);

		buf_reset(&b);
		buf_puts(&b, "0|");
		put_name(&b, &row);
		buf_printf(&b, "|%" PRIu64 "|%c/%c---------|0|0|%" PRIu64
		    "|0|%" PRId64 "|0|0\n", row.ino, c, c, row.size,
		    row.mtime);
		rc = fwrite(b.data, 1, b.len, out) == b.len ? 0 : 1;
	}
	export_close(&e);
	buf_free(&b);
	return rc < 0 ? -1 : 0;
}
