#define _GNU_SOURCE
#include "known.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/num.h"
#include "catalogue/db.h"
#include "page/page.h"
#include "sql/statements.h"

/* Columns; the first row is of all lists together. */
enum { LIST, READ_AT, KNOWN, NOT_KNOWN, NOT_COMPARED };

static uint64_t
cell(const PGresult *res, int row, int col)
{
	return (uint64_t)db_int(res, row, col);
}

static void
put_sentence(struct buf *b, const PGresult *res)
{
	uint64_t known = cell(res, 0, KNOWN);
	uint64_t doubtful = cell(res, 0, NOT_COMPARED);
	uint64_t all = known + cell(res, 0, NOT_KNOWN) + doubtful;

	buf_printf(b, "<p>%s of ", num_grouped(known));
	page_plural(b, all, "content is", "contents are");
	buf_puts(b, " known to a list of known software.");
	if (doubtful > 0) {
		buf_puts(b, " <span class=\"warn\">");
		page_plural(b, doubtful, "content was", "contents were");
		buf_puts(b, " not compared with every list</span>: it came "
		    "after the list was read, or nobody computed the digests "
		    "that the list has.");
	}
	buf_puts(b, "</p>\n");
}

void
report_known(struct buf *b, PGconn *db, const char *medium)
{
	PGresult *res = db_query_n(db, sql_report_known, 1, &medium);
	int row;

	if (!res)
		db_die("could not ask the lists of known contents");
	if (PQntuples(res) > 1) {
		page_section(b, "known", "Known contents");
		put_sentence(b, res);
		page_table(b, "By list", "List", "Read", "#Known",
		    "#Not known", "#Not compared");
		for (row = 1; row < PQntuples(res); row++) {
			page_row(b);
			page_cell(b, db_text(res, row, LIST));
			page_cell(b, db_text(res, row, READ_AT));
			page_count(b, cell(res, row, KNOWN));
			page_count(b, cell(res, row, NOT_KNOWN));
			page_count(b, cell(res, row, NOT_COMPARED));
		}
		page_table_end(b);
		page_section_end(b);
	}
	PQclear(res);
}
