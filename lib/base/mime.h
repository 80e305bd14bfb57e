/*
 * MIME types, by libmagic: one way to ask, so that a content has the same type
 * whoever looks at it.
 */
#ifndef NTT_MIME_H
#define NTT_MIME_H

#include <magic.h>

/* No more of a content is looked at: its type is in its first bytes. */
enum { MIME_HEAD = 16384 };

/*
 * flags: MAGIC_MIME_TYPE, or MAGIC_MIME for the encoding too.  NULL with *why,
 * static.
 */
magic_t mime_open(int flags, const char **why);

#endif
