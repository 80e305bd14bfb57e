/*
 * What becomes of one inode: copied, linked, only recorded, or failed with its
 * class, its reason, and when to try again.
 */
#ifndef NTT_COPY_INODE_H
#define NTT_COPY_INODE_H

#include <magic.h>

#include "catalogue/queue.h"
#include "store/archived.h"
#include "batch.h"
#include "damage.h"
#include "digests.h"
#include "doubt.h"
#include "error.h"
#include "events.h"
#include "file.h"
#include "lost.h"
#include "meta.h"
#include "presence.h"
#include "source.h"

struct copier {
	struct source source;
	struct store store;
	struct archived archived;
	struct copy_reader reader;
	struct copy_batch batch;
	struct doubt doubt;
	struct digests digests;
	magic_t magic;		/* NULL: no MIME types */
	int mime_now;		/* determine them while the bytes are here */
	int health_known;	/* the medium has a map */
	struct damage *damage;	/* NULL: nothing of it is known to be lost */
	struct lost *lost;	/* NULL: there is no view where that fails */
	int live;		/* a directory, which may change */
	uint64_t beyond_end;	/* files behind the end of the image */
	uint64_t unknown_errors;
	uint64_t unstable;	/* files stored as the last reading gave them */
	struct presence presence;
	/*
	 * Failures that only a source which is still there may be blamed
	 * with.  They are in no batch yet; their inodes are the caller's.
	 */
	struct copy_held {
		struct queue_inode *inode;
		enum copy_class class;
		int err;
		char *damage, *text;
	} *held;
	size_t held_count;
	int answered;		/* bytes were read since the last of them */
	void (*confirm)(void);	/* ends the program if the source is gone */
	struct copy_events events;	/* to be saved after a commit */
	int kmsg;		/* kmsg_open(), or -1 */
	const char *trouble;	/* what is in trouble, after -1 */
	/* private */
	const char *mime;	/* of the file being read */
	int failing;		/* it is read where lost areas fail */
	struct xattrs xattrs;
};

/* source, store, archived and doubt are ready; stop: see copy_reader. */
int copier_init(struct copier *c, struct queue *q, int paranoid,
	int (*stop)(void));
void copier_free(struct copier *c);

/*
 * 0: its result is in the batch, or its failure among those that are held; -1
 * with errno: this machine or the destination (c->trouble) is in trouble and
 * no inode is to blame.
 */
int copy_inode(struct copier *c, struct queue_inode *inode,
	int likely_known);
/* The source is there: the failures that are held go into the batch. */
void copy_blame(struct copier *c);
/* It is not: they are forgotten. */
void copy_forgive(struct copier *c);
/* A directory of the tree; 0, or -1 as above. */
int copy_directory(struct copier *c, const struct queue_inode *inode);

#endif
