#define _GNU_SOURCE
#include "export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue/db.h"
#include "page/markup.h"
#include "sql/statements.h"

#define NAMESPACE "http://www.forensicswiki.org/wiki/" \
    "Category:Digital_Forensics_XML"

/* <name>text</name>, unless it is NULL or empty. */
static void
put_text(struct buf *b, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	buf_printf(b, "<%s>", name);
	if (!markup_xml(b, text, strlen(text)))
		markup_plain(b, text, strlen(text));
	buf_printf(b, "</%s>\n", name);
}

static void
put_number(struct buf *b, const char *name, uint64_t n)
{
	buf_printf(b, "<%s>%" PRIu64 "</%s>", name, n, name);
}

/* The schema wants an order of the elements, here as everywhere. */
static int
put_head(struct buf *b, PGconn *db, const char *medium)
{
	PGresult *res = db_query(db, sql_report_dfxml_source, medium);
	char *source;

	if (!res)
		return -1;
	buf_puts(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<dfxml "
	    "xmlns=\"" NAMESPACE "\" "
	    "xmlns:dc=\"http://purl.org/dc/elements/1.1/\" "
	    "xmlns:ntt=\"urn:x-ntt:dfxml:1\" version=\"1.1.1\">\n<metadata>\n"
	    "<dc:type>Collection</dc:type>\n");
	put_text(b, "dc:identifier", medium);
	put_text(b, "dc:title", db_text(res, 0, 0));
	put_text(b, "dc:description", db_text(res, 0, 1));
	put_text(b, "ntt:model", db_text(res, 0, 2));
	put_text(b, "ntt:serial", db_text(res, 0, 3));
	put_text(b, "ntt:size", db_text(res, 0, 6));
	buf_puts(b, "</metadata>\n<creator>\n<program>ntt-report</program>\n"
	    "<version>" NTT_VERSION "</version>\n<execution_environment>\n");
	put_text(b, "start_time", db_text(res, 0, 7));
	buf_puts(b, "</execution_environment>\n</creator>\n<source>\n");
	source = db_path_value(res, 0, PQgetisnull(res, 0, 4) ? 5 : 4);
	put_text(b, "image_filename", source);
	buf_puts(b, "</source>\n");
	free(source);
	PQclear(res);
	return 0;
}

static int
put_volumes(struct buf *b, PGconn *db, const char *medium)
{
	PGresult *res = db_query(db, sql_report_dfxml_volumes, medium);
	int row;

	if (!res)
		return -1;
	for (row = 0; row < PQntuples(res); row++) {
		buf_printf(b, "<volume offset=\"%" PRId64 "\">\n",
		    db_int(res, row, 1));
		put_text(b, "partition_offset", db_text(res, row, 1));
		put_text(b, "ftype_str", db_text(res, row, 3));
		put_text(b, "ntt:number", db_text(res, row, 0));
		put_text(b, "ntt:size", db_text(res, row, 2));
		put_text(b, "ntt:label", db_text(res, row, 4));
		put_text(b, "ntt:uuid", db_text(res, row, 5));
		put_text(b, "ntt:status", db_text(res, row, 6));
		buf_puts(b, "</volume>\n");
	}
	PQclear(res);
	return 0;
}

/* 1: as it is; 0: XML cannot hold it, so its bytes must follow. */
static int
put_name(struct buf *b, const struct export_row *row)
{
	int exact;

	buf_puts(b, row->len ? "<filename>" : "<filename>.");
	exact = markup_xml(b, row->path, row->len);
	if (!exact)
		markup_plain(b, row->path, row->len);
	buf_puts(b, "</filename>");
	return exact;
}

/* What was not rescued: runs of the file that are nowhere in the image. */
static void
put_damage(struct buf *b, const char *ranges)
{
	buf_puts(b, "<byte_runs>");
	while (*ranges) {
		char *end;
		uint64_t first = strtoull(ranges, &end, 10), last;

		last = strtoull(end + 1, &end, 10);
		buf_printf(b, "<byte_run file_offset=\"%" PRIu64 "\" "
		    "len=\"%" PRIu64 "\" type=\"unrescued\"/>", first,
		    last - first + 1);
		ranges = *end ? end + 1 : end;
	}
	buf_puts(b, "</byte_runs>");
}

