#define _GNU_SOURCE
#include "image/map_svg.h"

#include <stdlib.h>

#include "base/num.h"
#include "image/map_cells.h"

/* Of a cell, and of a line of the legend, in user units. */
enum { CELL = 12, LEAST = 2, LEGEND = 18, MARGIN = 4, LEGEND_WIDTH = 420 };

/* Legible in grey and to the colour-blind: each has its own pattern. */
static const struct {
	const char *ground, *ink, *path;
} look[MAP_STATES] = {
	[MAP_RESCUED] = { "#bcdcf0", NULL, NULL },
	[MAP_UNTRIED] = { "#ffffff", "#666666", "M3 3h1v1h-1z" },
	[MAP_UNTRIMMED] = { "#ffe08a", "#7a5200", "M0 3h6v1h-6z" },
	[MAP_UNSCRAPED] = { "#f7a34b", "#5a2600", "M3 0h1v6h-1z" },
	[MAP_BAD] = { "#9c0d1e", "#ffffff",
		"M0 6L6 0h-1.5L0 4.5zM6 6v-1.5L4.5 6z" },
};

static void
put_patterns(struct buf *out, const char *id)
{
	int s;

	buf_puts(out, "<defs>");
	for (s = 0; s < MAP_STATES; s++) {
		buf_printf(out, "<pattern id=\"%s-%s\" width=\"6\" "
		    "height=\"6\" patternUnits=\"userSpaceOnUse\">"
		    "<rect width=\"6\" height=\"6\" fill=\"%s\"/>", id,
		    map_state_name((enum map_state)s), look[s].ground);
		if (look[s].path)
			buf_printf(out, "<path d=\"%s\" fill=\"%s\"/>",
			    look[s].path, look[s].ink);
		buf_puts(out, "</pattern>");
	}
	buf_puts(out, "</defs>\n");
}

static void
put_rect(struct buf *out, const char *id, enum map_state s, int x, int y,
    int width, int height)
{
	buf_printf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
	    "fill=\"url(#%s-%s)\"/>", x, y, width, height, id,
	    map_state_name(s));
}

/* The states of one cell above each other, the worst at the bottom. */
static void
put_cell(struct buf *out, const char *id, const struct map_cell *c, int x,
    int y)
{
	int s, bottom = y + CELL;

	put_rect(out, id, MAP_RESCUED, x, y, CELL, CELL);
	for (s = MAP_BAD; s > MAP_RESCUED && bottom > y; s--) {
		int height = (int)((__uint128_t)c->bytes[s] * CELL / c->size);

		if (c->bytes[s] == 0)
			continue;
		if (height < LEAST)
			height = LEAST;
		if (c->bytes[s] == c->size || height > bottom - y)
			height = bottom - y;
		bottom -= height;
		put_rect(out, id, (enum map_state)s, x, bottom, CELL, height);
	}
}

static int
is_whole(const struct map_cell *c, enum map_state s)
{
	return c->bytes[s] == c->size;
}

/* Cells of one state beside each other become one rectangle. */
static void
put_cells(struct buf *out, const char *id, const struct map_cell *cells,
    size_t count, int columns)
{
	size_t width = (size_t)columns, i, n;

	for (i = 0; i < count; i += n) {
		enum map_state s = map_cell_worst(&cells[i]);
		int x = MARGIN + (int)(i % width) * CELL;
		int y = MARGIN + (int)(i / width) * CELL;

		n = 1;
		if (!is_whole(&cells[i], s)) {
			put_cell(out, id, &cells[i], x, y);
		} else {
			while (i + n < count && (i + n) % width != 0 &&
			    is_whole(&cells[i + n], s))
				n++;
			put_rect(out, id, s, x, y, (int)n * CELL, CELL);
		}
		buf_putc(out, '\n');
	}
}

