/* Small pictures in lists; a page does not wait for them. */
#ifndef NTT_WEB_SMALL_H
#define NTT_WEB_SMALL_H

#include "base/buf.h"

/*
 * An <img> before the name of a file, if it is likely to have a picture.  blob
 * and mime may be NULL.
 */
void put_small(const char *medium, const struct buf *path, const char *blob,
	const char *mime);
/* Behind the list: a paragraph, if there are none because nothing makes them. */
void put_small_account(void);

#endif
