/*
 * Names that no file system of Linux takes: exFAT, NTFS and UDF have names of 255
 * characters, which are up to 765 bytes.
 */
#ifndef NTT_SHORT_NAME_H
#define NTT_SHORT_NAME_H

#include <stddef.h>

#include "base/buf.h"

enum { SHORT_NAME_MAX = 255 };	/* bytes of a name, NAME_MAX */

/*
 * A name of at most SHORT_NAME_MAX bytes and a NUL for one of len bytes: its
 * beginning, "~" and 16 digits of the BLAKE3 of all of it.  The same name
 * always gives the same result.  If the result is taken, call again with a
 * higher tries; the first is 0.
 */
void short_name(char name[SHORT_NAME_MAX + 1], const char *full, size_t len,
	int tries);

/*
 * A path with its components that are too long shortened, in room; path itself if
 * there are none.
 */
const char *short_path(const char *path, struct buf *room);

#endif
