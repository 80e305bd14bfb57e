/*
 * A picture of a map as an <svg> element, to stand alone or inside HTML: one
 * cell for each equal part of the medium, filled from below by the share of
 * bytes that are not rescued.  States differ by pattern and not only by colour,
 * and the picture has a title, a description and a legend in words.
 *
 *	struct buf out = BUF_INIT;
 *
 *	map_svg(&out, &map, 64, 16, "map1");
 *
 * No script, no style sheet, no reference to anything outside.
 */
#ifndef NTT_MAP_SVG_H
#define NTT_MAP_SVG_H

#include "base/buf.h"
#include "image/mapfile.h"

/*
 * Appends the element: columns x rows cells, fewer rows for a small medium.
 * id begins the ids of the element, and must be different for each picture of
 * a document: [a-z][a-z0-9-]*.
 */
void map_svg(struct buf *out, const struct mapfile *m, int columns, int rows,
	const char *id);

#endif
