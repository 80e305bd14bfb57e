/*
 * The mounts of one medium: at POINT (its mount point) and at POINT/pN, as
 * /proc/self/mountinfo has them.  A directory of the medium that is called p1
 * is not one of them.
 */
#ifndef NTT_MEDIUM_MOUNTS_H
#define NTT_MEDIUM_MOUNTS_H

#include "mount/mount_registry.h"

/* "." or "p5" below point; caller frees. */
char *medium_mount_path(const char *point, const char *name);

/* How many mounts there are at several points, NULL ends them; -1 with errno. */
int medium_mounts_count(const char *const *points);

/*
 * Whether every mount of the registry, of one of its two kinds, is where it
 * was: 1 yes, 0 no, -1 with errno.  A FUSE mount whose driver has died does not
 * count.  If something else is mounted on top of a mount, it is unmounted if
 * peel is set; otherwise the mount counts as gone.
 */
int medium_mounts_confirm(const char *point, const struct registry *r,
	unsigned int failing, int peel, int timeout_ms);

/*
 * Unmounts all those of several points (NULL ends them), the last first.  How
 * many, or -1 with errno (EBUSY: one is in use, and all are still there;
 * ETIMEDOUT: it hung) and *culprit, which the caller frees.
 */
int medium_mounts_remove(const char *const *points, int timeout_ms,
	char **culprit);

#endif
