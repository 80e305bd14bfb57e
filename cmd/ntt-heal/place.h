/*
 * A place where the contents of a medium may still be: its tree, the directory
 * it was taken from, its image, or the image in its archive.
 */
#ifndef NTT_HEAL_PLACE_H
#define NTT_HEAL_PLACE_H

#include "catalogue/medium.h"

enum place_kind { PLACE_TREE, PLACE_ARCHIVE, PLACE_SOURCE, PLACE_KINDS };

struct place {
	enum place_kind kind;
	int root;		/* a directory; -1: not open */
	int lock;		/* of the use of a medium, or -1 */
	char *medium;		/* mounted here, or NULL */
	char *unpacked;		/* an image of an archive, or NULL */
	char *error;		/* why there is none, one clause */
};

/* "the tree", for people. */
const char *place_name(enum place_kind kind);

/*
 * 1 it is open; 0 the medium has no such place, or it could not be reached,
 * and then error says why.  PLACE_ARCHIVE unpacks the image into IMAGE_ROOT,
 * where no image of this medium is.
 */
int place_open(struct place *p, enum place_kind kind,
	const struct medium *m);
/* Unmounts what was mounted, and removes what was unpacked. */
void place_close(struct place *p);

/* A regular file there: a descriptor, or -1 with errno. */
int place_file(const struct place *p, const char *path);
/* The target of a symbolic link there; the caller's, or NULL with errno. */
char *place_link(const struct place *p, const char *path);

#endif
