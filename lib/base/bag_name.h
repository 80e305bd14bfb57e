/* Names in a bag (BagIt, RFC 8493). */
#ifndef NTT_BAG_NAME_H
#define NTT_BAG_NAME_H

#include <stddef.h>

#include "base/buf.h"

/* CR, LF and % as a manifest has them. */
void bag_put_in_manifest(struct buf *b, const char *path);
/* A path of which not all is UTF-8, as a name in ASCII, reversible. */
void bag_put_renamed(struct buf *b, const char *path, size_t len);

#endif
