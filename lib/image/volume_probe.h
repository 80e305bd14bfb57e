/*
 * What is in one volume of an image, as libblkid sees it.
 */
#ifndef NTT_VOLUME_PROBE_H
#define NTT_VOLUME_PROBE_H

#include <blkid/blkid.h>
#include <stdint.h>

#include "image/layout.h"

/*
 * Sets kind, fstype, uuid, label and session from the bytes at data.  Also sets
 * length if the file system must not get more bytes.
 */
void volume_probe(int fd, struct volume *v);

/* libblkid, looking at length bytes from start; NULL: it cannot. */
blkid_probe volume_probe_new(int fd, uint64_t start, uint64_t length);

#endif
