/* The image of a medium, from its archive. */
#ifndef NTT_RESTORE_IMAGE_H
#define NTT_RESTORE_IMAGE_H

#include "catalogue/medium.h"

/*
 * To the file, or into the directory, to; its map beside it.  An exit status;
 * ends the program with one line where there is no image to give.
 */
int image_restore(const struct medium *m, const char *to, int overwrite);

#endif
