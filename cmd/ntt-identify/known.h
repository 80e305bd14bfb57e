/*
 * Is this a medium that the catalogue has?  A name finds candidates; only a
 * fingerprint says "the same" (ntt-layout(5), "Fingerprints").
 */
#ifndef NTT_KNOWN_H
#define NTT_KNOWN_H

#include <libpq-fe.h>

#include "base/buf.h"
#include "base/medium_name.h"
#include "identity.h"

struct known {
	char hash[MEDIUM_MAX + 1];	/* of the medium, or for it; if it */
					/* follows one, for the next state */
	int registered;			/* the catalogue has it */
	char *taken_by;			/* who has its name: a medium, or NULL */
	char fingerprint[65];		/* "": not computed */
	char *file;			/* of an image: known_file() */
	char *root;			/* of a directory: known_root() */
	char *follows;			/* the state before this one, or NULL */
	int state;			/* number of this state, from 1 */
};

enum known_answer {
	KNOWN_TOLD,
	KNOWN_UNTOLD,		/* only a full read can tell; why says so */
	KNOWN_FAILED		/* errno, or 0: db_error() */
};

/*
 * name: what the medium is called, its hash or a label.  full: a whole image
 * may be read, with progress.  optical: the device reads discs.  why gets a
 * clause for KNOWN_UNTOLD.
 */
enum known_answer known_find(PGconn *db, const struct identity *id,
	const char *name, int full, int optical, struct known *k,
	struct buf *why);
void known_free(struct known *k);

/*
 * What tells a file from another one at the same path: device, inode, size,
 * mtime and ctime.  Caller frees; NULL with errno.
 */
char *known_file(const char *path);

/*
 * Which directory of which file system: the file system's UUID, or else this
 * machine's id and the file system's; its inode number and birth time.  Caller
 * frees; NULL with errno.
 */
char *known_root(const char *path);

/* The first 16 bytes of BLAKE3("NTT3|" name "|" what), in hexadecimal. */
void known_derive(char hash[IDENTITY_HEX + 1], const char *name,
	const char *what);

#endif