/* "md5 0123… sha1 4567…" */
static void
put_digests(struct buf *b, const char *text)
{
	while (text && *text) {
		size_t name = strcspn(text, " ");
		const char *value = text + name + (text[name] == ' ');
		size_t len = strcspn(value, " ");

		buf_printf(b, "<hashdigest type=\"%.*s\">%.*s</hashdigest>",
		    (int)name, text, (int)len, value);
		text = value + len + (value[len] == ' ');
	}
}

static void
put_bytes(struct buf *b, const struct export_row *row)
{
	buf_puts(b, "<ntt:filename_hex>");
	buf_reserve(b, 2 * row->len);
	hex_encode(b->data + b->len, row->path, row->len);
	b->len += 2 * row->len;
	buf_puts(b, "</ntt:filename_hex>");
}

static void
put_known(struct buf *b, const char *name, int64_t n)
{
	if (n >= 0)
		put_number(b, name, (uint64_t)n);
}

/* 1, or 0: it is not known, or the format cannot hold it. */
static int
put_time(struct buf *b, const char *name, const struct export_time *t)
{
	struct buf time = BUF_INIT;
	int put = t->known && export_time(&time, t->seconds, t->ns);

	if (put)
		buf_printf(b, "<%s>%s</%s>", name, time.data, name);
	buf_free(&time);
	return put;
}

static void
put_file(struct buf *b, const struct export_row *row, uint64_t id)
{
	int exact, dated;

	buf_puts(b, "<fileobject>");
	exact = put_name(b, row);
	if (row->error)
		buf_printf(b, "<error>%s</error>", row->error);
	if (row->partition)
		put_number(b, "partition", row->partition);
	put_number(b, "id", id);
	buf_printf(b, "<name_type>%c</name_type>", row->type == 'f' ? 'r' :
	    strchr("dlbcps", row->type) ? row->type : '-');
	put_number(b, "filesize", row->size);
	buf_puts(b, "<alloc>1</alloc>");
	put_number(b, "inode", row->ino);
	put_known(b, "mode", row->mode);
	put_number(b, "nlink", row->nlink);
	put_known(b, "uid", row->uid);
	put_known(b, "gid", row->gid);
	dated = put_time(b, "mtime", &row->modified);
	put_time(b, "ctime", &row->changed);
	put_time(b, "atime", &row->accessed);
	put_time(b, "crtime", &row->born);
	if (row->mime) {
		buf_puts(b, "<libmagic>");
		markup_plain(b, row->mime, strlen(row->mime));
		buf_puts(b, "</libmagic>");
	}
	if (row->damage && *row->damage)
		put_damage(b, row->damage);
	put_digests(b, row->digests);
	if (row->blobid)
		buf_printf(b, "<hashdigest type=\"OTHER\">%s</hashdigest>"
		    "<ntt:hash_type>BLAKE3</ntt:hash_type>", row->blobid);
	buf_printf(b, "<ntt:status>%s</ntt:status>", row->status);
	if (!exact)
		put_bytes(b, row);
	if (row->damage && !*row->damage)
		buf_puts(b, "<ntt:damage>unknown</ntt:damage>");
	if (row->excluded)
		buf_puts(b, "<ntt:excluded/>");
	if (!dated)
		buf_printf(b, "<ntt:mtime>%" PRId64 "</ntt:mtime>",
		    row->mtime);
	buf_puts(b, "</fileobject>\n");
}

int
export_dfxml(PGconn *db, const char *medium, FILE *out)
{
	struct export_row row;
	struct buf b = BUF_INIT;
	struct export e;
	uint64_t id = 0;
	int rc;

	if (put_head(&b, db, medium) < 0 || put_volumes(&b, db, medium) < 0) {
		buf_free(&b);
		return -1;
	}
	rc = export_open(&e, db, medium, EXPORT_BY_INODE);
	while (rc == 0 && (rc = export_next(&e, &row)) > 0) {
		put_file(&b, &row, ++id);
		rc = fwrite(b.data, 1, b.len, out) == b.len ? 0 : 1;
		buf_reset(&b);
	}
	export_close(&e);
	buf_puts(&b, "</dfxml>\n");
	if (rc == 0)
		fwrite(b.data, 1, b.len, out);
	buf_free(&b);
	return rc < 0 ? -1 : 0;
}
