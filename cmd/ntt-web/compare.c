/* All media: what would be lost with each, and what they share. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "catalogue/db.h"
#include "page/page.h"
#include "sql/statements.h"
#include "answer.h"
#include "bars.h"
#include "compare.h"
#include "count.h"
#include "frame.h"

enum { LOST = 40, PAIRS = 40, MATRIX = 12 };

/* The media that are shown, in the order of their hashes. */
static PGresult *named;

static void
ask_names(void)
{
	const char *shown = flag(asked->restricted);

	if (!named)
		named = web_ask(sql_web_named, 1, &shown);
}

/* NULL: it is not shown. */
static const char *
name_of(const char *medium)
{
	int low = 0, high = PQntuples(named), middle, order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = strcmp(db_text(named, middle, 0), medium);
		if (order == 0)
			return db_text(named, middle, 1);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void
put_medium(const char *medium)
{
	const char *name = name_of(medium);

	buf_printf(&page, "<a href=\"/m/%s\">", medium);
	page_name(&page, name, strlen(name));
	buf_puts(&page, "</a>");
}

/* ---- what would be lost ---- */

static int
compare_lost(const void *a, const void *b)
{
	const struct counted *x = *(const struct counted *const *)a;
	const struct counted *y = *(const struct counted *const *)b;

	if (x->only_bytes != y->only_bytes)
		return x->only_bytes > y->only_bytes ? -1 : 1;
	return strcmp(x->medium, y->medium);
}

static void
put_lost(void)
{
	const struct counted **list, *all;
	size_t n, i, count = 0;

	all = counted_all(&n);
	list = xcalloc(n + 1, sizeof *list);
	for (i = 0; i < n; i++)
		if (name_of(all[i].medium))
			list[count++] = &all[i];
	if (count > 0)
		qsort(list, count, sizeof *list, compare_lost);
	page_section(&page, "lost", text(MSG_LOST_WITH));
	frame_paragraph(&page, NULL, MSG_LOST_WITH_HELP);
	for (i = 0; i < count && i < LOST; i++) {
		if (i == 0)
			page_table(&page, text(MSG_LOST_WITH),
			    text(MSG_MEDIUM), text(MSG_N_ONLY_HERE),
			    text(MSG_N_SHARE), text(MSG_N_CONTENTS),
			    text(MSG_BAR));
		page_row(&page);
		page_cell_begin(&page, 0);
		put_medium(list[i]->medium);
		page_bytes(&page, list[i]->only_bytes);
		page_cell_begin(&page, 1);
		page_share(&page, list[i]->only_bytes, list[i]->bytes);
		page_count(&page, list[i]->contents);
		page_cell_begin(&page, 0);
		put_bar(&page, list[i]->only_bytes, list[0]->only_bytes);
	}
	if (i > 0)
		page_table_end(&page);
	if (count > LOST)
		frame_paragraph(&page, "soft", MSG_LOST_WITH_CUT,
		    num_grouped(LOST), num_grouped(count));
	page_section_end(&page);
	free(list);
}

/* ---- what is shared ---- */

static int
compare_bytes(const void *a, const void *b)
{
	const struct shared *x = *(const struct shared *const *)a;
	const struct shared *y = *(const struct shared *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return strcmp(x->medium, y->medium);
}

static uint64_t
bytes_of(const char *medium)
{
	const struct counted *c = counted(medium);

	return c ? c->bytes : 0;
}

static uint64_t
smaller(const char *a, const char *b)
{
	uint64_t x = bytes_of(a), y = bytes_of(b);

	return x < y ? x : y;
}

static uint64_t
shared_by(const char *a, const char *b)
{
	const struct shared *s;
	size_t n, i;

	s = shared_with(a, &n);
	for (i = 0; i < n; i++)
		if (!strcmp(s[i].other, b))
			return s[i].bytes;
	return 0;
}

static void
put_matrix(const char *const media[], size_t n)
{
	uint64_t bytes, whole;
	size_t a, b;

	buf_puts(&page, "<h3>");
	put(&page, MSG_MATRIX);
	buf_puts(&page, "</h3>\n");
	frame_paragraph(&page, "soft", MSG_MATRIX_HELP);
	buf_puts(&page, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
	    "aria-label=\"");
	put(&page, MSG_MATRIX);
	buf_puts(&page, "\">\n<table class=\"matrix\">\n<caption>");
	put(&page, MSG_MATRIX);
	buf_puts(&page, "</caption>\n<thead><tr><th scope=\"col\">");
	put(&page, MSG_MEDIUM);
	buf_puts(&page, "</th>");
	for (b = 0; b < n; b++)
		buf_printf(&page, "<th scope=\"col\" class=\"n\">%zu</th>",
		    b + 1);
	buf_puts(&page, "</tr></thead>\n<tbody>");
	for (a = 0; a < n; a++) {
		buf_printf(&page, "\n<tr><th scope=\"row\">%zu ", a + 1);
		put_medium(media[a]);
		buf_puts(&page, "</th>");
		for (b = 0; b < n; b++) {
			if (a == b) {
				buf_puts(&page, "<td class=\"n self\">"
				    "\342\200\223</td>");
				continue;
			}
			bytes = shared_by(media[a], media[b]);
			if (bytes == 0)
				bytes = shared_by(media[b], media[a]);
			whole = smaller(media[a], media[b]);
			buf_printf(&page, "<td class=\"n s%u\">%s</td>",
			    !bytes || !whole ? 0 : bytes >= whole ? 4 :
			    (unsigned int)((__uint128_t)bytes * 3 / whole) + 1,
			    bytes ? num_bytes(bytes) : "0");
		}
		buf_puts(&page, "</tr>");
	}
	buf_puts(&page, "</tbody>\n</table>\n</div>\n");
}

static size_t
add_once(const char *media[], size_t n, const char *medium)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(media[i], medium))
			return n;
	if (n < MATRIX)
		media[n++] = medium;
	return n;
}

