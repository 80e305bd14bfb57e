#define _GNU_SOURCE
#include "chart.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "page/markup.h"
#include "treemap.h"

/*
 * In user units: narrow, so that the letters of a picture are legible where a
 * telephone shows it smaller.
 */
enum { WIDTH = 480, BARS = 120, LEFT = 4, TOP = 16, BOTTOM = 34,
	MAP_HEIGHT = 340, HEAD = 15, LETTER = 7 };

/* Years: those before OLDEST are one bar, those to come another. */
enum { OLDEST = 1970, MOST_BARS = 60 };

struct bar {
	int from, to;
	struct facts_sum sum;
};

static void
put_years(struct buf *b, const struct bar *bar, int this_year)
{
	if (bar->to < OLDEST)
		buf_printf(b, "before %d", OLDEST);
	else if (bar->from > this_year)
		buf_printf(b, "after %d", this_year);
	else if (bar->from == bar->to)
		buf_printf(b, "%d", bar->from);
	else
		buf_printf(b, "%d to %d", bar->from, bar->to);
}

/* As many bars as fit, of 1, 2, 5, … years. */
static size_t
make_bars(const struct facts *f, int this_year, struct bar *bars)
{
	int first = this_year, last = OLDEST, step, year;
	size_t count = 0, i;

	for (i = 0; i < f->year_count; i++) {
		year = f->years[i].year;
		if (year >= OLDEST && year < first)
			first = year;
		if (year <= this_year && year > last)
			last = year;
	}
	for (step = 1; (last - first) / step + 3 > MOST_BARS; step++)
		;
	bars[count++] = (struct bar){ -5000, OLDEST - 1, { 0, 0 } };
	for (year = first; year <= last; year += step)
		bars[count++] = (struct bar){ year, year + step - 1 > last ?
		    last : year + step - 1, { 0, 0 } };
	bars[count++] = (struct bar){ this_year + 1, 99999, { 0, 0 } };
	for (i = 0; i < f->year_count; i++) {
		size_t k;

		for (k = 0; k < count; k++)
			if (f->years[i].year >= bars[k].from &&
			    f->years[i].year <= bars[k].to)
				break;
		bars[k].sum.count += f->years[i].sum.count;
		bars[k].sum.bytes += f->years[i].sum.bytes;
	}
	/* the ends only where there is something */
	if (bars[count - 1].sum.count == 0)
		count--;
	if (bars[0].sum.count == 0) {
		count--;
		memmove(bars, bars + 1, count * sizeof *bars);
	}
	return count;
}

/* Is the year below this bar written? */
static int
is_labelled(const struct bar *bars, size_t count, size_t i, int this_year)
{
	if (bars[i].to < OLDEST || bars[i].from > this_year)
		return 1;
	if (count <= 10)
		return 1;
	/* not beside the words at the ends */
	if (i < 3 && bars[0].to < OLDEST)
		return 0;
	if (count - i < 4 && bars[count - 1].from > this_year)
		return 0;
	return (bars[i].from + 4) / 5 * 5 <= bars[i].to;
}

static void
put_bar(struct buf *b, const struct bar *bars, size_t count, size_t i,
    uint64_t most, int this_year)
{
	const struct bar *bar = &bars[i];
	double each = (double)(WIDTH - 2 * LEFT) / (double)count;
	double x = LEFT + each * (double)i, gap = each > 6 ? 1.5 : 0.5;
	double height = (double)bar->sum.count * BARS / (double)most;

	if (bar->sum.count > 0 && height < 1)
		height = 1;
	buf_printf(b, "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" "
	    "width=\"%.1f\" height=\"%.1f\"><title>", x + gap / 2,
	    TOP + BARS - height, each - gap, height);
	put_years(b, bar, this_year);
	buf_printf(b, ": %s files, %s</title></rect>\n",
	    num_grouped(bar->sum.count), num_bytes(bar->sum.bytes));
	if (!is_labelled(bars, count, i, this_year))
		return;
	buf_printf(b, "<text class=\"axis\" font-size=\"12\" x=\"%.1f\" "
	    "y=\"%d\" text-anchor=\"%s\">", bar->to < OLDEST ? LEFT :
	    bar->from > this_year ? WIDTH - LEFT : x + each / 2,
	    TOP + BARS + 16, bar->to < OLDEST ? "start" :
	    bar->from > this_year ? "end" : "middle");
	if (bar->to < OLDEST || bar->from > this_year)
		put_years(b, bar, this_year);
	else
		buf_printf(b, "%d", bar->from);
	buf_puts(b, "</text>\n");
}

