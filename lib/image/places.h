/*
 * A few places of a medium, by which a program can tell in seconds whether an
 * image was made from a device: places of 4 KiB at even distances, 16 bytes of
 * BLAKE3 for each.  A place that could not be read, or was not rescued, is
 * sixteen zeros, and is not compared.
 */
#ifndef NTT_PLACES_H
#define NTT_PLACES_H

#include <stddef.h>
#include <stdint.h>

#include "image/mapfile.h"

enum { PLACE_BYTES = 4096, PLACE_DIGEST = 16, PLACES_MAX = 4096 };

/* size / 64 KiB of them, 4096 (optical discs: 256) at most, 64 at least. */
size_t places_count(uint64_t size, int optical);

/*
 * Reads count places of fd into digests, count * PLACE_DIGEST bytes.  map: what
 * was rescued, NULL for all.  After limit_ms the rest counts as unreadable.
 */
void places_read(int fd, uint64_t size, const struct mapfile *map,
	size_t count, int limit_ms, uint8_t *digests);

/*
 * The number of places that both have; *differ: how many of these differ.
 */
size_t places_compare(const uint8_t *a, const uint8_t *b, size_t count,
	size_t *differ);

/* Fewer than this many in common tell nothing. */
size_t places_needed(size_t count);

#endif
