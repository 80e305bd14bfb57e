/* Old stores have the empty file under the SHA-256 of nothing. */
#ifndef NTT_EMPTY_BLOB_H
#define NTT_EMPTY_BLOB_H

#include <libpq-fe.h>

/*
 * Gives it its BLAKE3: the file a second name, every row that one, and then
 * takes the old name away.  Safe to interrupt and to repeat.  1 there was
 * something to do, 0 not; -1 with db_error(), or errno if that is not 0.
 */
int empty_blob_migrate(PGconn *db, int store);

#endif
