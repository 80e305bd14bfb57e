/*
 * A map cut into cells of equal size, for pictures of it: map_text.h on a
 * terminal, map_svg.h on paper.
 */
#ifndef NTT_MAP_CELLS_H
#define NTT_MAP_CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "image/mapfile.h"

/* From good to bad; the index of what follows. */
enum map_state {
	MAP_RESCUED,
	MAP_UNTRIED,
	MAP_UNTRIMMED,
	MAP_UNSCRAPED,
	MAP_BAD,
	MAP_STATES
};

struct map_cell {
	uint64_t start, size;			/* bytes of the medium */
	uint64_t bytes[MAP_STATES];		/* they add up to size */
};

/*
 * count cells, as equal as whole sectors of 512 bytes allow; fewer when the
 * medium has fewer sectors.  Returns how many; *cells is the caller's to free.
 */
size_t map_cells(const struct mapfile *m, size_t count,
	struct map_cell **cells);

/* The worst state with at least one byte in the cell. */
enum map_state map_cell_worst(const struct map_cell *c);

enum map_state map_state_of(char status);
const char *map_state_name(enum map_state state);	/* "rescued" */

/* What all of it adds up to. */
struct map_sum {
	uint64_t size;
	uint64_t bytes[MAP_STATES];
	uint64_t areas[MAP_STATES];	/* runs of blocks with this status */
};
void map_sum(const struct mapfile *m, struct map_sum *sum);

/*
 * Hundredths of a percent, rounded down: 10000 is everything and nothing
 * less.
 */
unsigned int map_share(uint64_t part, uint64_t whole);

#endif
