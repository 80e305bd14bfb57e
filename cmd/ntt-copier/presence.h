/*
 * Is what a medium is read from still there?
 *
 * A disk that was unplugged, an image that was cut and a driver that died give
 * the same errors as bad sectors do, for every file.  No file is to blame for
 * them.  So a failure that no map explains is believed only when the source
 * answers otherwise: the image has its size and can be read, the root of the
 * tree can be listed, and a file that was read once can be read again.
 */
#ifndef NTT_PRESENCE_H
#define NTT_PRESENCE_H

#include <libpq-fe.h>
#include <stdint.h>
#include <sys/types.h>

#include "source.h"

struct presence {
	int image;		/* -1: there is none, or it cannot be opened */
	off_t image_size;	/* bytes, when it was taken in; -1 unknown */
	char *image_path;
	char *witness;		/* the path of a file that was read */
	uint64_t witness_ino;
	unsigned int witness_partition;
};

/*
 * image NULL: a directory.  registered: medium.fingerprint_file, or NULL.
 * Before rights are given up.
 */
void presence_open(struct presence *p, const char *image,
	const char *registered);
void presence_close(struct presence *p);

/* Bytes of this file were read just now. */
void presence_witness(struct presence *p, const char *path, uint64_t ino,
	unsigned int partition);

/* 1: err comes from a driver or a line that is gone, never from a sector. */
int presence_gone(int err);

enum presence_answer {
	PRESENT,
	ABSENT,			/* *why, the caller's */
	UNPROVEN,		/* no file of this volume was ever read */
	NO_CATALOGUE		/* db_error() */
};

/*
 * Asks the source, about the volume that s->partition names.  A file that an
 * earlier run has read serves as a witness too.
 */
enum presence_answer presence_ask(struct presence *p, struct source *s,
	PGconn *db, const char *medium, char **why);

#endif
