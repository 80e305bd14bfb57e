#define _GNU_SOURCE
#include "collection.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "catalogue/db.h"
#include "catalogue/inventory.h"
#include "page/page.h"
#include "known.h"

enum { MATRIX = 24 };		/* rows and columns that a page can show */

static const char *
cell(const struct overlap *o, size_t medium, enum overlap_column c)
{
	return db_text(o->media, (int)medium, (int)c);
}

static void
put_name(struct buf *b, const struct overlap *o, size_t i, int links)
{
	const char *human = cell(o, i, OVERLAP_HUMAN);

	if (links)
		buf_printf(b, "<a href=\"%s.html\">", cell(o, i,
		    OVERLAP_HASH));
	buf_puts(b, "<bdi>");
	page_text(b, *human ? human : cell(o, i, OVERLAP_HASH));
	buf_puts(b, links ? "</bdi></a>" : "</bdi>");
}

static void
put_totals(struct buf *b, const struct overlap *o)
{
	struct overlap_sum files = { 0, 0 }, copied = { 0, 0 };
	uint64_t pending = 0, failed = 0;
	size_t i;

	for (i = 0; i < o->count; i++) {
		files.count += o->of[i].files.count;
		files.bytes += o->of[i].files.bytes;
		copied.bytes += o->of[i].copied.bytes;
		pending += o->of[i].pending;
		failed += o->of[i].failed;
	}
	page_list(b, "figures");
	page_term(b, "Media");
	buf_puts(b, num_grouped(o->count));
	page_term(b, "Files");
	buf_printf(b, "%s<br>%s", num_grouped(files.count),
	    num_bytes(files.bytes));
	page_term(b, "Contents");
	buf_printf(b, "%s<br>%s", num_grouped(o->contents.count),
	    num_bytes(o->contents.bytes));
	page_term(b, "Bytes saved");
	buf_puts(b, num_bytes(copied.bytes - o->contents.bytes));
	if (copied.bytes > 0) {
		buf_puts(b, "<br>");
		page_share(b, copied.bytes - o->contents.bytes, copied.bytes);
	}
	page_term(b, "Pending");
	buf_puts(b, num_grouped(pending));
	page_term(b, "Failed");
	buf_puts(b, num_grouped(failed));
	page_list_end(b);
}

/* What was found of a medium and is not stored. */
static void
put_missing(struct buf *b, const struct overlap *o, size_t i)
{
	uint64_t n = (uint64_t)db_int(o->media, (int)i, OVERLAP_MISSING);

	page_cell_begin(b, 1);
	buf_printf(b, n ? "<span class=\"bad\">%s</span>" : "%s",
	    num_grouped(n));
}

/* The message, and what an inventory has of it. */
static void
put_note(struct buf *b, const struct overlap *o, size_t i)
{
	const char *message = cell(o, i, OVERLAP_MESSAGE);
	struct inventory all;
	size_t n;

	if (*message) {
		buf_puts(b, " <br>");
		page_text(b, message);
	}
	inventory_read(&all, db_text_null(o->media, (int)i,
	    OVERLAP_INVENTORY));
	for (n = 0; n < all.count; n++) {
		buf_puts(b, " <br>");
		page_text(b, all.item[n].name);
		buf_puts(b, ": ");
		page_text(b, all.item[n].value);
	}
	inventory_free(&all);
}

static void
put_medium(struct buf *b, const struct overlap *o, size_t i, int links)
{
	const struct overlap_medium *m = &o->of[i];
	const char *health = cell(o, i, OVERLAP_HEALTH);
	int loaded = db_bool(o->media, (int)i, OVERLAP_LOADED);

	page_row(b);
	page_cell_begin(b, 0);
	put_name(b, o, i, links);
	buf_printf(b, " <br><code class=\"id\">%s</code>", cell(o, i,
	    OVERLAP_HASH));
	put_note(b, o, i);
	page_cell_begin(b, 0);
	page_text(b, cell(o, i, OVERLAP_STATE));
	buf_printf(b, " <br><time>%s</time>", cell(o, i, OVERLAP_ADDED));
	page_cell_begin(b, 0);
	if (*health)
		buf_printf(b, "<span class=\"%s\">%s</span>",
		    !strcmp(health, "ok") ? "good" :
		    !strcmp(health, "incomplete") ? "warn" : "bad", health);
	if (!loaded) {
		page_cell(b, "");
		page_cell(b, "");
		page_cell(b, "");
		put_missing(b, o, i);
		page_cell(b, "");
		page_cell(b, "");
		return;
	}
	page_count(b, m->files.count);
	page_bytes(b, m->files.bytes);
	page_bytes(b, m->unique.bytes);
	put_missing(b, o, i);
	page_cell_begin(b, 1);
	if (m->failed > 0)
		buf_printf(b, "<span class=\"bad\">%s</span>",
		    num_grouped(m->failed));
	else
		buf_puts(b, m->pending ? "pending" : "0");
	page_cell(b, cell(o, i, OVERLAP_DAMAGED));
}

