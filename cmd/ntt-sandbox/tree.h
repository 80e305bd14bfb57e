/*
 * The names of a volume that the kernel has asked about, as the client of the
 * guest (client.h) keeps them: one node a name, found again by its directory
 * and itself.  A node lives as long as the kernel or a caller refers to it,
 * and so does its directory; nothing on the image changes, so what was learnt
 * of it stays true.
 */
#ifndef NTT_SANDBOX_TREE_H
#define NTT_SANDBOX_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "wire.h"

struct held;

struct node {
	struct node *parent;		/* NULL: the root */
	struct node *first, *last;	/* of its children */
	struct node *before, *behind;	/* among its parent's children */
	struct node *same_hash;
	uint64_t refs;			/* children, kernel, callers */
	struct stat st;
	char *link;			/* target, or NULL: ask for it */
	int no_xattrs;
	struct held *held;		/* its contents, read ahead (ahead.h) */
	int fetched;			/* it was read ahead once */
	char name[];
};

/* Which of the guest's devices is which: the first is the root's. */
struct tree_devices {
	uint64_t *devs;
	size_t count;
};

struct tree {
	struct node *root;
	struct node **table;
	size_t slots, count;
	struct tree_devices devices;
	void (*gone)(struct node *n);	/* before a node is freed; NULL */
};

void tree_init(struct tree *t);
void tree_free(struct tree *t);

/* NULL: not known. */
struct node *tree_find(const struct tree *t, const struct node *dir,
	const char *name, size_t len);
/*
 * What the guest says of a name in dir (NULL: the root), which has no err and
 * no node yet.  With one reference, the caller's.
 */
struct node *tree_add(struct tree *t, struct node *dir,
	const struct guest_name *n);
void tree_ref(struct node *n, uint64_t count);
void tree_unref(struct tree *t, struct node *n, uint64_t count);

/*
 * The attributes of an entry without err.  0, or -1 with errno EOVERFLOW: see
 * tree_inode().
 */
int tree_attributes(struct tree *t, const struct guest_entry *e,
	struct stat *st);
/*
 * One number for device and inode of the guest, for the mount is one device:
 * inodes of the root's device keep theirs, those of the Nth other one (a
 * subvolume of btrfs) get N in the upper 16 bits.  0: they do not fit.
 */
uint64_t tree_inode(struct tree *t, uint64_t dev, uint64_t ino);

/* The path of name in a node, or of the node itself where name is NULL. */
void tree_path(struct buf *path, const struct node *n, const char *name);

#endif
