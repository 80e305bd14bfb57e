/*
 * Mounting a block device read-only by the kernel, or by a FUSE driver where
 * the kernel has no such file system.
 */
#ifndef NTT_FS_MOUNT_H
#define NTT_FS_MOUNT_H

#include <stddef.h>

#include "buf.h"

enum fs_outcome {
	FS_MOUNTED,
	FS_FAILED,
	FS_HUNG,		/* it did not end in time, and was left alone */
	FS_UNSUPPORTED		/* neither kernel nor driver */
};

struct fs_request {
	const char *device;
	const char *fstype;	/* libblkid's name */
	unsigned int session;	/* iso_last_session() */
	int target;		/* O_PATH descriptor of the mount point */
	const char *stage;	/* directory of ours a FUSE driver may use */
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
 * The ways to mount libblkid's fstype and session in a guest that shares our root
 * directory, each preceded by a blank: "name:type,option,…", or
 * "name:=driver,option,…" for a FUSE driver that is installed; name is what it
 * is then mounted as.  Nothing is added when none is known.
 */
void fs_mount_ways(const char *fstype, unsigned int session,
	struct buf *words);

#endif
