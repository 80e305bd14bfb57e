/*
 * The places of the bytes of a file, asked block by block (FIBMAP, linux/fs.h).
 * More file systems answer this than FIEMAP, FAT among them, but it needs
 * CAP_SYS_RAWIO.
 */
#ifndef NTT_FIBMAP_H
#define NTT_FIBMAP_H

#include <stddef.h>
#include <stdint.h>

/* A run of bytes of the file and its place in the file system. */
struct fibmap_place {
	uint64_t logical, physical, length;
};

enum { FIBMAP_AT_ONCE = 1024 };	/* places shown together at most */

/*
 * Shows the places of the bytes from..size of fd to found, some at a time,
 * ascending; from is a multiple of the block size, FIGETBSZ.  0, or -1 with
 * errno: the places are not known (ENODATA: the file system has lost some of
 * them), or found returned nonzero.
 */
int fibmap_walk(int fd, uint64_t from, uint64_t size, int (*found)(void *arg,
	const struct fibmap_place *places, size_t n), void *arg);

#endif
