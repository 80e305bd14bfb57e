/*
 * The extended attributes of a file, one after the other.
 *
 *	xattrs_init(&x);
 *	if (xattrs_list(&x, fd, NULL) < 0)
 *		…			not even their names
 *	while ((rc = xattrs_next(&x)) != 0)
 *		…			1: x.name, x.value; -1: x.name, errno
 *	xattrs_free(&x);
 *
 * If the file system has no attributes, or one vanished meanwhile, this is no
 * error.
 */
#ifndef NTT_XATTRS_H
#define NTT_XATTRS_H

#include "base/buf.h"

struct xattrs {
	const char *name;
	struct buf value;
	/* private */
	struct buf names;
	size_t at;
	int fd;
	const char *path;
};

void xattrs_init(struct xattrs *x);
void xattrs_free(struct xattrs *x);
/* Of fd or, unless NULL, of path, which is not followed.  0, -1 with errno. */
int xattrs_list(struct xattrs *x, int fd, const char *path);
int xattrs_next(struct xattrs *x);

#endif
