/* A name in the tree of a medium: made right, or looked at. */
#ifndef NTT_RELINK_H
#define NTT_RELINK_H

#include "keep/heal.h"
#include "store/archived.h"
#include "store/verify_link.h"

struct relink {
	struct store store;	/* to look at, only .root is needed */
	struct heal heal;	/* .store is ours; .db NULL: opened when needed */
	struct archived tree;	/* to repair in */
	struct verify_tree there;	/* to look at; .root -1: no tree */
	char *buffer;		/* private */
};

#define RELINK_INIT { { .root = -1, .temporaries = -1 }, { 0 }, \
	{ .root = -1, .parent = -1, .dir_mode = 0755 }, { -1, -1, NULL }, NULL }

struct relink_name {
	const char *path, *id;	/* id: of its blob; "" for a directory */
	char type;		/* f, l or d */
};

/* Both trees; the store stays open. */
void relink_close(struct relink *r);

/*
 * 1 made, 0 it was right, -1 with errno: EBADMSG when the blob is not what its
 * id says; see archived_conflict() for the others; EIO with heal.db set may be
 * db_error().
 *
 * A regular file that is replaced by a link is read before, and so is the blob.
 * Where the blob is wrong and the file is right, the blob is healed with it;
 * where both are wrong both stay.
 */
int relink_repair(struct relink *r, const struct relink_name *n);

/*
 * Good is a file that is the blob's inode, or a copy where the blob may have
 * all the links that its file system allows.
 */
enum verify_outcome relink_check(struct relink *r,
	const struct relink_name *n);

#endif
