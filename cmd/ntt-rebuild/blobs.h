/* What the store has, by the names and sizes of its files; no byte is read. */
#ifndef NTT_REBUILD_BLOBS_H
#define NTT_REBUILD_BLOBS_H

#include <libpq-fe.h>
#include <stdint.h>

/*
 * Into the table rebuild_blob.  The number of blobs in *count.  0; -1 with
 * errno and *path, which the caller frees, or 0 and db_error().
 */
int blobs_list(PGconn *db, const char *root, uint64_t *count, char **path);

#endif
