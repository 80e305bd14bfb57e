/*
 * Healing: the file of a blob is replaced by one with the right bytes, and
 * every name in the trees that was the old file becomes the new one.
 *
 * One transaction for some blobs: their rows are locked in the order of their
 * ids, each old file gets a name in BYHASH_ROOT/.bad, the new one takes its
 * place, the paths of all media are linked anew, everything is synced, and the
 * commit says "good".  A process that is killed on the way leaves right files,
 * or rows that still say what is wrong; no good byte is lost.
 *
 * A blob that is marked in blobs.state is never taken for a duplicate.
 */
#ifndef NTT_HEAL_H
#define NTT_HEAL_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

struct heal {
	PGconn *db;
	struct store *store;
	const char *trees;	/* ARCHIVED_ROOT; "": there are none */
	uint64_t healed;	/* files replaced so far */
	uint64_t relinked;	/* names made in trees meanwhile */
};

enum heal_outcome {
	HEAL_WAS_GOOD,		/* the file is right; temp was not needed */
	HEAL_REPLACED,
	HEAL_STILL_BAD		/* and temp had not the right bytes, or none */
};

struct heal_item {
	char id[STORE_ID + 1];
	uint64_t size;
	struct store_temp temp;	/* the right bytes; fd -1: none */
	enum heal_outcome outcome;
	enum store_state found;	/* of the old file */
};

enum heal_result {
	HEAL_DONE,		/* see the outcomes */
	HEAL_NO_STORE,		/* errno */
	HEAL_NO_DATABASE	/* db_error() */
};

/*
 * Heals the wrong ones of these and records it in the catalogue.  It sorts
 * items and uses up their temps.  A blob without a row gets one.
 */
enum heal_result heal_blobs(struct heal *h, struct heal_item *items,
	size_t count);

/*
 * Records the state of a blob, in a transaction of its own.  ino: the inode
 * number of the file that was read, 0 if there was none.  If another file has
 * the name by now, because the blob was healed, nothing is recorded.  0, or -1
 * with db_error().
 */
int heal_mark(PGconn *db, const struct store *s, const char *id,
	enum store_state state, uint64_t ino);
/* The inode number of a blob's file, 0 when there is none. */
uint64_t heal_ino(const struct store *s, const char *id);

#endif
