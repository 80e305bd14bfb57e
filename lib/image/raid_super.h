/*
 * Linux md superblocks, read by us: nothing is ever assembled.
 */
#ifndef NTT_RAID_SUPER_H
#define NTT_RAID_SUPER_H

#include <stdint.h>
#include <stddef.h>

struct raid_super {
	char version[8];	/* "0.90", "1.0", "1.1", "1.2" */
	char uuid[40];		/* as mdadm(8) writes it: a:b:c:d */
	char name[33];		/* of the array, "" if it has none */
	int level;		/* -1: linear */
	int disks;
	int role;		/* our place in it, -1: spare or faulty */
	uint64_t data, size;	/* where the data is in the member, in bytes */
};

/*
 * Looks in the four places of a member of len bytes at offset start of fd.
 * 1 found, 0 none, -1 with errno.
 */
int raid_super_find(int fd, uint64_t start, uint64_t len,
	struct raid_super *r);

/*
 * The 4096 bytes at byte at of a member of len bytes: 1 and *r if a superblock
 * that belongs there is in it.
 */
int raid_super_parse(const unsigned char *block, uint64_t at, uint64_t len,
	struct raid_super *r);

enum { RAID_SUPER_BYTES = 4096 };

#endif
