/* A map for a terminal, and its numbers as JSON. */
#ifndef NTT_MAP_TEXT_H
#define NTT_MAP_TEXT_H

#include "base/buf.h"
#include "image/map_cells.h"
#include "image/mapfile.h"

/*
 * Lines of at most width cells, each with the character of ddrescue for the
 * worst in it, then one line for each state with its bytes.
 */
void map_text(struct buf *out, const struct mapfile *m, int width,
	int colour);

/*
 * Members of an object that is open: size, rescued, untried, untrimmed,
 * unscraped, bad (bytes), areas (of what was not rescued), share (of what was,
 * in percent, rounded down).
 */
void map_json(struct buf *out, const struct map_sum *sum);

#endif
