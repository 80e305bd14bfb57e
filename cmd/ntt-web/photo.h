/*
 * A photo of a medium itself: IMAGE_ROOT/HASH.jpg, .jpeg or .png, which somebody
 * put there.
 */
#ifndef NTT_WEB_PHOTO_H
#define NTT_WEB_PHOTO_H

/* Its path, which the caller frees; NULL: there is none, or none is shown. */
char *photo_of(const char *medium);

#endif
