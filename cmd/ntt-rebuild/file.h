/* A medium from a file of what the catalogue knew of it: ntt-catalogue(5). */
#ifndef NTT_REBUILD_FILE_H
#define NTT_REBUILD_FILE_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"

/* Its first line; 0, or -1 with *why, which the caller frees. */
int file_first_line(int fd, struct buf *line, char **why);

/*
 * In the transaction that db is in.  0 and how many inodes it has; -1 with
 * *why, one clause that the caller frees, and the transaction is to be rolled
 * back.
 */
int file_take(PGconn *db, const char *medium, int fd, uint64_t *inodes,
	char **why);

#endif
