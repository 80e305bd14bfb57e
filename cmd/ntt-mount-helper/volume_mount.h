/*
 * One recognised volume of an image: its loop device, its mount point, its
 * mount.
 */
#ifndef NTT_VOLUME_MOUNT_H
#define NTT_VOLUME_MOUNT_H

#include "image/image_open.h"
#include "image/layout.h"
#include "mount/mount_registry.h"
#include "mount/mount_report.h"

/* A file to mount from, and where. */
struct volume_side {
	int file;		/* the image or one of its view's; -1: none */
	int point_fd;		/* the medium's mount point, O_PATH */
	const char *point;	/* the same as a path */
};

/* Where the volumes of one medium go. */
struct volume_place {
	const struct image *image;
	const struct view *view;	/* NULL: of the image itself */
	struct volume_side plain;
	struct volume_side failing;	/* where what is lost fails */
	int refused;			/* the log of that, or -1 */
	int multi;		/* at pN below it, and not at itself */
	const char *run_dir;
	int strict;		/* see trusted_dir() */
	int timeout_ms;
	struct registry *reg;	/* what is mounted is added */
};

void volume_mount(const struct volume_place *p, const struct volume *v,
	struct volume_outcome *o);

#endif