static void
put_grid(struct buf *out, int columns, int rows, size_t count)
{
	int full = (int)(count / (size_t)columns), i;
	int last = (int)(count % (size_t)columns);

	buf_puts(out, "<path fill=\"none\" stroke=\"#ffffff\" "
	    "stroke-opacity=\"0.7\" d=\"");
	for (i = 1; i < columns; i++)
		buf_printf(out, "M%d %dV%d", MARGIN + i * CELL, MARGIN,
		    MARGIN + (i <= last ? full + 1 : full) * CELL);
	for (i = 1; i < rows; i++)
		buf_printf(out, "M%d %dH%d", MARGIN, MARGIN + i * CELL,
		    MARGIN + (i == full ? last : columns) * CELL);
	buf_puts(out, "\"/>\n<path fill=\"none\" stroke=\"#444444\" d=\"");
	buf_printf(out, "M%d %d", MARGIN, MARGIN);
	buf_printf(out, "H%d", MARGIN + (full ? columns : last) * CELL);
	buf_printf(out, "V%d", MARGIN + (full ? full : 1) * CELL);
	if (full && last)
		buf_printf(out, "H%dV%d", MARGIN + last * CELL,
		    MARGIN + (full + 1) * CELL);
	buf_printf(out, "H%dz\"/>\n", MARGIN);
}

static void
put_share(struct buf *out, uint64_t part, uint64_t whole)
{
	unsigned int share = map_share(part, whole);

	buf_printf(out, "%u.%02u %%", share / 100, share % 100);
}

static void
put_words(struct buf *out, const char *id, const struct map_sum *sum)
{
	int s;

	buf_printf(out, "<title id=\"%s-title\">", id);
	put_share(out, sum->bytes[MAP_RESCUED], sum->size);
	buf_printf(out, " of %s rescued</title>\n<desc id=\"%s-desc\">",
	    num_bytes(sum->size), id);
	for (s = 0; s < MAP_STATES; s++)
		if (sum->bytes[s])
			buf_printf(out, "%s: %s bytes in %s areas. ",
			    map_state_name((enum map_state)s),
			    num_grouped(sum->bytes[s]),
			    num_grouped(sum->areas[s]));
	buf_puts(out, "Cells run from the beginning of the medium to its end, "
	    "left to right and downwards.</desc>\n");
}

static void
put_legend(struct buf *out, const char *id, const struct map_sum *sum, int y)
{
	int s;

	buf_puts(out, "<g font-family=\"sans-serif\" font-size=\"12\" "
	    "fill=\"#111111\">\n");
	for (s = 0; s < MAP_STATES; s++) {
		if (!sum->bytes[s])
			continue;
		put_rect(out, id, (enum map_state)s, MARGIN, y, CELL, CELL);
		buf_printf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" "
		    "height=\"%d\" fill=\"none\" stroke=\"#444444\"/>",
		    MARGIN, y, CELL, CELL);
		buf_printf(out, "<text x=\"%d\" y=\"%d\">%s ", MARGIN + CELL +
		    6, y + 10, map_state_name((enum map_state)s));
		put_share(out, sum->bytes[s], sum->size);
		buf_printf(out, ", %s in %s areas</text>\n",
		    num_bytes(sum->bytes[s]), num_grouped(sum->areas[s]));
		y += LEGEND;
	}
	buf_puts(out, "</g>\n");
}

void
map_svg(struct buf *out, const struct mapfile *m, int columns, int rows,
    const char *id)
{
	struct map_cell *cells;
	size_t count = map_cells(m, (size_t)columns * (size_t)rows, &cells);
	int used = (int)((count + (size_t)columns - 1) / (size_t)columns);
	int width = 2 * MARGIN + columns * CELL, height, s;
	struct map_sum sum;

	map_sum(m, &sum);
	height = 3 * MARGIN + used * CELL;
	if (width < LEGEND_WIDTH)
		width = LEGEND_WIDTH;
	for (s = 0; s < MAP_STATES; s++)
		height += sum.bytes[s] ? LEGEND : 0;
	buf_printf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
	    "role=\"img\" aria-labelledby=\"%s-title %s-desc\" "
	    "width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n", id, id,
	    width, height, width, height);
	put_words(out, id, &sum);
	put_patterns(out, id);
	buf_printf(out, "<rect width=\"%d\" height=\"%d\" "
	    "fill=\"#ffffff\"/>\n", width, height);
	put_cells(out, id, cells, count, columns);
	put_grid(out, columns, used, count);
	put_legend(out, id, &sum, 2 * MARGIN + used * CELL);
	buf_puts(out, "</svg>\n");
	free(cells);
}
