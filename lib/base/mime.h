/*
 * MIME types, by libmagic.  All programs use this module, so a content has the
 * same type in all of them.
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
