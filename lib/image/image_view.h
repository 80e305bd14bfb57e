/* The view that an image needs: of its map, and of what is on it. */
#ifndef NTT_IMAGE_VIEW_H
#define NTT_IMAGE_VIEW_H

#include "image/image_open.h"
#include "image/layout.h"
#include "image/view.h"

/*
 * By the map beside the image, which is opened as image_open() opens an image.
 * *remark (caller frees): why a map that is there is not used; else NULL.
 */
void image_view_init(struct view *v, const struct image *im, int anywhere,
	char **remark);

/* As long as the longest of its volumes, with their good copies in place. */
void image_view_fit(struct view *v, const struct layout *l);

#endif
