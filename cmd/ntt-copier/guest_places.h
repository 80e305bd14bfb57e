/*
 * Where a file in a mount of ntt-sandbox(1) has its bytes in its volume: the
 * attribute of guest/places.h, read and checked.
 */
#ifndef NTT_COPIER_GUEST_PLACES_H
#define NTT_COPIER_GUEST_PLACES_H

#include <stddef.h>

#include "guest/places.h"

/*
 * 0, and places is the caller's; -1 with errno when it cannot be told (the
 * file is in no such mount, the file system does not say).  They ascend, do
 * not overlap, and nothing else is known of them.
 */
int guest_places(int fd, struct fibmap_place **places, size_t *count);

#endif
