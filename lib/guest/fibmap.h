/*
 * Where a file has its bytes, asked block by block (FIBMAP, linux/fs.h): more
 * file systems know that than FIEMAP, FAT among them, but only who has
 * CAP_SYS_RAWIO may ask.
 */
#ifndef NTT_FIBMAP_H
#define NTT_FIBMAP_H

#include <stddef.h>
#include <stdint.h>

/* So many bytes of the file are there in its file system. */
struct fibmap_place {
	uint64_t logical, physical, length;
};

enum { FIBMAP_AT_ONCE = 1024 };	/* places shown together at most */

/*
 * Shows the places of the bytes from..size of fd to found, some at a time,
 * ascending; from is a multiple of the block size, FIGETBSZ.  0, or -1 with errno: it cannot be told (ENODATA: the file system
 * has lost some of them), or found returned nonzero.
 */
int fibmap_walk(int fd, uint64_t from, uint64_t size, int (*found)(void *arg,
	const struct fibmap_place *places, size_t n), void *arg);

#endif
