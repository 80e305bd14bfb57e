#define _GNU_SOURCE
#include "export.h"

#include <inttypes.h>
#include <string.h>

#include "base/csv.h"

static const char *const heads[] = { "path", "type", "size", "modified",
	"mode", "uid", "gid", "status", "blake3", "md5", "sha1", "sha256", "mime",
	"lost", "excluded", "path_hex" };

static void
put_heads(struct buf *line)
{
	size_t i;

	for (i = 0; i < sizeof heads / sizeof heads[0]; i++)
		csv_bare(line, heads[i]);
	csv_end(line);
}

static void
put_number(struct buf *line, const char *format, int64_t n)
{
	char text[24] = "";

	if (n >= 0)
		snprintf(text, sizeof text, strcmp(format, "o") ? "%" PRId64 :
		    "%04" PRIo64, n);
	csv_bare(line, text);
}

/* "md5 0123… sha1 4567…" */
static void
put_digest(struct buf *line, const char *name, const char *text)
{
	const char *at = text ? strstr(text, name) : NULL;
	struct buf value = BUF_INIT;

	if (at)
		buf_put(&value, at + strlen(name) + 1,
		    strcspn(at + strlen(name) + 1, " "));
	csv_bare(line, value.len ? value.data : NULL);
	buf_free(&value);
}

static void
put_row(struct buf *line, const struct export_row *row)
{
	struct buf time = BUF_INIT, path = BUF_INIT;
	char type[2] = { row->type, '\0' };
	size_t prefix;
	int exact;

	/* spreadsheets take these for formulas, and run them */
	if (row->len && strchr("=+-@", *row->path))
		buf_puts(&path, "./");
	prefix = path.len;
	buf_escape(&path, row->path, row->len);
	exact = path.len - prefix == row->len;
	csv_text(line, path.len ? path.data : ".", path.len ? path.len : 1);
	csv_bare(line, type);
	put_number(line, "d", (int64_t)row->size);
	csv_bare(line, row->modified.known && export_time(&time,
	    row->modified.seconds, row->modified.ns) ? time.data : NULL);
	put_number(line, "o", row->mode);
	put_number(line, "d", row->uid);
	put_number(line, "d", row->gid);
	csv_bare(line, row->status);
	csv_bare(line, row->blobid);
	put_digest(line, "md5", row->digests);
	put_digest(line, "sha1", row->digests);
	put_digest(line, "sha256", row->digests);
	csv_text(line, row->mime, row->mime ? strlen(row->mime) : 0);
	csv_text(line, row->damage && !*row->damage ? "unknown" : row->damage,
	    !row->damage ? 0 : *row->damage ? strlen(row->damage) : 7);
	csv_bare(line, row->excluded ? "yes" : NULL);
	buf_reset(&path);
	if (!exact) {
		buf_reserve(&path, 2 * row->len);
		hex_encode(path.data, row->path, row->len);
		path.len = 2 * row->len;
	}
	csv_bare(line, path.len ? path.data : NULL);
	csv_end(line);
	buf_free(&time);
	buf_free(&path);
}

int
export_csv(PGconn *db, const char *medium, FILE *out)
{
	struct export_row row;
	struct buf b = BUF_INIT;
	struct export e;
	int rc = export_open(&e, db, medium, EXPORT_BY_INODE);

	put_heads(&b);
	while (rc == 0 && fwrite(b.data, 1, b.len, out) == b.len &&
	    (rc = export_next(&e, &row)) > 0) {
		buf_reset(&b);
		put_row(&b, &row);
		rc = 0;
	}
	export_close(&e);
	buf_free(&b);
	return rc < 0 ? -1 : 0;
}
