/* What the parts of ntt-mirror share: one place at a time. */
#ifndef NTT_MIRROR_H
#define NTT_MIRROR_H

#include <libpq-fe.h>
#include <stdint.h>

#include "keep/depot.h"
#include "store/store.h"

struct mirror {
	PGconn *db;
	struct depot *to;
	struct store home;	/* BYHASH_ROOT */
	int bad;		/* something was wrong, and was named */
	int full;		/* the place is */
	uint64_t blobs, bytes;	/* sent, durable and recorded */
	uint64_t files, file_bytes;
	uint64_t wrong;		/* what --check found */
};

/* Ends the program after a signal, when what was done is recorded. */
void mirror_interrupted(const struct mirror *m);

/* ---- blobs.c ---- */

/* Sends the blobs that the place lacks. */
void blobs_send(struct mirror *m);
/* What the place is said to have and has not by its names and sizes is lacking. */
void blobs_look(struct mirror *m);
/* Reads one in rate of what the place has. */
void blobs_check(struct mirror *m, uint64_t rate);

/* ---- remote.c ---- */

/* A blob of the store that is right goes into a pack; buf: BLOB_BLOCK bytes. */
void remote_add(struct mirror *m, const char *id, uint64_t size, char *buf);
/* The same of a blob that pack from has, and which was found good there. */
void remote_add_packed(struct mirror *m, const char *id, uint64_t size,
	const char *from, uint64_t start, char *buf);
/* The pack that is not full is sent too. */
void remote_flush(struct mirror *m, char *buf);
/*
 * Another file, and its BLAKE3; what has the name is moved to old/ if it
 * replaces it.  0; -1 with errno when from could not be read.
 */
int remote_send_file(struct mirror *m, int from, const char *name,
	int replaces, char id[STORE_ID + 1]);
/* What is wrong with a file, NULL: nothing. */
const char *remote_file_wrong(struct mirror *m, const char *name,
	const char *id);
/*
 * The BLAKE3 of a member of a pack: 0, -1 it could not be read.  io and *at are of
 * the member before, in the same pack; fd -1 at first, and remote_abort() after.
 */
int remote_read_member(struct remote_io *io, uint64_t *at, const char *object,
	uint64_t start, uint64_t size, char id[STORE_ID + 1]);
/* Reads one pack in rate; wrong() is called for blobs that are. */
typedef void wrong_blob(struct mirror *m, const char *id, const char *why);
void remote_check(struct mirror *m, uint64_t rate, wrong_blob *wrong);

/* ---- compact.c ---- */

/*
 * Contents that nothing uses any more are deleted at the place: all of them in a
 * directory; of packs those with more than so many per cent of such bytes, whose
 * other contents go into new packs first.  Shows how much, and asks unless yes.
 */
void compact(struct mirror *m, unsigned int percent, int yes);

/* ---- files.c ---- */

/* Removes what a killed ntt-mirror left. */
void files_tidy(const struct mirror *m);
/*
 * 0: its dump is not the one that was made last.  Every run that sends something
 * makes one, so the place is a copy of itself from before, or was put back.
 */
int files_as_left(const struct mirror *m);
/* Catalogue files and the list of what was removed. */
void files_send_catalogues(struct mirror *m);
/* The catalogue itself, if it is not as it was. */
void files_send_dump(struct mirror *m);
void files_send_archives(struct mirror *m);
/* Reads what was sent of these. */
void files_check(struct mirror *m);

#endif
