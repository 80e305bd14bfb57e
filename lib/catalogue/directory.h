/*
 * The column dir of path: what is in a directory is found by an index on it.
 * sql/0006-browse.sql computes the same.
 */
#ifndef NTT_DIRECTORY_H
#define NTT_DIRECTORY_H

#include <stdint.h>

#include "base/buf.h"

/* Of the root of a medium, which is in no directory. */
enum { DIRECTORY_OF_ROOT = 0 };

/* What everything in the directory with this path has. */
int64_t directory_hash(const void *path, size_t len);

/* The directory of the last path: what follows is mostly in the same one. */
struct directory_memo {
	struct buf path;
	int64_t hash;
	int known;
};

#define DIRECTORY_MEMO_INIT { BUF_INIT, 0, 0 }

/* What a path has, whose directory is all before its last slash. */
int64_t directory_of(struct directory_memo *memo, const char *path,
	size_t len);

#endif
