/*
 * The files of an image: "x.img", its map "x.map", ddrescue's log
 * "x-ddrescue.log", the map of a stall "x.map.stall"; and the promise that one
 * process at a time writes to them.
 */
#ifndef NTT_IMAGER_FILES_H
#define NTT_IMAGER_FILES_H

#include <stdint.h>

#include "image/mapfile.h"

struct imager_files {
	char *image, *map, *log, *stall;
	struct mapfile before;	/* the map as it was found; empty: none */
	int from_backup;	/* it was damaged, and this is x.map.bak */
	int lock, image_fd;	/* -1: not open */
};

/* map NULL: beside the image.  Touches nothing. */
void imager_files_name(struct imager_files *f, const char *image,
	const char *map);

/*
 * Locks the map, looks whether image and map fit each other, a medium of size
 * bytes and the room there is, and makes what is not there: a map in which
 * nothing was tried, then an image of holes.  EXIT_DONE, or another exit
 * status with *error (caller frees); then nothing was changed.
 *
 * ddrescue does not replace its map in one step: killed in the wrong moment it
 * leaves none, or half of one, and the one before as x.map.bak.  That is then
 * gone on with, as it claims less and nothing wrong; the damaged one is kept
 * as x.map.damaged.
 *
 * The lock is beside the map and goes with imager_files_close(); whoever has
 * its descriptor open keeps it.
 */
int imager_files_open(struct imager_files *f, uint64_t size, char **error);

/* The same for images that both must be there, as sources of others. */
int imager_files_check(struct imager_files *f, uint64_t size, char **error);

/* keep_lock: a process that cannot be ended still has it. */
void imager_files_close(struct imager_files *f, int keep_lock);

#endif
