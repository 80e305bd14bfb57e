/*
 * Is a file on a rotating disk?  One reader is best there; several on flash.
 *
 * If the flag of the kernel says no, it is believed.  Virtual disks and USB
 * adapters always say yes, so a yes is checked by reads in a few places past
 * the page cache: a disk that has to seek takes milliseconds for each.  No
 * access time changes: a file is read only if O_NOATIME is allowed.
 */
#ifndef NTT_ROTATING_H
#define NTT_ROTATING_H

#include <stddef.h>
#include <stdint.h>

/*
 * 1 it is, 0 it is not, -1 unknown (network file systems, no such file).
 * path may be a file, a directory or a block device.  Takes about a second
 * on a disk that rotates.
 */
int is_rotating(const char *path);

/*
 * Judges by the times of n reads, in nanoseconds; sorts them.  1 or 0, -1 with
 * fewer than four.
 */
int rotating_by_times(uint64_t *ns, size_t n);

#endif
