/*
 * Volumes of an image, mounted by the kernel of a user-mode-linux process and
 * shown on this machine by FUSE: the guest runs a server (server.h) on a serial
 * line for each volume, and a client (client.h) is at the other end.
 *
 * What is damaged or short the guest reads through ntt-view(1), as two block
 * devices: one with zeros where nothing was rescued, one with errors.
 *
 * One process, the keeper, is the parent of the guest, of ntt-view and of every
 * client.
 * When any of them ends the keeper ends the others; when the keeper ends the
 * kernel sends them SIGTERM, and a client unmounts.  What root has mounted
 * fusermount3 unmounts when the client has ended.  The guest and the clients of root run as nobody.
 */
#ifndef NTT_SANDBOX_H
#define NTT_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "image/lvm_meta.h"
#include "image/view.h"

enum { SANDBOX_VOLUMES = 60 };	/* serial lines of a guest, but for one */

struct sandbox_volume {
	char *ways;			/* fs_mount_ways() */
	const struct dm_piece *pieces;	/* of the image, in their order */
	size_t piece_count;
	int failing;			/* where what is lost fails */
	char *point;			/* an existing directory, absolute */
	int ok;
	int unknown;			/* not ok: no driver for it there */
	char fstype[24];		/* what it was mounted as */
	char by[48];			/* and by whom */
	char reason[256];		/* where it is not ok */
	int line;			/* our end of its serial line */
	int pid;			/* of its client */
};

struct sandbox {
	const char *image;		/* absolute */
	const struct view *view;	/* NULL: of the image as it is */
	int file, log;			/* with a view: the image, the log */
	struct sandbox_volume *volumes;
	size_t count;
	int timeout_ms;			/* for the guest to be ready, and for
					 * each of its answers later */
	int everybody;			/* other users may enter the mounts */
	char dir[32];			/* temporary */
	int control;			/* our end of serial line 0 */
	int guest;			/* its process group */
	int viewer;			/* ntt-view */
};

/*
 * Starts the guest and mounts what it could mount.  0 and ok or reason in
 * each volume, or -1 with why; sandbox_end() in any case.
 */
int sandbox_start(struct sandbox *s, const char **why);
/* The guest needs no file of ours any more. */
void sandbox_remove_files(struct sandbox *s);
/* Waits until a process of it has ended, or a signal came. */
void sandbox_wait(const struct sandbox *s);
/* Unmounts, ends every process, removes the mount points' mounts. */
void sandbox_end(struct sandbox *s);

/* fusermount3 -u; 0, or -1: it is in use. */
int sandbox_unmount(const char *point, int lazy);

#endif
