/*
 * Pictures of contents, made small: JPEG files that vipsthumbnail makes in a
 * sandbox from bytes that were hashed.  No browser gets the bytes of a medium
 * as a picture.
 *
 * They are kept in a cache, once for each content and size.  A content of which
 * vipsthumbnail can make no picture is remembered as such for a month.  The
 * cache has 256 directories of at most 4 MB; a new picture removes those of its
 * directory that nobody looked at for longest.
 */
#ifndef NTT_WEB_PICTURE_H
#define NTT_WEB_PICTURE_H

#include <stddef.h>

#include "base/buf.h"

enum picture_size {
	PICTURE_SMALL,		/* in lists */
	PICTURE_LARGE,		/* on the page of a file */
	/* the same of photos of media, which are no contents of the store */
	PICTURE_PHOTO_SMALL, PICTURE_PHOTO_LARGE
};

enum { PICTURE_MOST = 256 << 20 };	/* bytes of a content */

/* Once, before there are answers: where the cache is. */
void picture_start(void);
/* Are the programs that make pictures installed? */
int picture_possible(void);

/* May the content be a picture, by its first bytes, PICTURE_HEAD at most? */
enum { PICTURE_HEAD = 1024 };
int picture_plausible(const void *head, size_t len);
/* By its MIME type, or if that is NULL by its name. */
int picture_likely(const char *mime, const char *name, size_t len);

enum picture_state {
	PICTURE_KEPT, PICTURE_NONE, PICTURE_UNKNOWN
};

/* In the cache; of one that is kept the bytes, if jpeg is not NULL. */
enum picture_state picture_find(const char *blob, enum picture_size size,
	struct buf *jpeg);
/*
 * From file, whose bytes are those of the blob, into jpeg and the cache: a
 * state, PICTURE_UNKNOWN after the reason was said on standard error.
 */
enum picture_state picture_make(const char *file, const char *blob,
	enum picture_size size, struct buf *jpeg);

/*
 * Removes pictures of contents that the catalogue has no more.  unknown() gets the
 * ids of some, "{a,b,…}", and calls forget() for each that is gone.
 */
void picture_clean(void (*unknown)(const char *ids,
	void (*forget)(const char *id)));
/* Gives it to the visitor; ends the process. */
void picture_reply(const struct buf *jpeg) __attribute__((noreturn));

#endif