void
chart_years(struct buf *b, const struct facts *f, int this_year)
{
	struct bar bars[MOST_BARS + 4];
	size_t count = make_bars(f, this_year, bars), i;
	uint64_t most = 1;

	for (i = 0; i < count; i++)
		if (bars[i].sum.count > most)
			most = bars[i].sum.count;
	buf_printf(b, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" "
	    "aria-labelledby=\"years-title years-desc\">\n"
	    "<title id=\"years-title\">Files by the year of their last "
	    "change</title>\n<desc id=\"years-desc\">", WIDTH,
	    TOP + BARS + BOTTOM - 10, WIDTH * 5 / 4);
	for (i = 0; i < count; i++) {
		if (bars[i].sum.count == 0)
			continue;
		put_years(b, &bars[i], this_year);
		buf_printf(b, ": %s. ", num_grouped(bars[i].sum.count));
	}
	buf_puts(b, "</desc>\n");
	buf_printf(b, "<path class=\"line\" d=\"M%d %dH%d\"/>\n<text "
	    "class=\"axis\" font-size=\"12\" x=\"%d\" y=\"%d\">%s %s</text>\n",
	    LEFT, TOP, WIDTH - LEFT, LEFT, TOP - 4, num_grouped(most),
	    most == 1 ? "file" : "files");
	for (i = 0; i < count; i++)
		put_bar(b, bars, count, i, most, this_year);
	buf_printf(b, "<path class=\"line\" d=\"M%d %dH%d\"/>\n</svg>\n", LEFT,
	    TOP + BARS, WIDTH - LEFT);
}

/* Directories. */

static int
is_below(const struct facts_directory *d, const struct facts_directory *of)
{
	if (!of)
		return d->depth == 1;
	return d->depth == of->depth + 1 && d->len > of->len &&
	    d->path[of->len] == '/' && !memcmp(d->path, of->path, of->len);
}

/* Its subdirectories of any size, largest first; their number. */
static size_t
children(const struct facts *f, const struct facts_directory *of,
    const struct facts_directory **out, size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < f->directory_count && n < max; i++)
		if (f->directories[i].sum.bytes > 0 &&
		    is_below(&f->directories[i], of))
			out[n++] = &f->directories[i];
	return n;
}

/* Where nearly everything is: the picture begins there. */
static const struct facts_directory *
common_root(const struct facts *f)
{
	const struct facts_directory *root = NULL, *only[1], *inner[1];

	while (children(f, root, only, 1) == 1 &&
	    (double)only[0]->sum.bytes > 0.97 * (double)(root ?
	    root->sum.bytes : f->files.bytes) &&
	    children(f, only[0], inner, 1) == 1)
		root = only[0];
	return root;
}

/* The end of the path, as much as width holds. */
static void
put_label(struct buf *b, const struct facts_directory *d,
    const struct treemap_rect *r, const char *class)
{
	size_t from = d->len, fits, i, n;

	while (from > 0 && d->path[from - 1] != '/')
		from--;
	fits = r->width > 8 ? (size_t)(r->width - 8) / LETTER : 0;
	if (fits < 3 || r->height < HEAD)
		return;
	/* characters, not bytes; escapes are as long as they are */
	for (i = from, n = 0; i < d->len && n < fits; n++) {
		size_t step = utf8_char((const unsigned char *)d->path + i,
		    d->len - i);

		i += step ? step : 1;
		n += step ? 0 : 3;
	}
	buf_printf(b, "<text class=\"%s\" font-size=\"12\" x=\"%.1f\" "
	    "y=\"%.1f\">", class, r->x + 4, r->y + 12);
	if (i < d->len) {
		n = i - from;
		while (n > 0 && (d->path[from + n - 1] & 0xc0) == 0x80)
			n--;
		markup_plain(b, d->path + from, n ? n - 1 : 0);
		buf_puts(b, "…");
	} else {
		markup_plain(b, d->path + from, d->len - from);
	}
	buf_puts(b, "</text>\n");
}

