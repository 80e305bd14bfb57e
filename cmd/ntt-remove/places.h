/* What is removed is removed at the other places that are in reach, too. */
#ifndef NTT_REMOVE_PLACES_H
#define NTT_REMOVE_PLACES_H

#include <libpq-fe.h>

#include "keep/depot.h"

struct places_removal {
	PGconn *db;
	char (*ids)[STORE_ID + 1];	/* contents whose bytes go */
	size_t count;
	const char *medium;	/* whose catalogue files go; NULL: no one's */
	int archive;		/* and its archives */
};

/*
 * For commands, as all here.  Nobody sends anything to a place from now on; ends
 * the program with 75 if an ntt-mirror is at work.
 */
void places_lock(PGconn *db, struct depots *d);
/*
 * Says what stays: in packs, and at places that are not in reach.  EXIT_PARTIAL if
 * anything does, else EXIT_DONE.
 */
int places_remove(const struct places_removal *r, struct depots *d);

/* The ids as an array of PostgreSQL; the caller's. */
char *places_ids(const struct places_removal *r);

/* Deletes a blob of a store: its file, and those replaced or in the trash. */
void places_delete_blob(const struct store *store, const char *root,
	const char *id);

#endif
