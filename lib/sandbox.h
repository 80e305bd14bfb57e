/*
 * Volumes of an image, mounted by the kernel of a user-mode-linux process and
 * shown on this machine by sshfs: the guest runs an SFTP server on a serial
 * line for each, and sshfs is at the other end.
 *
 * One process, the keeper, is the parent of the guest and of every sshfs.
 * When any of them ends it ends the others and unmounts; when it ends itself
 * the kernel sends them SIGTERM.  The guest of root runs as nobody.
 */
#ifndef NTT_SANDBOX_H
#define NTT_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "dm_linear.h"

struct sandbox_relay;

enum { SANDBOX_VOLUMES = 60 };	/* serial lines of a guest, but for two */

struct sandbox_volume {
	char *ways;			/* fs_mount_ways() */
	const struct dm_piece *pieces;	/* of the image, in their order */
	size_t piece_count;
	char *point;			/* an existing directory, absolute */
	int ok;
	char fstype[24];		/* what it was mounted as */
	char reason[256];		/* where it is not ok */
	int line;			/* our end of its serial line */
	int pid;			/* of its sshfs */
};

struct sandbox {
	const char *image;		/* absolute */
	struct sandbox_volume *volumes;
	size_t count;
	int timeout_ms;			/* for the guest to be ready */
	int everybody;			/* sshfs lets other users in */
	char dir[32];			/* temporary */
	int control;			/* our end of serial line 0 */
	int walker;			/* our end of the last line */
	int guest;			/* its process group */
};

/* What is missing on this machine, as one clause, or NULL. */
const char *sandbox_missing(void);

/*
 * Starts the guest and mounts what it could mount.  0 and ok or reason in
 * each volume, or -1 with why; sandbox_end() in any case.
 */
int sandbox_start(struct sandbox *s, const char **why);
/* The guest needs no file of ours any more. */
void sandbox_remove_files(struct sandbox *s);
/*
 * Waits until a process of it has ended, or a signal came, and answers what
 * comes through the relay meanwhile.
 */
void sandbox_wait(const struct sandbox *s, struct sandbox_relay *relay);
/* Unmounts, ends every process, removes the mount points' mounts. */
void sandbox_end(struct sandbox *s);

/* fusermount3 -u; 0, or -1: it is in use. */
int sandbox_unmount(const char *point, int lazy);

#endif
