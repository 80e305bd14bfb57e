/* Names in a bag (BagIt, RFC 8493). */
#ifndef NTT_BAG_NAME_H
#define NTT_BAG_NAME_H

#include <stddef.h>

#include "base/buf.h"

/* CR and LF as a manifest has them. */
void bag_put_in_manifest(struct buf *b, const char *path);
/*
 * A path that manifests cannot have, or that validators read differently: what
 * is not UTF-8, a percent sign (RFC 8493 has %25, which bagit-python does not
 * decode), control characters and others that end a line for Python, white
 * space at the end, more than two CR or LF.
 */
int bag_must_rename(const char *path, size_t len);
/* Such a path as a name in ASCII, with =XX for other bytes; reversible. */
void bag_put_renamed(struct buf *b, const char *path, size_t len);

#endif
