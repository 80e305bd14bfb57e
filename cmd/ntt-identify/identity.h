/*
 * Which medium is this?  The hash of a device, image or directory
 * (ntt-layout(5)): 32 lowercase hex digits, the first 16 bytes of a BLAKE3.
 *
 *   v2         ASCII "SIZE:<bytes>|MODEL:<model>|SERIAL:<serial>|", the first
 *              and the last 2048 sectors of 512 bytes
 *   v1         the same without the metadata
 *   directory  the bytes of the absolute path
 *   name       an image called <32 hex digits>.img carries its hash
 */
#ifndef NTT_IDENTITY_H
#define NTT_IDENTITY_H

#include <stdint.h>
#include <sys/types.h>

#include "image/container.h"

enum {
	IDENTITY_HEX = 32,
	IDENTITY_EDGE = 2048 * 512	/* bytes hashed at either end */
};

enum identity_kind {
	IDENTITY_DEVICE,
	IDENTITY_IMAGE,
	IDENTITY_DIRECTORY
};

struct identity {
	enum identity_kind kind;
	char hash[IDENTITY_HEX + 1];
	/* "" for directories and named images: */
	char v1[IDENTITY_HEX + 1];
	char v2_image[IDENTITY_HEX + 1];	/* model and serial unknown */
	const char *version;		/* "v2", "directory", "name" */
	uint64_t size;			/* bytes; 0 for directories */
	uint64_t unreadable;		/* bytes at the edges hashed as zeros */
	char model[65], serial[65];	/* "unknown" where unknown */
	char *path;			/* absolute; caller frees */
	/*
	 * Both edges are one byte repeated, or nothing could be read: such
	 * media are not told apart by their hash.
	 */
	int degenerate;
	/* what an image is that holds another image; NULL: none */
	const struct container *container;
	int footer;			/* a fixed VHD: size is without it */
};

/*
 * Looks at an image, device or directory.  For devices model and serial are
 * the caller's to find (NULL: "unknown"), and are cleaned as below.  0, or -1
 * with errno (ENODATA: the medium is empty; ENOTSUP: neither a regular file
 * nor a directory nor a block device; EMEDIUMTYPE: a container, unless its name
 * is that of an image of ours).
 */
int identity_of(const char *path, const char *model, const char *serial,
	struct identity *id);

/*
 * The same in a child that is given up after timeout_ms: ETIMEDOUT.  For
 * devices, which may never answer.
 */
int identity_within(const char *path, const char *model, const char *serial,
	struct identity *id, int timeout_ms);

/*
 * The hash of a medium of this size whose edges are head and tail (each
 * IDENTITY_EDGE bytes, or the whole medium when it is shorter, zero-padded to
 * whole sectors).  model NULL: v1.
 */
void identity_hash(char hex[IDENTITY_HEX + 1], uint64_t size,
	const char *model, const char *serial, const void *head,
	const void *tail, size_t edge);

/* Characters outside [A-Za-z0-9_-] become '_', 64 at most; "" is "unknown". */
void identity_clean(char out[65], const char *text);

const char *identity_kind_name(enum identity_kind kind);

#endif
