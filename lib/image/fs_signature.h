/*
 * Superblocks, read without libblkid: whether a file system may begin at a
 * place, and how large it claims to be.  This is quick and not strict; ask
 * libblkid about each result.
 */
#ifndef NTT_FS_SIGNATURE_H
#define NTT_FS_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

enum {
	/* from its start to the end of the signature that lies farthest in */
	FS_SIGNATURE_REACH = 68 << 10
};

/*
 * The name that libblkid has for the file system that may begin with these len
 * bytes, "ext4" for all of its family, or NULL.  FS_SIGNATURE_REACH bytes are
 * enough.  A superblock that says that it is a second copy does not count.
 */
const char *fs_signature(const unsigned char *bytes, size_t len);

/* A boot sector's parameters of FAT that make sense, whatever else is in it. */
int fs_fat_parameters(const unsigned char *bytes, size_t len);

/*
 * The size in bytes that the file system at start of fd claims; fstype is its
 * type in libblkid.  Reads at most length bytes; 0: it claims none.
 */
uint64_t fs_extent(int fd, const char *fstype, uint64_t start,
	uint64_t length);

/*
 * If the sector at byte at of fd is the copy of a boot sector that FAT32, exfat
 * and NTFS keep: its distance from the start of its file system; else 0.
 */
uint64_t fs_copy_distance(int fd, const char *fstype, uint64_t at);

/*
 * The place and the length of the copy of a lost boot sector, for a file system
 * of type fstype with length bytes from start.  0: none.
 */
uint64_t fs_copy_find(int fd, uint64_t start, uint64_t length,
	const char **fstype, uint64_t *size);

#endif
