/* Pictures of a report, as <svg> elements with titles and descriptions. */
#ifndef NTT_REPORT_CHART_H
#define NTT_REPORT_CHART_H

#include "base/buf.h"
#include "facts.h"

/*
 * Files by the year of their last change.  Years of one decade and more before
 * the first floppies, and those after this_year, stand together at the ends.
 */
void chart_years(struct buf *b, const struct facts *f, int this_year);

/*
 * The largest directories, two levels of them as a treemap.  0, and nothing is
 * appended, when there is none of any size.
 */
int chart_directories(struct buf *b, const struct facts *f);

#endif
