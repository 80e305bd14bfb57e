/*
 * One recognised volume of an image: its loop device, its mount point, its
 * mount.
 */
#ifndef NTT_VOLUME_MOUNT_H
#define NTT_VOLUME_MOUNT_H

#include "image_open.h"
#include "layout.h"
#include "mount_registry.h"

/* Where the volumes of one medium go. */
struct volume_place {
	const struct image *image;
	int point_fd;		/* the medium's mount point, O_PATH */
	const char *point;	/* the same as a path */
	int multi;		/* at pN below it, and not at itself */
	const char *run_dir;
	int strict;		/* see trusted_dir() */
	int timeout_ms;
	struct registry *reg;	/* what is mounted is added */
};

struct volume_outcome {
	const char *status;	/* "ok", "failed", …: the contract's words */
	char device[24], fstype[24], reason[520];
	char *mount;		/* NULL: not mounted; the caller frees */
};

void volume_mount(const struct volume_place *p, const struct volume *v,
	struct volume_outcome *o);

#endif
