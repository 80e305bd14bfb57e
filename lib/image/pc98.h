/*
 * The partition table of NEC's PC-98, which counts in cylinders, heads and
 * sectors, and does not tell how many of them there are.  The size of a
 * cylinder is the one with which most partitions begin with a boot sector of
 * FAT.
 */
#ifndef NTT_PC98_H
#define NTT_PC98_H

#include <stdint.h>

enum { PC98_PARTITIONS = 16 };

struct pc98_partition {
	uint64_t start, size;	/* bytes from the beginning of the disk */
	char name[17];		/* "" where it is not ASCII */
};

/* The partitions in use of the disk at byte base; 0: it has no such table. */
uint32_t pc98_table(int fd, uint64_t base, uint64_t size,
	struct pc98_partition list[PC98_PARTITIONS]);

#endif
