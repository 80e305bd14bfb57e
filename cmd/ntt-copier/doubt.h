/*
 * Duplicates that are not believed at once.
 *
 * The bytes of a file that the store has already are dropped only for a blob
 * that was found good lately: its row says good, it was checked within
 * NTT_RECHECK days, and its file has the right size.  Any other is read, and
 * with --paranoid every one; what is wrong is healed with the bytes that were
 * just read.
 *
 * Small files wait in memory until some of them are asked about at once.
 */
#ifndef NTT_COPIER_DOUBT_H
#define NTT_COPIER_DOUBT_H

#include <libpq-fe.h>

#include "keep/heal.h"

struct doubt {
	struct heal heal;
	int paranoid;
	char days[24];			/* NTT_RECHECK */
	int database_failed;		/* -1 came from there: db_error() */
	uint64_t checked;		/* blobs read and found good */
	/* private */
	struct doubt_item {
		char id[STORE_ID + 1];
		size_t at, len;
	} *items;			/* whose bytes are in bytes */
	size_t count, used;
	char *bytes;
	uint8_t (*settled)[STORE_ID / 2];	/* ids, a hash table */
	size_t settled_count;
	uint8_t (*marked)[STORE_ID / 2];	/* ids that are not good, sorted */
	size_t marked_count;
};

/* db: the queue's.  trees: see heal.h.  days: NTT_RECHECK. */
void doubt_init(struct doubt *d, PGconn *db, struct store *store,
	const char *trees, int paranoid, uint64_t days);
void doubt_free(struct doubt *d);

/*
 * Is the blob that the store has, or is said to have, the right one?  1: yes,
 * or it will be after doubt_resolve(), for these bytes were kept; 0: no, and
 * somebody has to give doubt_heal() the bytes; -1 with errno.  bytes NULL: a
 * large file, which is looked at now.
 */
int doubt_ask(struct doubt *d, const char *id, uint64_t size,
	const void *bytes);
/* The catalogue has marked this one, which is not in the store. */
int doubt_marked(const struct doubt *d, const char *id);
/* This process has stored it, or the like: no more questions in this turn. */
void doubt_settle(struct doubt *d, const char *id);

/* The bytes in temp are those of the blob: 0, or -1 with errno. */
int doubt_heal(struct doubt *d, const char *id, uint64_t size,
	struct store_temp *temp);
/* Answers every question so far: 0, or -1 with errno. */
int doubt_resolve(struct doubt *d);

/*
 * A batch is about to be published: what was settled is forgotten, and what
 * others have marked is known.  The time of the server goes to *now, which the
 * caller frees.  0, or -1.
 */
int doubt_turn(struct doubt *d, char **now);
/* Ids that were healed since then, sorted; freed by the caller.  0 or -1. */
int doubt_healed_since(struct doubt *d, const char *since,
	char (**ids)[STORE_ID + 1], size_t *count);

#endif
