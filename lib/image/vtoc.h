/*
 * The tables of slices in MBR partitions of Solaris and of UnixWare that
 * libblkid does not find.
 */
#ifndef NTT_VTOC_H
#define NTT_VTOC_H

#include <stdint.h>

struct vtoc_slice {
	uint64_t start, size;	/* bytes, where the disk's sector 0 is 0 */
	int swap;
};

enum { VTOC_SLICES = 16 };

/*
 * Those of the partition of this MBR type that begins at byte start of the
 * disk, which begins at byte base of fd; without those that stand for all of
 * it.  0: it has no such table.
 */
uint32_t vtoc_read(int fd, uint64_t base, uint64_t start, int type,
	struct vtoc_slice slices[VTOC_SLICES]);

#endif
