/*
 * Contents of small files that were fetched before anybody asked (client.h).
 *
 * Who opens a small file most likely opens its neighbours next.  How many are
 * fetched with it grows with every one that was then opened and halves with
 * every one that was thrown away unused; 1 is none but itself.
 */
#ifndef NTT_SANDBOX_AHEAD_H
#define NTT_SANDBOX_AHEAD_H

#include <stddef.h>

#include "tree.h"

struct held {
	struct node *node;
	struct held *older, *newer;
	char *bytes;
	size_t len;
};

struct ahead {
	struct held *oldest, *newest;
	size_t bytes;		/* of all held */
	size_t width;
};

void ahead_init(struct ahead *a);
void ahead_free(struct ahead *a);
/* Is it a file to be read this way at all? */
int ahead_is_small(const struct node *n);
/* Its content, which is the caller's now; NULL: it is not held. */
char *ahead_take(struct ahead *a, struct node *n);
/* Holds a copy of the bytes of a node, which are all of its file. */
void ahead_hold(struct ahead *a, struct node *n, const char *bytes,
	size_t len);
/* What is held of a node is not wanted any more. */
void ahead_drop(struct ahead *a, struct node *n);
/*
 * n and neighbours that were not fetched before, marked as fetched, at most
 * GUEST_FILES_MAX; how many.
 */
size_t ahead_group(const struct ahead *a, struct node *n,
	struct node **group);

#endif
