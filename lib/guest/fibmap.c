#define _GNU_SOURCE
#include "guest/fibmap.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

/* Others that answer 0 do not know, or have found damage. */
static int
has_holes(int fd)
{
	struct statfs v;

	return fstatfs(fd, &v) == 0 && (v.f_type == EXT4_SUPER_MAGIC ||
	    v.f_type == XFS_SUPER_MAGIC);
}

int
fibmap_walk(int fd, uint64_t from, uint64_t size, int (*found)(void *arg,
    const struct fibmap_place *places, size_t n), void *arg)
{
	struct fibmap_place places[FIBMAP_AT_ONCE], *p = places;
	uint64_t block, unit, place;
	int block_size, at, holes = has_holes(fd);

	if (ioctl(fd, FIGETBSZ, &block_size) < 0)
		return -1;
	unit = (uint64_t)block_size;
	p->length = 0;
	for (block = from / unit; block * unit < size; block++) {
		errno = EFBIG;
		at = (int)block;
		if (block > INT_MAX || ioctl(fd, FIBMAP, &at) < 0)
			return -1;
		errno = ENODATA;
		if (at < 0 || (at == 0 && !holes))
			return -1;
		if (at == 0)
			continue;
		place = (uint64_t)at * unit;
		if (p->length && p->logical + p->length == block * unit &&
		    p->physical + p->length == place) {
			p->length += unit;
			continue;
		}
		if (p->length && ++p == places + FIBMAP_AT_ONCE) {
			if (found(arg, places, FIBMAP_AT_ONCE) != 0)
				return -1;
			p = places;
		}
		*p = (struct fibmap_place){ block * unit, place, unit };
	}
	if (p->length && found(arg, places, (size_t)(p - places) + 1) != 0)
		return -1;
	return 0;
}
