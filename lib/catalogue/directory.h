/*
 * The column dir of path; its index finds the entries of a directory.
 * sql/0006-browse.sql computes the same.
 */
#ifndef NTT_DIRECTORY_H
#define NTT_DIRECTORY_H

#include <stdint.h>

#include "base/buf.h"

/* The value for the root of a medium, which is in no directory. */
enum { DIRECTORY_OF_ROOT = 0 };

/* The value for all entries of the directory with this path. */
int64_t directory_hash(const void *path, size_t len);

/* The directory of the last path; the next path is mostly in the same one. */
struct directory_memo {
	struct buf path;
	int64_t hash;
	int known;
};

#define DIRECTORY_MEMO_INIT { BUF_INIT, 0, 0 }

/* The value for a path; its directory is everything before the last slash. */
int64_t directory_of(struct directory_memo *memo, const char *path,
	size_t len);

#endif
