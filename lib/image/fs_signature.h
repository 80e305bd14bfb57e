/*
 * What a superblock tells without libblkid: that a file system may begin
 * somewhere, and how large it says it is.  Quick and not strict: who finds one
 * asks libblkid.
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
 * libblkid's name, "ext4" for all of its family, of what may begin with these
 * len bytes (FS_SIGNATURE_REACH of them say all), or NULL.  A second copy of a
 * superblock that says it is one is none.
 */
const char *fs_signature(const unsigned char *bytes, size_t len);

/* A boot sector's parameters of FAT that make sense, whatever else is in it. */
int fs_fat_parameters(const unsigned char *bytes, size_t len);

/*
 * The bytes that the file system of libblkid's type fstype at start of fd says
 * it has, at most length of them are read; 0: it does not say.
 */
uint64_t fs_extent(int fd, const char *fstype, uint64_t start,
	uint64_t length);

/*
 * How far behind the start of its file system this boot sector at byte at of
 * fd is, if it is the copy that FAT32, exfat and NTFS keep; 0: it is none.
 */
uint64_t fs_copy_distance(int fd, const char *fstype, uint64_t at);

/*
 * Where the copy is of the boot sector that is lost of a file system of length
 * bytes from start, and how long it is; fstype is what it is.  0: none.
 */
uint64_t fs_copy_find(int fd, uint64_t start, uint64_t length,
	const char **fstype, uint64_t *size);

#endif
