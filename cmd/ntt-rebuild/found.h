/*
 * Which media there are in ARCHIVE_ROOT and ARCHIVED_ROOT, by the names of
 * what is there.
 */
#ifndef NTT_REBUILD_FOUND_H
#define NTT_REBUILD_FOUND_H

#include <stddef.h>

#include "base/medium_name.h"

struct found {
	char hash[MEDIUM_MAX + 1];
	unsigned int newest;	/* number of its last catalogue file, 0: none */
	int archive, tree;
};

struct found_list {
	struct found *media;	/* in the order of their hashes */
	size_t count;
};

/* Roots that are not there have nothing.  0, or -1 with errno and *root. */
int found_scan(struct found_list *l, const char **root);
void found_free(struct found_list *l);

#endif