static void
put_media(struct buf *b, const struct overlap *o, int links)
{
	size_t i;

	page_section(b, "media", "Media");
	page_table(b, "All media, in the order they came", "Medium",
	    "State, came", "Health", "#Files", "#Size", "#Only here",
	    "#Missing", "#Failed", "#Damaged");
	for (i = 0; i < o->count; i++)
		put_medium(b, o, i, links);
	page_table_end(b);
	page_section_end(b);
}

/* Media that hold nothing of their own. */
static void
put_contained(struct buf *b, const struct overlap *o, int links)
{
	size_t i, count = 0;

	for (i = 0; i < o->count; i++) {
		if (o->of[i].contents.count == 0 ||
		    o->of[i].unique.count > 0)
			continue;
		buf_puts(b, count++ ? ", " : "<p>Everything that was copied "
		    "from these media is also on others: ");
		put_name(b, o, i, links);
	}
	if (count > 0)
		buf_puts(b, ".</p>\n");
}

/* The media that share most, most first; their number. */
static size_t
choose(const struct overlap *o, size_t *chosen)
{
	uint64_t *sums = xcalloc(o->count + 1, sizeof *sums);
	size_t i, k, n = 0;

	for (i = 0; i < o->count; i++) {
		for (k = 0; k < o->count; k++)
			sums[i] += overlap_of(o, i, k)->bytes;
		if (sums[i] == 0)
			continue;
		for (k = n < MATRIX ? n++ : MATRIX; k > 0 &&
		    sums[chosen[k - 1]] < sums[i]; k--)
			if (k < MATRIX)
				chosen[k] = chosen[k - 1];
		if (k < MATRIX)
			chosen[k] = i;
	}
	free(sums);
	return n;
}

static void
put_matrix_row(struct buf *b, const struct overlap *o, const size_t *chosen,
    size_t n, size_t row, int links)
{
	const struct overlap_medium *m = &o->of[chosen[row]];
	size_t k;

	buf_printf(b, "\n<tr><th scope=\"row\">%zu ", row + 1);
	put_name(b, o, chosen[row], links);
	buf_puts(b, "</th>");
	for (k = 0; k < n; k++) {
		const struct overlap_sum *s = overlap_of(o, chosen[row],
		    chosen[k]);
		/* in percent, only all of it is 100 */
		unsigned int share = m->contents.bytes ? (unsigned int)
		    ((__uint128_t)s->bytes * 100 / m->contents.bytes) : 0;

		if (k == row)
			buf_puts(b, "<td class=\"n self\">–</td>");
		else if (s->count == 0)
			buf_puts(b, "<td class=\"n\"></td>");
		else
			buf_printf(b, "<td class=\"n s%u\" title=\"%s, %s\">"
			    "%s%u</td>", share / 25, num_grouped(s->count),
			    num_bytes(s->bytes), share ? "" : "&lt;",
			    share ? share : 1);
	}
	buf_puts(b, "</tr>");
}

static void
put_overlap(struct buf *b, const struct overlap *o, int links)
{
	size_t chosen[MATRIX], n = choose(o, chosen), i;

	if (n == 0)
		return;
	page_section(b, "overlap", "Overlap");
	put_contained(b, o, links);
	buf_puts(b, "<p>How much of the medium of a row, in per cent of its "
	    "bytes, is also on the medium of a column; 100 is all of it.");
	if (n == MATRIX)
		buf_printf(b, " Of %zu media, these are the %d that share "
		    "most.", o->count, MATRIX);
	buf_puts(b, "</p>\n<div class=\"scroll\" role=\"region\" "
	    "tabindex=\"0\" aria-label=\"Overlap of media\">\n<table "
	    "class=\"matrix\">\n<caption>Per cent of the row that is also on "
	    "the column</caption>\n<thead><tr><th scope=\"col\">Medium</th>");
	for (i = 0; i < n; i++) {
		buf_puts(b, "<th scope=\"col\" class=\"n\"><abbr title=\"");
		page_text(b, cell(o, chosen[i], OVERLAP_HASH));
		buf_printf(b, "\">%zu</abbr></th>", i + 1);
	}
	buf_puts(b, "</tr></thead>\n<tbody>");
	for (i = 0; i < n; i++)
		put_matrix_row(b, o, chosen, n, i, links);
	buf_puts(b, "</tbody>\n</table>\n</div>\n");
	page_section_end(b);
}

void
report_collection(struct buf *b, PGconn *db, const struct overlap *o,
    const struct copies *c, const char *when, int links)
{
	static const char title[] = "The collection";

	page_begin(b, "No Two Things", title, sizeof title - 1);
	put_totals(b, o);
	page_main(b);
	copies_section(b, c);
	if (o->count > 0)
		put_media(b, o, links);
	else
		buf_puts(b, "<p>There are no media yet.</p>\n");
	put_overlap(b, o, links);
	report_known(b, db, NULL);
	page_end(b, when);
}
