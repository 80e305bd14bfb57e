/*
 * Where a file in a mount of ntt-sandbox(1) has its bytes in its volume.
 *
 * The mount answers for the attribute "ntt.places.N" of each regular file,
 * which no listing shows: an array of struct fibmap_place for the bytes from N
 * on, and one of length 0 whose logical says where to ask again; when that is
 * not beyond N there is nothing more.  The errno is that of fibmap_walk().  No
 * file system has an attribute of this name: its first word is none of the
 * kernel's.
 */
#ifndef NTT_GUEST_PLACES_H
#define NTT_GUEST_PLACES_H

#include "guest/fibmap.h"

#define GUEST_PLACES_PREFIX "ntt.places."

enum { GUEST_PLACES_MAX = 2048 };	/* in one value, but for the last */

#endif
