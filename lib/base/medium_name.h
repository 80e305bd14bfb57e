/*
 * A medium's name: its hash, or a label where there is no hash.
 *
 * Check that a name is valid before you call a function that builds a path, a
 * lock name or an SQL identifier from it.
 */
#ifndef NTT_MEDIUM_NAME_H
#define NTT_MEDIUM_NAME_H

enum { MEDIUM_MAX = 55 };	/* "inode_p_" and this fit an SQL identifier */

/* [a-z0-9][a-z0-9_-]{0,54}: what the catalogue holds. */
int medium_valid(const char *name);
/* 16 to 64 lowercase hexadecimal digits: what can be mounted. */
int medium_mountable(const char *name);

#endif
