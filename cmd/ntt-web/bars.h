/*
 * A bar in a cell of a table.  The number stands in a cell beside it, so the bar
 * is hidden from who cannot see it.
 */
#ifndef NTT_WEB_BARS_H
#define NTT_WEB_BARS_H

#include <stdint.h>

#include "base/buf.h"

/* most: what fills the cell */
void put_bar(struct buf *b, uint64_t n, uint64_t most);

#endif
