/*
 * The digest of a directory's listing: whether anything has changed since it
 * was listed the last time.
 *
 * It is the sum, as a number of 256 bits modulo 2^256, of the BLAKE3 of
 *
 *	e 034 type 034 inode 034 size 034 mtime 034 path	of every entry
 *	m 034 inode 034 mtime 034 ctime			of every inode
 *
 * so it depends on no order.  Numbers are decimal, times of inodes have
 * nanoseconds, paths are relative to the root.  Devices and access times are
 * no part of it.
 */
#ifndef NTT_LISTING_H
#define NTT_LISTING_H

#include <stddef.h>
#include <stdint.h>

#include "raw/raw.h"

enum { LISTING_HEX = 64 };

struct listing {
	uint64_t sum[4];		/* the lowest first */
	uint64_t entries, inodes;
};

void listing_entry(struct listing *l, const struct raw_record *r,
	const char *path, size_t len);
void listing_meta(struct listing *l, const struct raw_record *r);
/* 1 and the digest; 0: without metadata there is none. */
int listing_digest(const struct listing *l, char hex[LISTING_HEX + 1]);

#endif
