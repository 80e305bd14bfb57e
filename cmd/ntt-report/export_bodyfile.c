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

/* As ls(1) has it, in two parts: of the name, and of the inode. */
static void
put_mode(struct buf *b, const struct export_row *row)
{
	static const char bits[] = "rwxrwxrwx";
	char c = letter(row->type), mode[10] = "---------";
	int i;

	for (i = 0; row->mode >= 0 && i < 9; i++)
		if (row->mode & 0400 >> i)
			mode[i] = bits[i];
	if (row->mode >= 0 && row->mode & 04000)
		mode[2] = row->mode & 0100 ? 's' : 'S';
	if (row->mode >= 0 && row->mode & 02000)
		mode[5] = row->mode & 0010 ? 's' : 'S';
	if (row->mode >= 0 && row->mode & 01000)
		mode[8] = row->mode & 0001 ? 't' : 'T';
	buf_printf(b, "%c/%c%s", c, c, mode);
}

static int64_t
or_zero(int64_t n)
{
	return n < 0 ? 0 : n;
}

int
export_bodyfile(PGconn *db, const char *medium, FILE *out)
{
	struct export_row row;
	struct buf b = BUF_INIT;
	struct export e;
	int rc = export_open(&e, db, medium, EXPORT_BY_INODE);

	while (rc == 0 && (rc = export_next(&e, &row)) > 0) {
		buf_reset(&b);
		buf_puts(&b, "0|");
		put_name(&b, &row);
		buf_printf(&b, "|%" PRIu64 "|", row.ino);
		put_mode(&b, &row);
		buf_printf(&b, "|%" PRId64 "|%" PRId64 "|%" PRIu64 "|%" PRId64
		    "|%" PRId64 "|%" PRId64 "|%" PRId64 "\n",
		    or_zero(row.uid), or_zero(row.gid), row.size,
		    row.accessed.seconds, row.mtime, row.changed.seconds,
		    row.born.seconds);
		rc = fwrite(b.data, 1, b.len, out) == b.len ? 0 : 1;
	}
	export_close(&e);
	buf_free(&b);
	return rc < 0 ? -1 : 0;
}
