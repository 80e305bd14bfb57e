/*
 * VHD images (Microsoft's specification, version 1.0) that have only what
 * differs from another one, their parent.  A chain is the image, its parent,
 * and so on; the last link is a dynamic or a fixed VHD.
 */
#ifndef NTT_RUN_VHD_H
#define NTT_RUN_VHD_H

#include <stddef.h>
#include <stdint.h>

enum vhd_type { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

enum { VHD_SECTOR = 512, VHD_ID = 16, VHD_NAME = 768 };

struct vhd {
	int fd;			/* the caller's */
	uint64_t file_size;
	uint32_t type;
	uint64_t size;		/* of the disk */
	unsigned char id[VHD_ID];
	/* of those that are not fixed */
	uint32_t *table;
	uint32_t entries, block, bitmap;	/* bytes of the last two */
	uint64_t allocated;			/* bytes in blocks */
	/* of differencing ones; the name without directories, in UTF-8 */
	unsigned char parent_id[VHD_ID];
	char parent[VHD_NAME];
};

/* 0, or -1 with *why: a clause that continues "it is … that". */
int vhd_open(struct vhd *v, int fd, uint64_t file_size, const char **why);
void vhd_close(struct vhd *v);

/* size bytes at a whole sector of the disk; size is of whole sectors, too. */
int vhd_read(const struct vhd *chain, size_t links, char *bytes, size_t size,
	uint64_t at);

#endif
