#define _GNU_SOURCE
#include "map_text.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/num.h"

enum { ROWS = 16 };

static const struct {
	char sign;
	const char *colour;
} look[MAP_STATES] = {
	[MAP_RESCUED] = { MAPFILE_RESCUED, "\033[32m" },
	[MAP_UNTRIED] = { MAPFILE_UNTRIED, "\033[2m" },
	[MAP_UNTRIMMED] = { MAPFILE_UNTRIMMED, "\033[33m" },
	[MAP_UNSCRAPED] = { MAPFILE_UNSCRAPED, "\033[35m" },
	[MAP_BAD] = { MAPFILE_BAD, "\033[1;31m" },
};

static void
put_sign(struct buf *out, enum map_state s, int *last, int colour)
{
	if (colour && *last != (int)s)
		buf_printf(out, "\033[0m%s", look[s].colour);
	*last = (int)s;
	buf_putc(out, look[s].sign);
}

static void
put_cells(struct buf *out, const struct mapfile *m, int width, int colour)
{
	struct map_cell *cells;
	size_t count = map_cells(m, (size_t)width * ROWS, &cells), i;
	int last = -1;

	for (i = 0; i < count; i++) {
		put_sign(out, map_cell_worst(&cells[i]), &last, colour);
		if ((i + 1) % (size_t)width != 0 && i + 1 < count)
			continue;
		buf_puts(out, colour ? "\033[0m\n" : "\n");
		last = -1;
	}
	free(cells);
}

void
map_text(struct buf *out, const struct mapfile *m, int width, int colour)
{
	struct map_sum sum;
	int s;

	put_cells(out, m, width, colour);
	map_sum(m, &sum);
	for (s = 0; s < MAP_STATES; s++) {
		unsigned int share = map_share(sum.bytes[s], sum.size);
		int last = -1;

		if (sum.bytes[s] == 0)
			continue;
		put_sign(out, (enum map_state)s, &last, colour);
		if (colour)
			buf_puts(out, "\033[0m");
		buf_printf(out, " %-10s %3u.%02u %%  %s bytes in %s areas\n",
		    map_state_name((enum map_state)s), share / 100,
		    share % 100, num_grouped(sum.bytes[s]),
		    num_grouped(sum.areas[s]));
	}
}

void
map_json(struct buf *out, const struct map_sum *sum)
{
	uint64_t areas = 0;
	int s;

	json_u64(out, "size", sum->size);
	for (s = 0; s < MAP_STATES; s++) {
		json_u64(out, map_state_name((enum map_state)s),
		    sum->bytes[s]);
		if (s != MAP_RESCUED)
			areas += sum->areas[s];
	}
	json_u64(out, "areas", areas);
	json_double(out, "share", map_share(sum->bytes[MAP_RESCUED],
	    sum->size) / 100.0);
}
