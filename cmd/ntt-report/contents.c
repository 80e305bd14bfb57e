#define _GNU_SOURCE
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "catalogue/account.h"
#include "catalogue/db.h"
#include "page/page.h"
#include "chart.h"
#include "known.h"

/* What is where, in words: a type letter and its plural. */
static const struct {
	const char *type, *one, *many;
} kinds[] = {
	{ "f", "Files", "files" },
	{ "d", "Directories", "directories" },
	{ "l", "Symbolic links", "symbolic links" },
	{ "bcpsU?", "Devices, pipes, sockets, others", "others" },
};

static void
put_counts(struct report *r)
{
	struct buf *b = r->out;
	size_t i;

	page_table(b, "What there is, and what became of it", "Kind",
	    "#All", "#Size", "#Copied", "#Pending", "#Failed", "#Excluded");
	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		const char *type = kinds[i].type;
		struct facts_sum all = facts_of(&r->facts, type, NULL);

		if (all.count == 0 && *type != 'f')
			continue;
		page_row(b);
		page_cell(b, kinds[i].one);
		page_count(b, all.count);
		if (*type == 'f')
			page_bytes(b, all.bytes);
		else
			page_cell(b, "");
		page_count(b, facts_of(&r->facts, type, "success").count);
		page_count(b, facts_of(&r->facts, type, "pending").count);
		page_count(b, facts_of(&r->facts, type,
		    "failed_retryable").count + facts_of(&r->facts, type,
		    "failed_permanent").count);
		page_count(b, facts_of(&r->facts, type, "excluded").count);
	}
	page_table_end(b);
}

static void
put_types(struct report *r)
{
	struct buf *b = r->out;
	struct facts_sum others = r->facts.files;
	size_t i;

	buf_puts(b, "<h3>Types</h3>\n");
	page_table(b, "The largest types of files: a MIME type where it is "
	    "known, else the end of the name", "Type", "#Files", "#Size",
	    "#Share of size");
	for (i = 0; i < r->facts.type_count; i++) {
		const struct facts_type *t = &r->facts.types[i];

		page_row(b);
		page_cell(b, *t->name ? t->name : "unknown, no ending");
		page_count(b, t->sum.count);
		page_bytes(b, t->sum.bytes);
		page_cell_begin(b, 1);
		page_share(b, t->sum.bytes, r->facts.files.bytes);
		others.count -= t->sum.count;
		others.bytes -= t->sum.bytes;
	}
	if (others.count > 0) {
		char *name = xasprintf("%s others", num_grouped(
		    r->facts.all_types - r->facts.type_count));

		page_row(b);
		page_cell(b, name);
		page_count(b, others.count);
		page_bytes(b, others.bytes);
		page_cell_begin(b, 1);
		page_share(b, others.bytes, r->facts.files.bytes);
		free(name);
	}
	page_table_end(b);
}

static void
put_ages(struct report *r)
{
	struct buf *b = r->out;
	size_t i;

	buf_puts(b, "<h3>Ages</h3>\n<figure>\n");
	chart_years(b, &r->facts, atoi(report_column(r, REPORT_YEAR)));
	buf_puts(b, "<figcaption>Files by the year of their last change, as "
	    "the medium has it.</figcaption>\n</figure>\n<details>"
	    "<summary>The same as a table</summary>\n");
	page_table(b, "Files by year", "Year", "#Files", "#Size");
	/* a clock that was wrong in thousands of ways is no news */
	for (i = 0; i < r->facts.year_count && i < 200; i++) {
		char *year = xasprintf("%d", r->facts.years[i].year);

		page_row(b);
		page_cell(b, year);
		page_count(b, r->facts.years[i].sum.count);
		page_bytes(b, r->facts.years[i].sum.bytes);
		free(year);
	}
	page_table_end(b);
	buf_puts(b, "</details>\n");
}

static int
larger(const void *a, const void *b)
{
	const struct facts_directory *const *x = a, *const *y = b;

	if ((*x)->sum.bytes != (*y)->sum.bytes)
		return (*x)->sum.bytes < (*y)->sum.bytes ? 1 : -1;
	return (*x)->depth - (*y)->depth;
}

static void
put_directories(struct report *r)
{
	enum { MOST = 20 };
	const struct facts *f = &r->facts;
	const struct facts_directory **sorted = xcalloc(f->directory_count + 1,
	    sizeof *sorted);
	struct buf *b = r->out, chart = BUF_INIT;
	size_t i;

	if (chart_directories(&chart, f)) {
		buf_puts(b, "<h3>Directories</h3>\n<figure>\n");
		buf_put(b, chart.data, chart.len);
		buf_puts(b, "<figcaption>The largest directories, two levels "
		    "of them; areas are sizes.</figcaption>\n</figure>\n");
		for (i = 0; i < f->directory_count; i++)
			sorted[i] = &f->directories[i];
		qsort(sorted, f->directory_count, sizeof *sorted, larger);
		page_table(b, "The largest directories, with all below them, "
		    "down to the third level", "Directory", "#Files",
		    "#Size");
		for (i = 0; i < f->directory_count && i < MOST; i++) {
			page_row(b);
			page_cell_begin(b, 0);
			page_name(b, sorted[i]->path, sorted[i]->len);
			page_count(b, sorted[i]->sum.count);
			page_bytes(b, sorted[i]->sum.bytes);
		}
		page_table_end(b);
	}
	buf_free(&chart);
	free(sorted);
}

