#define _GNU_SOURCE
#include "treemap.h"

/* The worst ratio of sides in a row of this sum along a side of this length. */
static double
worst(double largest, double smallest, double sum, double side)
{
	double a = side * side * largest / (sum * sum);
	double b = sum * sum / (side * side * smallest);

	return a > b ? a : b;
}

/* A row along the shorter side takes its part of what is left. */
static void
place(struct treemap_rect *left, const double *areas, size_t count,
    double sum, struct treemap_rect *out)
{
	int upright = left->width >= left->height;
	double side = upright ? left->height : left->width;
	double depth = side > 0 ? sum / side : 0, at = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		double length = depth > 0 ? areas[i] / depth : 0;

		if (upright)
			out[i] = (struct treemap_rect){ left->x, left->y + at,
			    depth, length };
		else
			out[i] = (struct treemap_rect){ left->x + at, left->y,
			    length, depth };
		at += length;
	}
	if (upright) {
		left->x += depth;
		left->width -= depth;
	} else {
		left->y += depth;
		left->height -= depth;
	}
}

enum { ROW = 64 };

void
treemap_layout(struct treemap_rect within, const double *weights,
    size_t count, struct treemap_rect *out)
{
	double total = 0, scale;
	size_t first, i;

	for (i = 0; i < count; i++)
		total += weights[i];
	scale = total > 0 ? within.width * within.height / total : 0;
	for (first = 0; first < count; first = i) {
		double side = within.width < within.height ? within.width :
		    within.height;
		double sum = weights[first] * scale, areas[ROW];
		size_t n;

		areas[0] = sum;
		for (i = first + 1; i < count && i - first < ROW; i++) {
			double area = weights[i] * scale;

			if (worst(areas[0], area, sum + area, side) >
			    worst(areas[0], areas[i - first - 1], sum, side))
				break;
			areas[i - first] = area;
			sum += area;
		}
		n = i - first;
		place(&within, areas, n, sum, out + first);
	}
}
