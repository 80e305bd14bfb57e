/*
 * What becomes of one inode: copied, linked, only recorded, or failed with its
 * class, its reason, and when to try again.
 */
#ifndef NTT_COPY_INODE_H
#define NTT_COPY_INODE_H

#include <magic.h>

#include "archived.h"
#include "copy_batch.h"
#include "copy_error.h"
#include "copy_events.h"
#include "copy_file.h"
#include "damage.h"
#include "queue.h"
#include "source.h"

struct copier {
	struct source source;
	struct store store;
	struct archived archived;
	struct copy_reader reader;
	struct copy_batch batch;
	magic_t magic;		/* NULL: no MIME types */
	int mime_now;		/* determine them while the bytes are here */
	int health_known;	/* the medium has a map */
	struct damage *damage;	/* NULL: nothing of it is known to be lost */
	uint64_t beyond_end;	/* files behind the end of the image */
	uint64_t unknown_errors;
	struct copy_events events;	/* to be saved after a commit */
	int kmsg;		/* kmsg_open(), or -1 */
	const char *trouble;	/* what is in trouble, after -1 */
	/* private */
	const char *mime;	/* of the file being read */
};

/* source, store and archived are open; stop: see copy_reader. */
int copier_init(struct copier *c, struct queue *q, int paranoid,
	int (*stop)(void));
void copier_free(struct copier *c);

/*
 * 0: its result is in the batch; an errno: none of its paths could be opened,
 * and copy_inode_failed() may blame it for that; -1 with errno: this machine
 * or the destination (c->trouble) is in trouble and no inode is to blame.
 */
int copy_inode(struct copier *c, struct queue_inode *inode,
	int likely_known);
void copy_inode_failed(struct copier *c, struct queue_inode *inode,
	int err);
/* A directory of the tree; 0, or -1 as above. */
int copy_directory(struct copier *c, const struct queue_inode *inode);

#endif
