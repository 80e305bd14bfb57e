/*
 * FNV-1a, 64 bits (Fowler, Noll, Vo): a sum of bytes for tables and for names,
 * where nobody gains by a collision.
 */
#ifndef NTT_FNV_H
#define NTT_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_START 0xcbf29ce484222325u

/* Of these bytes behind those that gave hash, which is FNV_START for none. */
static inline uint64_t
fnv(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *b = bytes;

	while (len-- > 0)
		hash = (hash ^ *b++) * 0x100000001b3u;
	return hash;
}

#endif
