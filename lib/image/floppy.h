/*
 * Floppy disks whose first sector says nothing of their file system: those of
 * DOS 1 to 3, which knew all formats by a byte of the file allocation table,
 * and those that have lost it.
 */
#ifndef NTT_FLOPPY_H
#define NTT_FLOPPY_H

#include <stdint.h>

enum { FLOPPY_BOOT = 512 };

/*
 * 1 if the length bytes from at of fd are such a disk of FAT: its size, its
 * two tables, of which one may be lost, and its root directory must fit.  boot
 * gets a boot sector that says so.
 */
int floppy_boot(int fd, uint64_t at, uint64_t length,
	unsigned char boot[FLOPPY_BOOT]);

#endif
