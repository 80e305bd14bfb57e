/* Treemaps: areas, order, bounds, no overlap. */
#define _GNU_SOURCE
#include <math.h>

#include "ntt-report/treemap.h"
#include "tap.h"

static void
check(const char *what, struct treemap_rect in, const double *w, size_t n)
{
	struct treemap_rect r[200];
	double total = 0;
	size_t i, j, wrong = 0, overlaps = 0;

	treemap_layout(in, w, n, r);
	for (i = 0; i < n; i++)
		total += w[i];
	for (i = 0; i < n; i++) {
		double area = in.width * in.height * w[i] / total;

		if (fabs(r[i].width * r[i].height - area) > 1e-6 * area ||
		    r[i].x < in.x - 1e-6 || r[i].y < in.y - 1e-6 ||
		    r[i].x + r[i].width > in.x + in.width + 1e-6 ||
		    r[i].y + r[i].height > in.y + in.height + 1e-6)
			wrong++;
		for (j = 0; j < i; j++)
			if (r[i].x + r[i].width > r[j].x + 1e-6 &&
			    r[j].x + r[j].width > r[i].x + 1e-6 &&
			    r[i].y + r[i].height > r[j].y + 1e-6 &&
			    r[j].y + r[j].height > r[i].y + 1e-6)
				overlaps++;
	}
	tap_ok(wrong == 0 && overlaps == 0, "%s: %zu wrong, %zu overlap", what,
	    wrong, overlaps);
}

int
main(void)
{
	static const double paper[] = { 6, 6, 4, 3, 2, 2, 1 };
	struct treemap_rect r[7];
	double many[200];
	int i;

	check("the example of the paper",
	    (struct treemap_rect){ 0, 0, 6, 4 }, paper, 7);
	treemap_layout((struct treemap_rect){ 0, 0, 6, 4 }, paper, 7, r);
	tap_ok(fabs(r[0].width - 3) < 1e-9 && fabs(r[0].height - 2) < 1e-9 &&
	    fabs(r[2].width - 12.0 / 7) < 1e-9, "has its rectangles");
	for (i = 0; i < 200; i++)
		many[i] = 1;
	check("equal weights", (struct treemap_rect){ 5, 7, 700, 400 }, many,
	    200);
	for (i = 0; i < 200; i++)
		many[i] = pow(0.8, i);
	check("weights of all magnitudes",
	    (struct treemap_rect){ 0, 0, 320, 900 }, many, 60);
	check("one", (struct treemap_rect){ 0, 0, 1, 1 }, many, 1);
	treemap_layout((struct treemap_rect){ 0, 0, 1, 1 }, many, 0, r);
	return tap_done();
}
