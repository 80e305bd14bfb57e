#define _GNU_SOURCE
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "catalogue/account.h"
#include "catalogue/db.h"
#include "page/page.h"
#include "sql/statements.h"

/* Rows of a list; what is more is counted. */
enum { SHOWN = 200 };

static uint64_t
cell(const PGresult *res, int row, int col)
{
	return (uint64_t)db_int(res, row, col);
}

/* Failures. */

static const struct {
	const char *name, *words, *next;
} classes[] = {
	{ "path_error", "The file was not where the list has it: it is gone, "
	    "or something of another kind has its name.",
	    "See that the source is the one that was listed, and in its "
	    "place. Then let these be tried again:" },
	{ "io_error", "The medium or its image could not be read there. What "
	    "a drive cannot read, another drive, or the same when it is cold, "
	    "sometimes can.",
	    "Try to rescue more of the medium first. Then let these be tried "
	    "again:" },
	{ "permission_error", "The copier was not allowed to read the file.",
	    "Give it the right to, or run it as root. Then let these be tried "
	    "again:" },
	{ "hash_error", "What was read could not be stored under its own "
	    "checksum: it changed while it was read, or the store holds "
	    "something else in its place.",
	    "Prove the store first (ntt-verify). Then let these be tried "
	    "again:" },
	{ "unknown", "The reason fits no class; the last error is in the "
	    "table.", "When the reason is gone, let these be tried again:" },
};

static void
put_class(struct report *r, const char *class, int retryable)
{
	struct buf *b = r->out;
	size_t i, n = sizeof classes / sizeof classes[0];
	char *command;

	for (i = 0; i < n - 1 && strcmp(classes[i].name, class); i++)
		;
	buf_printf(b, "<p>%s</p>\n", classes[i].words);
	if (!retryable)
		return;
	buf_printf(b, "<p>%s</p>\n", classes[i].next);
	command = xasprintf("ntt-recover-failed reset-failures -m %s \\\n"
	    "      --error-type %s --execute\n$ ntt-copy-workers --wait -m %s",
	    r->medium, classes[i].name, r->medium);
	page_command(b, command);
	free(command);
}

/* Rows from *row on that are of this class and status. */
static void
put_samples(struct report *r, PGresult *res, int *row,
    const struct facts_state *s)
{
	struct buf *b = r->out;
	int any = 0;

	for (; *row < PQntuples(res) && !strcmp(db_text(res, *row, 0),
	    s->error) && !strcmp(db_text(res, *row, 1), s->status); ++*row) {
		if (!any++)
			page_table(b, "Some of them", "File", "#Size",
			    "#Attempts", "Last error");
		page_row(b);
		page_cell_begin(b, 0);
		report_path(b, res, *row, 2);
		page_bytes(b, cell(res, *row, 3));
		page_count(b, cell(res, *row, 4));
		page_cell(b, db_text(res, *row, 5));
	}
	if (any)
		page_table_end(b);
}

static int
by_class(const void *a, const void *b)
{
	const struct facts_state *const *x = a, *const *y = b;
	int order = strcmp((*x)->error, (*y)->error);

	return order ? order : strcmp((*x)->status, (*y)->status);
}

static void
put_failures(struct report *r, const struct facts_state *const *failed,
    size_t count)
{
	PGresult *res = report_query(r, sql_report_failures);
	struct buf *b = r->out;
	int row = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		const struct facts_state *s = failed[i];
		int retryable = !strcmp(s->status, "failed_retryable");

		buf_puts(b, "<h3>");
		page_plural(b, s->sum.count, "file", "files");
		buf_puts(b, ", ");
		page_text(b, s->error);
		buf_printf(b, "%s</h3>\n", retryable ? "" : ", given up");
		put_class(r, s->error, retryable);
		put_samples(r, res, &row, s);
	}
	PQclear(res);
}

void
report_failures(struct report *r)
{
	const struct facts_state **failed;
	struct buf *b = r->out;
	size_t i, count = 0;

	if (!r->loaded)
		return;
	failed = xcalloc(r->facts.state_count + 1, sizeof *failed);
	for (i = 0; i < r->facts.state_count; i++)
		if (!strncmp(r->facts.states[i].status, "failed", 6) &&
		    r->facts.states[i].error)
			failed[count++] = &r->facts.states[i];
	if (count > 0) {
		qsort(failed, count, sizeof *failed, by_class);
		page_section(b, "failures", "Failures");
		put_failures(r, failed, count);
		page_section_end(b);
	}
	free(failed);
}

/* Damage. */

static void
put_damaged(struct report *r, PGresult *res)
{
	struct buf *b = r->out;
	int row;

	page_table(b, "Files over areas that could not be rescued", "File",
	    "#Size", "#Missing", "Bytes of the file");
	for (row = 0; row < PQntuples(res); row++) {
		page_row(b);
		page_cell_begin(b, 0);
		report_path(b, res, row, 0);
		page_bytes(b, cell(res, row, 1));
		if (db_bool(res, row, 2)) {
			page_bytes(b, cell(res, row, 3));
			page_cell_begin(b, 0);
			buf_puts(b, "<span class=\"ranges\">");
			page_text(b, db_text(res, row, 4));
			buf_puts(b, "</span>");
			if (cell(res, row, 5) > SHOWN)
				buf_puts(b, " …");
		} else {
			page_cell(b, "unknown");
			page_cell(b, "the file system does not say where its "
			    "bytes are");
		}
	}
	page_table_end(b);
}