static void
put_shared(void)
{
	const char *media[MATRIX];
	const struct shared **list, *all;
	size_t n, i, count = 0, in_matrix = 0;

	all = shared_with(NULL, &n);
	list = xcalloc(n + 1, sizeof *list);
	/* of the two views of a pair the one whose medium comes first, if both
	 * are there */
	for (i = 0; i < n; i++)
		if ((strcmp(all[i].medium, all[i].other) < 0 ||
		    !shared_by(all[i].other, all[i].medium)) &&
		    name_of(all[i].medium) && name_of(all[i].other))
			list[count++] = &all[i];
	if (count > 0)
		qsort(list, count, sizeof *list, compare_bytes);
	page_section(&page, "shared", text(MSG_SHARED));
	frame_paragraph(&page, NULL, MSG_SHARED_HELP,
	    num_grouped(SHARED_MEDIA));
	if (count == 0)
		frame_paragraph(&page, NULL, MSG_SHARED_NONE);
	for (i = 0; i < count && i < PAIRS; i++) {
		if (i == 0)
			page_table(&page, text(MSG_SHARED),
			    text(MSG_MEDIUM), text(MSG_OTHER_MEDIUM),
			    text(MSG_N_SHARED), text(MSG_N_CONTENTS),
			    text(MSG_BAR));
		page_row(&page);
		page_cell_begin(&page, 0);
		put_medium(list[i]->medium);
		page_cell_begin(&page, 0);
		put_medium(list[i]->other);
		page_bytes(&page, list[i]->bytes);
		page_count(&page, list[i]->contents);
		page_cell_begin(&page, 0);
		put_bar(&page, list[i]->bytes, list[0]->bytes);
		in_matrix = add_once(media, in_matrix, list[i]->medium);
		in_matrix = add_once(media, in_matrix, list[i]->other);
	}
	if (i > 0)
		page_table_end(&page);
	if (count > PAIRS)
		frame_paragraph(&page, "soft", MSG_SHARED_CUT,
		    num_grouped(PAIRS));
	if (in_matrix > 2)
		put_matrix(media, in_matrix);
	page_section_end(&page);
	free(list);
}

void
compare_page(void)
{
	ask_names();
	frame_begin(&page, MSG_COMPARE_KICKER, text(MSG_COMPARE),
	    strlen(text(MSG_COMPARE)));
	frame_main(&page);
	if (counted_when()) {
		put_lost();
		put_shared();
		frame_paragraph(&page, "soft", MSG_COUNTED_AT,
		    counted_when());
	} else {
		frame_paragraph(&page, NULL, MSG_NOT_COUNTED_YET);
	}
	frame_end(&page);
	reply_page(200, &page);
}

void
put_shared_with(const char *medium)
{
	const struct shared *s;
	size_t n, i;
	int rows = 0;

	s = shared_with(medium, &n);
	if (n == 0)
		return;
	ask_names();
	for (i = 0; i < n; i++) {
		if (!name_of(s[i].other))
			continue;
		if (rows++ == 0) {
			page_section(&page, "shared", text(MSG_SHARED_WITH));
			page_table(&page, text(MSG_SHARED_WITH),
			    text(MSG_MEDIUM), text(MSG_N_SHARED),
			    text(MSG_N_CONTENTS), text(MSG_BAR));
		}
		page_row(&page);
		page_cell_begin(&page, 0);
		put_medium(s[i].other);
		page_bytes(&page, s[i].bytes);
		page_count(&page, s[i].contents);
		page_cell_begin(&page, 0);
		put_bar(&page, s[i].bytes, s[0].bytes);
	}
	if (rows > 0) {
		page_table_end(&page);
		page_section_end(&page);
	}
}
