/*
 * What the kernel knows: a node for each inode that it has looked up and not
 * forgotten.
 *
 * A file is one node, whatever its names are, so hard links are one inode.  A
 * directory is its path.  When there are more than NODES_WANTED, the kernel is
 * asked to forget those that were shown first: see node_sweep().
 */
#ifndef NTT_BROWSE_NODE_H
#define NTT_BROWSE_NODE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "media.h"

enum { NODES_WANTED = 200000 };

enum node_kind {
	NODE_ROOT, NODE_MEDIA,
	NODE_DIR,		/* of a medium; path "" is its root */
	NODE_FILE,		/* of a medium: anything that is no directory */
	NODE_TEXT,		/* what is missing of a medium */
	NODE_BLOBS,		/* blobs, blobs/ab, blobs/ab/cd: path "", … */
	NODE_BLOB
};

struct node {
	enum node_kind kind;
	struct shown *medium;	/* of DIR, FILE, TEXT */
	char *path;		/* of DIR, BLOBS; NUL-terminated */
	size_t len;
	/* private */
	struct entry entry;	/* node_entry() copies it */
	struct node *parent;	/* of the name; may be gone */
	char *name;
	uint64_t lookups;
	uint64_t opened;	/* which file of the store, last; 0: none */
	int64_t used;
	struct node *chain, *newer, *older;
};

/* The root, which is never forgotten. */
extern struct node node_root;

/*
 * The node, which the kernel has one reference more to; made if it is not
 * there.  It is called name in parent.  e is copied.
 */
struct node *node_get(enum node_kind kind, struct shown *m,
	const struct entry *e, const char *path, size_t len,
	struct node *parent, const char *name);
void node_forget(struct node *n, uint64_t count);
void node_entry(struct node *n, struct entry *e);
void node_set_entry(struct node *n, const struct entry *e);
/*
 * The node is opened as this file of the store.  1: the last time it was this
 * one, too, or it is the first time.
 */
int node_opened(struct node *n, uint64_t file);
/* Somebody works in this directory. */
void node_use(struct node *n);

/* The number that stat(2) shows. */
uint64_t node_number(enum node_kind kind, const struct shown *m,
	const struct entry *e, const char *path, size_t len);
void node_stat(enum node_kind kind, const struct shown *m,
	const struct entry *e, const char *path, size_t len, struct stat *st);

/*
 * Waits until there are too many nodes, and has drop() called for names that
 * can go, without any lock; for ever, in a thread of its own.
 */
void node_sweep(void (*drop)(struct node *parent, const char *name,
	size_t len));

#endif
