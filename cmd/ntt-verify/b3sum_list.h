/*
 * The files of a medium as "b3sum --check" reads them: paths relative to the
 * medium's root, so that the list is checked in the archived tree or on the
 * mounted medium itself.
 */
#ifndef NTT_B3SUM_LIST_H
#define NTT_B3SUM_LIST_H

#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

/*
 * One line for a path, with its newline.  0: b3sum has no way to write it
 * (not UTF-8, or ending in a carriage return), and nothing was put.
 */
int b3sum_line(struct buf *out, const char *id, const char *path,
	size_t len);

/*
 * Writes the list.  A path b3sum cannot write is replaced by that of its blob
 * in store (an absolute path), and counted.  0, -1 with db_error(), or errno
 * of the output if that is not 0.
 */
int b3sum_list(FILE *out, PGconn *db, const char *medium, const char *store,
	uint64_t *replaced);

#endif
