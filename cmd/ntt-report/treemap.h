/*
 * A squarified treemap (Bruls, Huizing, van Wijk, 2000): rectangles whose
 * areas are their weights, as near to squares as they can be.
 */
#ifndef NTT_TREEMAP_H
#define NTT_TREEMAP_H

#include <stddef.h>

struct treemap_rect {
	double x, y, width, height;
};

/*
 * Fills within with count rectangles, in the order of the weights, which are
 * positive and do not grow.
 */
void treemap_layout(struct treemap_rect within, const double *weights,
	size_t count, struct treemap_rect *out);

#endif
