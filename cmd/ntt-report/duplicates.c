#define _GNU_SOURCE
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "catalogue/db.h"
#include "page/page.h"
#include "sql/statements.h"

enum { MEDIA_SHOWN = 40 };

/* What a medium has in common with others, however that was found. */
struct shared {
	struct overlap_sum contents, elsewhere, files;
	struct shared_medium {
		const char *hash, *human;
		struct overlap_sum sum;
	} *media;			/* those with most bytes first */
	size_t count;
	PGresult *res;			/* owns the strings, or NULL */
};

static struct overlap_sum
sum_at(const PGresult *res, int row, int col)
{
	return (struct overlap_sum){ (uint64_t)db_int(res, row, col),
		(uint64_t)db_int(res, row, col + 1) };
}

/*
 * One pass over all media: the server keeps the contents of this one at hand
 * and looks up the others' in it.  Empty files tell nothing.
 */
static void
query_shared(const struct report *r, struct shared *s)
{
	PGresult *res = report_query(r, sql_report_shared);
	int row;

	s->res = res;
	s->contents = sum_at(res, 0, 2);
	s->elsewhere = sum_at(res, 0, 4);
	s->files = sum_at(res, 0, 6);
	s->media = xcalloc((size_t)PQntuples(res), sizeof *s->media);
	for (row = 1; row < PQntuples(res); row++)
		s->media[s->count++] = (struct shared_medium){
		    db_text(res, row, 0), db_text(res, row, 1),
		    sum_at(res, row, 2) };
}

static int
by_bytes(const void *a, const void *b)
{
	const struct shared_medium *x = a, *y = b;

	if (x->sum.bytes != y->sum.bytes)
		return x->sum.bytes < y->sum.bytes ? 1 : -1;
	return strcmp(x->hash, y->hash);
}

/* All media were compared already. */
static void
look_up_shared(const struct report *r, struct shared *s)
{
	const struct overlap *o = r->overlap;
	size_t me = overlap_index(o, r->medium), i;
	const struct overlap_medium *mine = &o->of[me];

	s->contents = mine->contents;
	s->files = mine->copied;
	s->elsewhere.count = mine->contents.count - mine->unique.count;
	s->elsewhere.bytes = mine->contents.bytes - mine->unique.bytes;
	s->media = xcalloc(o->count + 1, sizeof *s->media);
	for (i = 0; i < o->count; i++)
		if (overlap_of(o, me, i)->count > 0)
			s->media[s->count++] = (struct shared_medium){
			    db_text(o->media, (int)i, OVERLAP_HASH),
			    db_text(o->media, (int)i, OVERLAP_HUMAN),
			    *overlap_of(o, me, i) };
	qsort(s->media, s->count, sizeof *s->media, by_bytes);
}

static void
put_shared(struct report *r, const struct shared *s)
{
	struct buf *b = r->out;
	size_t i;

	page_table(b, "Media that hold some of the same contents", "Medium",
	    "Name", "#Contents", "#Size", "#Share of these");
	for (i = 0; i < s->count && i < MEDIA_SHOWN; i++) {
		const struct shared_medium *m = &s->media[i];

		page_row(b);
		page_cell_begin(b, 0);
		if (r->index)
			buf_printf(b, "<a href=\"%s.html\"><code>%.8s</code>"
			    "</a>", m->hash, m->hash);
		else
			buf_printf(b, "<code>%s</code>", m->hash);
		page_cell(b, m->human);
		page_count(b, m->sum.count);
		page_bytes(b, m->sum.bytes);
		page_cell_begin(b, 1);
		if (m->sum.count == s->contents.count)
			buf_puts(b, "all");
		else
			page_share(b, m->sum.bytes, s->contents.bytes);
	}
	page_table_end(b);
	if (s->count > MEDIA_SHOWN)
		buf_printf(b, "<p>And %zu others.</p>\n", s->count -
		    MEDIA_SHOWN);
}

static uint64_t
not_copied(const struct report *r)
{
	return facts_of(&r->facts, "f", "failed_retryable").count +
	    facts_of(&r->facts, "f", "failed_permanent").count +
	    facts_of(&r->facts, "f", "pending").count;
}

static void
put_contained(struct report *r, const struct shared *s)
{
	const struct shared_medium *in = NULL;
	struct buf *b = r->out;
	size_t i, count = 0;

	for (i = 0; i < s->count; i++)
		if (s->media[i].sum.count == s->contents.count) {
			in = &s->media[i];
			count++;
		}
	if (!in)
		return;
	buf_puts(b, "<p><strong>Everything that was copied from this medium is "
	    "also on ");
	if (count > 1) {
		buf_printf(b, "each of %zu other media</strong>", count);
	} else {
		buf_puts(b, "<bdi>");
		page_text(b, *in->human ? in->human : in->hash);
		buf_printf(b, "</bdi></strong> (<code>%s</code>)", in->hash);
	}
	if (not_copied(r) > 0) {
		buf_puts(b, ", but ");
		page_plural(b, not_copied(r), "file was", "files were");
		buf_puts(b, " not copied");
	}
	buf_puts(b, ".</p>\n");
}

static void
put_figure(struct buf *b, const char *term, uint64_t count, uint64_t bytes)
{
	page_term(b, term);
	buf_printf(b, "%s<br>%s", num_grouped(count), num_bytes(bytes));
}

void
report_duplicates(struct report *r)
{
	struct shared s = { 0 };
	struct buf *b = r->out;

	if (!r->loaded || facts_of(&r->facts, "f", "success").count == 0)
		return;
	if (r->overlap)
		look_up_shared(r, &s);
	else
		query_shared(r, &s);
	page_section(b, "duplicates", "Duplicates");
	page_list(b, "figures");
	put_figure(b, "Different contents", s.contents.count,
	    s.contents.bytes);
	put_figure(b, "Only on this medium", s.contents.count -
	    s.elsewhere.count, s.contents.bytes - s.elsewhere.bytes);
	put_figure(b, "Also on other media", s.elsewhere.count,
	    s.elsewhere.bytes);
	put_figure(b, "Again on this medium", s.files.count -
	    s.contents.count, s.files.bytes - s.contents.bytes);
	page_list_end(b);
	buf_puts(b, "<p class=\"soft\">Contents are the different contents of "
	    "files that were copied; empty files do not count.</p>\n");
	if (s.count > 0 && s.contents.count > 0) {
		put_contained(r, &s);
		put_shared(r, &s);
	}
	page_section_end(b);
	free(s.media);
	PQclear(s.res);
}
