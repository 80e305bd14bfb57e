/*
 * Enumeration where the file system is: inside the guest of a sandbox.
 *
 * SFTP carries neither inode numbers nor link counts, so what sshfs shows is
 * not walked through it.  A walker in the guest walks the volume itself and
 * answers in frames; the keeper (sandbox_relay.h) passes them on to whoever
 * asks at a socket in NTT_RUN_DIR.  The guest may be in the hands of a hostile
 * image: of what it says only what is well-formed counts.
 */
#ifndef NTT_SANDBOX_WALK_H
#define NTT_SANDBOX_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "fibmap.h"
#include "walk.h"

/* What the source of such a mount is called. */
#define SANDBOX_SOURCE "ntt-sandbox"

enum sandbox_order_kind {
	SANDBOX_WALK,
	SANDBOX_PLACES		/* of the bytes of one file */
};

/* From who asks: followed by point_len bytes of the mount's path, then path. */
struct sandbox_question {
	uint32_t kind;
	uint32_t point_len;
	uint32_t path_len;	/* below it; 0: all of it */
};

/* From the keeper to the guest: followed by path_len bytes. */
struct sandbox_order {
	uint32_t kind;
	uint32_t volume;	/* its number in the guest, from 1 */
	uint32_t path_len;
};

enum sandbox_frame_kind {
	SANDBOX_RECORDS = 1,	/* records of a .raw; paths begin with "." */
	SANDBOX_PROBLEM,	/* a path: "could not <doing> <path>: err" */
	SANDBOX_END,		/* err: as of walk_tree(), 0: it is complete */
	SANDBOX_PLACE		/* an array of struct fibmap_place */
};

struct sandbox_frame {
	uint32_t kind;
	uint32_t len;		/* of what follows */
	int32_t err;
	uint32_t fs_type;	/* of the volume, as statfs(2) has it */
	char doing[24];
};

enum { SANDBOX_FRAME_MAX = 4 << 20 };

/* Where in a sandbox a directory is. */
struct sandbox_spot {
	char *hash, *point, *path;
};

/*
 * 1: root lies in the mount of a sandbox below mount_root, and the spot is the
 * caller's; 0: it does not.
 */
int sandbox_spot_find(struct sandbox_spot *spot, const char *root,
	const char *mount_root);
void sandbox_spot_free(struct sandbox_spot *spot);

/*
 * As walk_tree(), which it stands for.  ENOTCONN: the sandbox is gone, or what
 * came is not what a walker says.
 */
int sandbox_walk(struct walk *w, const char *root,
	const struct sandbox_spot *spot, const char *run_dir);

/*
 * Where the file at spot has its bytes: 0, and places is the caller's; -1 with
 * errno when it cannot be told.  They ascend, do not overlap, and nothing else
 * is known of them.
 */
int sandbox_places(const struct sandbox_spot *spot, const char *run_dir,
	struct fibmap_place **places, size_t *count);

/*
 * One frame but the last, with f->len bytes behind its header.  0, or -1 with
 * errno EBADMSG when it is none; otherwise what the functions of w returned.
 */
int sandbox_walk_frame(struct walk *w, const char *root,
	const struct sandbox_frame *f, const char *bytes);

/*
 * The walker: answers orders from fd on fd until it ends.  Volume N is at N
 * below the directory dir.
 */
void sandbox_walk_serve(int fd, const char *dir);

/* The answer to an order, from fd: as sandbox_walk(). */
int sandbox_walk_listen(struct walk *w, const char *root, int fd);

/* The name of the socket in NTT_RUN_DIR; caller frees. */
char *sandbox_socket_name(const char *hash);

#endif