static void
put_directory(struct buf *b, const struct facts_directory *d,
    const struct treemap_rect *r, const char *class)
{
	buf_printf(b, "<g><title>");
	markup_plain(b, d->path, d->len);
	buf_printf(b, ": %s in %s files</title><rect class=\"%s\" x=\"%.1f\" "
	    "y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
	    num_bytes(d->sum.bytes), num_grouped(d->sum.count), class, r->x,
	    r->y, r->width, r->height);
	put_label(b, d, r, "in");
	buf_puts(b, "</g>\n");
}

static void
put_rest(struct buf *b, uint64_t bytes, const struct treemap_rect *r)
{
	buf_printf(b, "<g><title>Everything else here: %s</title>"
	    "<rect class=\"rest\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
	    "height=\"%.1f\"/>", num_bytes(bytes), r->x, r->y, r->width,
	    r->height);
	if (r->width > 8 * LETTER && r->height > HEAD)
		buf_printf(b, "<text class=\"axis\" font-size=\"12\" "
		    "x=\"%.1f\" y=\"%.1f\">others</text>", r->x + 4,
		    r->y + 12);
	buf_puts(b, "</g>\n");
}

/* What is in one directory, or in the root of the medium, in a rectangle. */
static void
put_level(struct buf *b, const struct facts *f,
    const struct facts_directory *of, struct treemap_rect within, int level)
{
	enum { MOST = 160, INNER = 24 };
	const struct facts_directory *d[MOST];
	struct treemap_rect r[MOST + 1];
	double weights[MOST + 1] = { 0 };
	uint64_t rest = of ? of->sum.bytes : f->files.bytes;
	size_t n = children(f, of, d, level == 1 ? MOST : INNER), i, k;

	for (i = 0; i < n; i++)
		rest -= d[i]->sum.bytes;
	/* in the order of size, the rest where it belongs */
	for (i = 0; i < n && d[i]->sum.bytes >= rest; i++)
		weights[i] = (double)d[i]->sum.bytes;
	k = i;
	if (rest > 0)
		weights[k] = (double)rest;
	for (; i < n; i++)
		weights[i + (rest > 0)] = (double)d[i]->sum.bytes;
	treemap_layout(within, weights, n + (rest > 0), r);
	if (rest > 0)
		put_rest(b, rest, &r[k]);
	for (i = 0; i < n; i++) {
		struct treemap_rect *at = &r[i + (rest > 0 && i >= k)];

		put_directory(b, d[i], at, level == 1 ? "d1" : "d2");
		if (level == 1 && at->width > 24 && at->height > HEAD + 12)
			put_level(b, f, d[i], (struct treemap_rect){
			    at->x + 2, at->y + HEAD + 1, at->width - 4,
			    at->height - HEAD - 3 }, 2);
	}
}

int
chart_directories(struct buf *b, const struct facts *f)
{
	const struct facts_directory *root = common_root(f), *any[1];

	if (f->files.bytes == 0 || children(f, root, any, 1) == 0)
		return 0;
	buf_printf(b, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" "
	    "aria-labelledby=\"tree-title tree-desc\">\n"
	    "<title id=\"tree-title\">The largest directories", WIDTH,
	    MAP_HEIGHT, WIDTH * 5 / 4);
	if (root) {
		buf_puts(b, " of ");
		markup_plain(b, root->path, root->len);
	}
	buf_puts(b, "</title>\n<desc id=\"tree-desc\">Areas are sizes; the "
	    "largest are in the table below.</desc>\n");
	put_level(b, f, root, (struct treemap_rect){ 0, 0, WIDTH,
	    MAP_HEIGHT }, 1);
	buf_puts(b, "</svg>\n");
	return 1;
}
