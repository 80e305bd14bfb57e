/*
 * Which media hold the same contents: all of them against each other, in one
 * pass over the collection.  Of regular files that were copied, without empty
 * ones, which say nothing.
 *
 * Memory grows with the square of the media (16 MB for a thousand), not with
 * what is on them.
 */
#ifndef NTT_REPORT_OVERLAP_H
#define NTT_REPORT_OVERLAP_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

struct overlap_sum {
	uint64_t count, bytes;
};

struct overlap {
	size_t count;			/* media, in the order they came */
	PGresult *media;		/* their rows: overlap_column */
	struct overlap_medium {
		struct overlap_sum files;	/* all, whatever their state */
		struct overlap_sum copied;	/* those not empty */
		struct overlap_sum contents;	/* different ones of these */
		struct overlap_sum unique;	/* that no other medium has */
		uint64_t pending, failed;
	} *of;
	struct overlap_sum *shared;	/* [a * count + b], a not b */
	struct overlap_sum contents;	/* of the whole collection */
	/* private */
	size_t set[4096];
};

enum overlap_column { OVERLAP_HASH, OVERLAP_HUMAN, OVERLAP_STATE,
	OVERLAP_HEALTH, OVERLAP_SIZE, OVERLAP_ADDED, OVERLAP_DAMAGED,
	OVERLAP_LOADED, OVERLAP_MISSING, OVERLAP_MESSAGE, OVERLAP_INVENTORY };

/* Inside a transaction with one snapshot.  0, or -1 with db_error(). */
int overlap_load(struct overlap *o, PGconn *db);
void overlap_free(struct overlap *o);

/* Index of a medium, or count when it is none. */
size_t overlap_index(const struct overlap *o, const char *medium);
const struct overlap_sum *overlap_of(const struct overlap *o, size_t a,
	size_t b);

#endif
