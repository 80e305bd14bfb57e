/* Is a path of the archived tree what the catalogue says? */
#ifndef NTT_VERIFY_LINK_H
#define NTT_VERIFY_LINK_H

#include "archived.h"
#include "verify_pool.h"

/*
 * Opens ARCHIVED_ROOT/<medium> without making it: 1; 0 there is none; -1 with
 * errno.
 */
int verify_tree_open(struct archived *a, const char *root,
	const char *medium);

/*
 * A file is good as the blob's inode, or as a copy of it (the file system had
 * no more links); a symbolic link when its target is the content.
 */
enum verify_outcome verify_link_check(const struct archived *a, int store,
	const char *id, const char *path, int symlink, char *buf);

#endif
