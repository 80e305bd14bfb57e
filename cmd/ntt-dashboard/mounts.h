/*
 * What is mounted of media, and the loop devices of images: what the registry
 * of mounts says, confirmed by the kernel.  Needs no rights; configuration
 * must be loaded.
 */
#ifndef NTT_DASH_MOUNTS_H
#define NTT_DASH_MOUNTS_H

#include <stddef.h>

enum dash_mount_state {
	DASH_MOUNTED,
	DASH_MOUNT_GONE,	/* registered, and not there any more */
	DASH_MOUNT_FOREIGN	/* there, and not registered */
};

struct dash_mount {
	char *medium, *point, *fstype;	/* fstype NULL: gone */
	enum dash_mount_state state;
};

struct dash_loop {
	int number;
	char *file;		/* any bytes */
	int deleted;		/* the file has no name any more */
	int mounted;		/* something is mounted from the device */
};

struct dash_mounts {
	struct dash_mount *mounts;
	struct dash_loop *loops;	/* deleted ones, and those of images */
	size_t mount_count, loop_count;
};

void dash_mounts_read(struct dash_mounts *m);
void dash_mounts_free(struct dash_mounts *m);
const char *dash_mount_state_name(enum dash_mount_state state);

#endif
