/*
 * What a file says of itself beside its bytes, taken while it is open: flags,
 * DOS attributes, holes, extended attributes.
 */
#ifndef NTT_COPY_META_H
#define NTT_COPY_META_H

#include <stddef.h>
#include <sys/stat.h>

#include "base/xattrs.h"
#include "catalogue/queue.h"

/* Larger values are contents of their own. */
enum { META_VALUE_MAX = 4096 };

/*
 * fd: a regular file of a file system of type fs_type; st: its fstat(2);
 * path: a name of it, for what could not be read.  NULL: there is nothing
 * that is not so with most files.  The offset of fd moves.
 */
struct queue_meta *meta_take(struct xattrs *x, int fd, const struct stat *st,
	unsigned long fs_type, const struct queue_path *path);
/* An attribute that is missing, and why: errno. */
void meta_unread(struct queue_meta *m, const char *name, int err,
	const struct queue_path *path);
/* What it holds in memory. */
size_t meta_size(const struct queue_meta *m);
void meta_free(struct queue_meta *m);

#endif