void
report_damage(struct report *r)
{
	struct buf *b = r->out;
	uint64_t all;
	PGresult *res;

	if (!r->loaded)
		return;
	res = report_query(r, sql_report_damage);
	if (PQntuples(res) > 0) {
		all = cell(res, 0, 6);
		page_section(b, "damage", "Damaged files");
		buf_puts(b, "<p>");
		page_plural(b, all, "file lies", "files lie");
		buf_puts(b, " over areas of the medium that could not be "
		    "read. They were copied with zeros there.");
		if (all > SHOWN)
			buf_printf(b, " The first %d:", SHOWN);
		buf_puts(b, "</p>\n");
		put_damaged(r, res);
		if (all > SHOWN) {
			char *command = xasprintf("ntt-recover-failed "
			    "list-damaged -m %s", r->medium);

			page_command(b, command);
			free(command);
		}
		page_section_end(b);
	}
	PQclear(res);
}

/* What was found or met and is not stored. */

static void
put_omission(struct report *r, PGresult *res, int row)
{
	enum { KIND, PARTITION, PATH, ERRNO, BYTES, DETAIL, SETTLED, BY,
		REASON };
	struct buf *b = r->out, words = BUF_INIT;

	account_clause(&words, db_text(res, row, KIND), 1);
	page_row(b);
	page_cell_begin(b, 0);
	if (!PQgetisnull(res, row, PATH))
		report_path(b, res, row, PATH);
	else if (!PQgetisnull(res, row, PARTITION))
		buf_printf(b, "all of p%s", db_text(res, row, PARTITION));
	else
		buf_puts(b, "the medium");
	/* "1 directory could not be read" is of one here */
	page_cell(b, words.data + strcspn(words.data, " ") + 1);
	buf_reset(&words);
	buf_puts(&words, db_text(res, row, DETAIL));
	if (!PQgetisnull(res, row, ERRNO))
		buf_printf(&words, "%s%s", words.len ? ": " : "",
		    strerror((int)db_int(res, row, ERRNO)));
	page_cell(b, words.data ? words.data : "");
	if (PQgetisnull(res, row, BYTES))
		page_cell(b, "");
	else
		page_bytes(b, cell(res, row, BYTES));
	buf_reset(&words);
	if (!PQgetisnull(res, row, SETTLED))
		buf_printf(&words, "%s by %s%s%s", db_text(res, row, REASON)[0] ?
		    "accepted" : "settled", db_text(res, row, BY),
		    db_text(res, row, REASON)[0] ? ": " : "",
		    db_text(res, row, REASON));
	page_cell(b, words.len ? words.data : "open");
	buf_free(&words);
}

void
report_omissions(struct report *r)
{
	struct buf *b = r->out;
	PGresult *res = report_query(r, sql_report_omissions);
	uint64_t all = PQntuples(res) ? cell(res, 0, 9) : 0;
	char *command;
	int row;

	if (all > 0) {
		page_section(b, "missing", "What is missing");
		buf_puts(b, "<p>This was found on the medium, or should be "
		    "there, and is not in the store.");
		if (all > SHOWN)
			buf_printf(b, " The first %d of %s:", SHOWN,
			    num_grouped(all));
		buf_puts(b, "</p>\n");
		page_table(b, "Missing", "Where", "What", "Why", "#Bytes",
		    "Settled");
		for (row = 0; row < PQntuples(res); row++)
			put_omission(r, res, row);
		page_table_end(b);
		if (all > SHOWN) {
			command = xasprintf("ntt-recover-failed "
			    "list-omissions --all -m %s", r->medium);
			page_command(b, command);
			free(command);
		}
		page_section_end(b);
	}
	PQclear(res);
}

/* Remarks and exclusions. */

void
report_remarks(struct report *r)
{
	struct buf *b = r->out;
	PGresult *res = report_query(r, sql_report_problems);
	int row;

	if (PQntuples(res) > 0) {
		page_section(b, "remarks", "Remarks");
		page_table(b, "What programs found strange about this medium",
		    "Remark", "Value");
		for (row = 0; row < PQntuples(res); row++) {
			page_row(b);
			page_cell(b, db_text(res, row, 0));
			page_cell(b, db_text(res, row, 1));
		}
		page_table_end(b);
		page_section_end(b);
	}
	PQclear(res);
}

void
report_exclusions(struct report *r)
{
	struct buf *b = r->out;
	PGresult *res;
	int row;

	if (!r->loaded)
		return;
	res = report_query(r, sql_report_excluded);
	if (PQntuples(res) > 0) {
		page_section(b, "exclusions", "Exclusions");
		buf_puts(b, "<p>Paths that were left out on purpose. They are "
		    "in the catalogue and were not copied.</p>\n");
		page_table(b, "By pattern", "Pattern", "#Paths");
		for (row = 0; row < PQntuples(res); row++) {
			page_row(b);
			page_cell_begin(b, 0);
			page_name(b, db_text(res, row, 0),
			    strlen(db_text(res, row, 0)));
			page_count(b, cell(res, row, 1));
		}
		page_table_end(b);
		if (cell(res, 0, 2) > 50)
			buf_printf(b, "<p>And %s other patterns.</p>\n",
			    num_grouped(cell(res, 0, 2) - 50));
		page_section_end(b);
	}
	PQclear(res);
}
