/* The image of a medium on its way through the pipeline: made, and judged. */
#ifndef NTT_RUN_IMAGE_H
#define NTT_RUN_IMAGE_H

#include "medium.h"

/*
 * The health of an image from the map beside it ("/x/y.img" has "/x/y.map"):
 * "ok" and so on, or NULL when there is none or it does not fit, with a
 * warning for the latter.
 */
const char *run_image_health(const char *image, uint64_t size);

/*
 * 1 the image of a device is made: image and map are there and fit, and every
 * byte was rescued or the imager had come to its end.  why may get a clause.
 * Ends the program when the catalogue fails.
 */
int run_image_done(const struct run_medium *m, PGconn *db, struct buf *why);

/*
 * Runs ntt-imager on the device (eject: which is ejected when it is complete)
 * and records what came out: health from the map, what the image holds that is
 * no file system, and, unless too little was rescued, when it was made.  The
 * exit status; EXIT_FAILED for a failed health without force.  db NULL: only
 * prints the command.  Ends the program when the catalogue fails.
 */
int run_image_make(struct run_medium *m, PGconn *db, int eject, int force);

/*
 * Less than 20 % was rescued, and nobody insists (force): 1 and a message.
 */
int run_image_failed(const struct run_medium *m, int force);

/* medium.problems.content: "all_zero", "tar", …; 0 or -1. */
int run_image_probe(const struct run_medium *m, PGconn *db);

#endif
