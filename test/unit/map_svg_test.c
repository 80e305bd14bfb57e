/* Pictures of a map: what is in the cells, and that the SVG is one. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "image/map_cells.h"
#include "image/map_svg.h"
#include "tap.h"

static struct mapfile
parsed(const char *text)
{
	struct mapfile m;
	char *error = NULL;

	if (mapfile_parse(&m, text, strlen(text), "x", &error) < 0)
		tap_ok(false, "%s", error);
	free(error);
	return m;
}

static void
test_cells(void)
{
	struct mapfile m = parsed("0x0 + 1\n0x0 0x1000 +\n0x1000 0x200 -\n"
	    "0x1200 0xe00 +\n0x2000 0x1000 ?\n0x3000 0x100 *\n");
	struct map_cell *c;
	struct map_sum sum;
	uint64_t all = 0;
	size_t n, i, s;

	n = map_cells(&m, 3, &c);
	tap_ok(n == 3, "three cells");
	for (i = 0; i < n; i++) {
		uint64_t in = 0;

		for (s = 0; s < MAP_STATES; s++)
			in += c[i].bytes[s];
		tap_ok(in == c[i].size && c[i].start == all,
		    "cell %zu adds up", i);
		all += in;
	}
	tap_ok(all == m.end, "the cells cover the medium");
	tap_ok(map_cell_worst(&c[0]) == MAP_BAD ||
	    map_cell_worst(&c[1]) == MAP_BAD, "one bad sector is seen");
	tap_ok(map_cell_worst(&c[2]) == MAP_UNTRIMMED, "the worst of a cell");
	free(c);
	n = map_cells(&m, 1000, &c);
	tap_ok(n == 25, "no more cells than sectors");
	tap_ok(c[24].size == 0x100 && c[24].bytes[MAP_UNTRIMMED] == 0x100,
	    "a short last sector");
	free(c);
	map_sum(&m, &sum);
	tap_ok(sum.bytes[MAP_BAD] == 0x200 && sum.areas[MAP_RESCUED] == 2 &&
	    sum.areas[MAP_BAD] == 1, "areas and bytes");
	tap_ok(map_share(UINT64_MAX / 2 - 1, UINT64_MAX / 2) == 9999,
	    "one byte short of all is not 100 %%");
	mapfile_free(&m);
}

static size_t
count(const char *text, const char *word)
{
	size_t n = 0;

	while ((text = strstr(text, word)) != NULL) {
		n++;
		text++;
	}
	return n;
}

static void
test_svg(void)
{
	/* one bad sector of 1 TiB */
	struct mapfile m = parsed("0x0 + 1\n0x0 0x8000000000 +\n"
	    "0x8000000000 0x200 -\n0x8000000200 0x7ffffffe00 +\n");
	struct buf b = BUF_INIT;

	map_svg(&b, &m, 64, 16, "map");
	tap_ok(!strncmp(b.data, "<svg ", 5), "an svg element");
	tap_ok(count(b.data, "url(#map-bad)") == 2,
	    "the sector and its line of the legend");
	tap_ok(count(b.data, "99.99 %") == 2, "not 100 %%");
	tap_ok(count(b.data, "url(#map-untried)") == 0, "nothing untried");
	tap_ok(count(b.data, "<rect") == count(b.data, "<rect x") + 6,
	    "ground and patterns");
	tap_ok(b.len < 8000, "runs are one rectangle");
	tap_ok(count(b.data, "<title id=\"map-title\">") == 1 &&
	    count(b.data, "<desc id=\"map-desc\">") == 1, "title, desc");
	buf_reset(&b);
	mapfile_free(&m);
	m = parsed("0x0 + 1\n0x0 0x200 +\n");
	map_svg(&b, &m, 64, 16, "m");
	tap_ok(count(b.data, "100.00 %") == 2, "a medium of one sector");
	mapfile_free(&m);
	buf_free(&b);
}

int
main(void)
{
	test_cells();
	test_svg();
	return tap_done();
}
