/*
 * An image that is given as a container (container.h) or in parts: its raw
 * image is made once, sparse, below IMAGE_ROOT, and is the medium from then on.
 * What is archived is the container as it was given; the raw image goes when
 * that is done, as images do.
 *
 *	run_container_open(&c, operand)	1: c.raw is the image; 0: it is one
 *	…				identify c.raw
 *	run_container_settle(&c, &medium, db)
 *
 * The program ends with one line when a container cannot be opened; nothing is
 * left then, neither in IMAGE_ROOT nor in the catalogue.
 */
#ifndef NTT_RUN_CONTAINER_H
#define NTT_RUN_CONTAINER_H

#include <libpq-fe.h>

#include "medium.h"

struct run_container {
	const char *text;	/* "a qcow2 image" */
	char *path;		/* as it was given, absolute */
	char *raw;		/* of the raw image */
	char *json;		/* for medium.diagnostics */
	char *key;		/* which file it is, and its state */
	char fingerprint[65];	/* of the raw image, "": not read */
	char *done;		/* the medium, if all of it is archived */
	int made;		/* raw is ours and has no final name yet */
};

/*
 * db: to find what was opened before (NULL: not asked).  again: also open what
 * is archived already; otherwise done is set instead of raw.  plan: only say
 * what would be done, and nothing is set.  key_file: also open encrypted
 * volumes, so that any image is a container; NULL: leave them closed.
 */
int run_container_open(struct run_container *c, const char *operand,
	const char *key_file, PGconn *db, int again, int plan);

/*
 * The medium is identified: the raw image gets its name below IMAGE_ROOT, or
 * goes if the medium has an image already, or, unless again, an archive.
 */
void run_container_settle(struct run_container *c, struct run_medium *m,
	PGconn *db, int again);
void run_container_free(struct run_container *c);

#endif
