/* A name in the tree of a medium: made right, or looked at. */
#ifndef NTT_RELINK_H
#define NTT_RELINK_H

#include "archived.h"
#include "verify_link.h"

struct relink {
	struct store store;	/* only .root is needed */
	struct archived tree;	/* to repair in */
	struct verify_tree there;	/* to look at; .root -1: no tree */
	char *buffer;		/* private */
};

#define RELINK_INIT { { .root = -1, .temporaries = -1 }, \
	{ .root = -1, .parent = -1 }, { -1, -1, NULL }, NULL }

struct relink_name {
	const char *path, *id;	/* id: of its blob; "" for a directory */
	char type;		/* f, l or d */
};

/* Both trees; the store stays open. */
void relink_close(struct relink *r);

/*
 * 1 made, 0 it was right, -1 with errno: EBADMSG when the blob of a symbolic
 * link is not what its id says; see archived_conflict() for the others.
 */
int relink_repair(struct relink *r, const struct relink_name *n);

/*
 * Good is a file that is the blob's inode, or a copy where the blob may have
 * all the links that its file system allows.
 */
enum verify_outcome relink_check(struct relink *r,
	const struct relink_name *n);

#endif
