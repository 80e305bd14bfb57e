/*
 * The places of the bytes of a file in a mount of ntt-sandbox(1), in its
 * volume.
 *
 * The mount answers for the attribute "ntt.places.N" of each regular file,
 * which no listing shows: an array of struct fibmap_place for the bytes from N
 * on.  The last one has length 0; its logical says where to ask again.  If this
 * is not beyond N, there is nothing more.  The errno is that of fibmap_walk().
 * No file system has an attribute of this name, because the kernel does not
 * know its first word.
 */
#ifndef NTT_GUEST_PLACES_H
#define NTT_GUEST_PLACES_H

#include "guest/fibmap.h"

#define GUEST_PLACES_PREFIX "ntt.places."

enum { GUEST_PLACES_MAX = 2048 };	/* in one value, but for the last */

#endif
