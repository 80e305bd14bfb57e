/*
 * Mounting a block device read-only by this kernel, and the ways in which a
 * guest (ntt-sandbox(1)) does it: its kernel first, then a FUSE driver.  No
 * FUSE driver runs on this machine: it would parse a hostile image with the
 * rights of root.
 */
#ifndef NTT_FS_MOUNT_H
#define NTT_FS_MOUNT_H

#include <stddef.h>

#include "base/buf.h"

enum fs_outcome {
	FS_MOUNTED,
	FS_FAILED,
	FS_HUNG,		/* it did not end in time, and was left alone */
	FS_UNSUPPORTED		/* this kernel has no such file system */
};

struct fs_request {
	const char *device;
	const char *fstype;	/* libblkid's name */
	unsigned int session;	/* iso_last_session() */
	unsigned int tree;	/* enum iso_tree */
	int target;		/* O_PATH descriptor of the mount point */
	int exact;		/* nothing is to be read ahead of its time */
	int timeout_ms;
};

struct fs_result {
	char fstype[24];	/* what it was mounted as */
	char reason[256];	/* one clause where it was not */
};

/*
 * Mounted with ro, nosuid, nodev, noexec, noatime, and nosymfollow where the
 * kernel has it.  Nothing is written: journals are not replayed.
 */
enum fs_outcome fs_mount(const struct fs_request *r, struct fs_result *result);

/*
 * The ways to mount libblkid's fstype, and of a disc this session and tree, in a
 * guest that shares our root directory, each preceded by a blank: "name:type,option,…", or
 * "name:=driver,option,…" for a FUSE driver that is installed; name is what it
 * is then mounted as.  They are tried in their order.  Nothing is added when
 * none is known.
 */
void fs_mount_ways(const char *fstype, unsigned int session,
	unsigned int tree, int exact, struct buf *words);

/*
 * What this machine lacks to mount fstype in a guest, as one clause that names
 * every missing package; caller frees, NULL: nothing.
 */
char *fs_mount_missing(const char *fstype);

#endif
