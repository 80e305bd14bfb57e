/*
 * What libblkid does not know of the Amiga: its file systems (OFS and FFS) and
 * the partition table of its hard disks.
 */
#ifndef NTT_AMIGA_H
#define NTT_AMIGA_H

#include <stdint.h>

/*
 * How many bytes an OFS or FFS has that begins at byte at of fd, where length
 * is what there is, or would be; 0: none does.  Its root block, in the middle
 * of it, says so, too.  A floppy disk's may be more or less than length.
 */
uint64_t amiga_extent(int fd, uint64_t at, uint64_t length);

struct amiga_partition {
	/* bytes, from where the disk begins; size 0: its entry is damaged */
	uint64_t start, size;
	char name[32];
};

enum { AMIGA_PARTITIONS = 128 };

/*
 * How many partitions the disk that begins at byte at of fd has; 0: no table.
 * The entries are a chain: behind a damaged one there may have been more.
 */
uint32_t amiga_table(int fd, uint64_t at,
	struct amiga_partition list[AMIGA_PARTITIONS]);

#endif
