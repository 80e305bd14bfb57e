/*
 * A medium from its tree in ARCHIVED_ROOT: names, and contents by the inodes
 * that they share with the store.
 */
#ifndef NTT_REBUILD_TREE_H
#define NTT_REBUILD_TREE_H

#include <libpq-fe.h>
#include <stdint.h>

/*
 * In the transaction that db is in.  0 and how many names it has; -1 with
 * *why, one clause that the caller frees, and the transaction is to be rolled
 * back.
 */
int tree_take(PGconn *db, const char *medium, uint64_t *names, char **why);

#endif
