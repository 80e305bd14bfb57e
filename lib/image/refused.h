/*
 * The reads of a view that failed, one line of 32 bytes each: where and how
 * many bytes, in decimal digits.
 *
 *	00000000000001048576 0000004096
 *
 * So the size of the file tells how many they are.  If a line cannot be
 * written, because the disk is full, it is 32 NUL bytes; it still counts.
 */
#ifndef NTT_REFUSED_H
#define NTT_REFUSED_H

#include <stddef.h>
#include <stdint.h>

enum { REFUSED_LINE = 32 };

struct refused_read {
	uint64_t pos, size;	/* size 0: it is not known which */
};

/* How many there are; -1 with errno. */
int64_t refused_count(int fd);
/* Number n, from 0; 0, or -1 with errno (ENODATA: there is no such line). */
int refused_get(int fd, uint64_t n, struct refused_read *r);
/*
 * Adds a line; only one process may do so.  -1 with errno: it could not be
 * added.
 */
int refused_add(int fd, uint64_t pos, uint64_t size);

#endif