void
report_contents(struct report *r)
{
	struct buf *b = r->out;

	if (!r->loaded)
		return;
	page_section(b, "contents", "Contents");
	put_counts(r);
	if (r->facts.files.count > 0) {
		put_types(r);
		put_ages(r);
		put_directories(r);
	}
	page_section_end(b);
}

/* The page. */

static void
put_figure(struct report *r, const char *term, uint64_t n, int bytes)
{
	page_term(r->out, term);
	buf_puts(r->out, bytes ? num_bytes(n) : num_grouped(n));
}

static void
put_word(struct buf *b, const char *word, const char *class)
{
	buf_printf(b, "<span class=\"word %s\">", class);
	page_text(b, word);
	buf_puts(b, "</span>");
}

static void
put_words(struct report *r)
{
	const char *health = report_column(r, REPORT_HEALTH);
	const char *state = report_state(r);
	struct buf *b = r->out;

	buf_printf(b, "<p class=\"id\">%s</p>\n<p>", r->medium);
	put_word(b, state, !strcmp(state, "archived") ? "good" : "");
	if (health) {
		char *words = xasprintf("health: %s", health);

		put_word(b, words, !strcmp(health, "ok") ? "good" :
		    !strcmp(health, "incomplete") ? "warn" : "bad");
		free(words);
	}
	if (report_column(r, REPORT_SUPERSEDED))
		put_word(b, "superseded", "warn");
	buf_puts(b, "</p>\n");
}

static void
put_figures(struct report *r)
{
	struct facts_sum failed;
	struct account account;

	page_list(r->out, "figures");
	if (report_column(r, REPORT_SIZE))
		put_figure(r, "Size",
		    strtoull(report_column(r, REPORT_SIZE), NULL, 10), 1);
	if (r->map.count) {
		page_term(r->out, "Rescued");
		page_share(r->out, mapfile_bytes(&r->map, MAPFILE_RESCUED),
		    r->map.end);
	}
	if (r->loaded) {
		put_figure(r, "Files", r->facts.files.count, 0);
		put_figure(r, "In files", r->facts.files.bytes, 1);
		put_figure(r, "Pending", facts_of(&r->facts, NULL,
		    "pending").count, 0);
		if (account_read(r->db, r->medium, &account) < 0)
			db_die("could not read what is missing");
		put_figure(r, "Missing", account.omissions, 0);
		failed = facts_of(&r->facts, NULL, "failed_retryable");
		put_figure(r, "Failed", failed.count + facts_of(&r->facts,
		    NULL, "failed_permanent").count, 0);
	}
	page_list_end(r->out);
}

/* Links to the sections that the page turned out to have. */
static void
put_links(struct buf *b, const char *index, const char *sections)
{
	static const char begin[] = "<h2 id=\"";
	const char *p = sections, *id, *title;

	buf_puts(b, "<nav aria-label=\"Sections\"><ul>");
	if (index) {
		buf_puts(b, "<li><a href=\"");
		page_text(b, index);
		buf_puts(b, "\">The collection</a></li>");
	}
	while (p && (p = strstr(p, begin))) {
		id = p + sizeof begin - 1;
		title = strchr(id, '>') + 1;
		p = strchr(title, '<');
		buf_printf(b, "<li><a href=\"#%.*s\">%.*s</a></li>",
		    (int)strcspn(id, "\""), id, (int)(p - title), title);
	}
	buf_puts(b, "</ul></nav>\n");
}

static void
put_copies(struct report *r)
{
	struct copies c;

	if (!r->loaded)
		return;
	if (r->copies)
		c = copies_of(r->copies, r->medium);
	else if (copies_read(&c, r->db, r->medium) < 0)
		db_die("could not count the copies of %s", r->medium);
	copies_section(r->out, &c);
}

void
report_medium(struct report *r)
{
	const char *title = report_column(r, REPORT_TITLE);
	const char *human = title ? title : report_column(r, REPORT_HUMAN);
	struct buf *page = r->out, sections = BUF_INIT;

	if (!human || !*human)
		human = r->medium;
	r->out = &sections;
	report_identity(r);
	report_health(r);
	report_partitions(r);
	report_stages(r);
	put_copies(r);
	report_omissions(r);
	report_failures(r);
	report_damage(r);
	report_remarks(r);
	report_contents(r);
	if (r->loaded)
		report_known(r->out, r->db, r->medium);
	report_duplicates(r);
	report_exclusions(r);
	r->out = page;
	page_begin(page, "Record of a medium", human, strlen(human));
	put_words(r);
	put_figures(r);
	put_links(page, r->index, sections.data);
	page_main(page);
	buf_put(page, sections.data, sections.len);
	page_end(page, report_column(r, REPORT_NOW));
	buf_free(&sections);
}
