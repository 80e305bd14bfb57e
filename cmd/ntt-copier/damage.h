/*
 * Which bytes of a file lie where the imager could not read?  ddrescue leaves
 * such areas as zeros, and the file reads without any error.
 *
 * The extents of the file (FIEMAP, or its blocks by FIBMAP) are compared with
 * the map beside the image; in a sandbox the guest is asked.  Where a file system does not say where its
 * bytes are (FUSE drivers, btrfs, whose addresses are not those of the disk)
 * the answer is "unknown".
 */
#ifndef NTT_DAMAGE_H
#define NTT_DAMAGE_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"
#include "image/mapfile.h"

struct damage {
	struct mapfile map;
	uint64_t image_size;		/* bytes, of the image file */
	struct damage_part {
		unsigned int number;
		uint64_t start;		/* of the file system in the image */
	} *parts;
	size_t part_count;
	int mapper;			/* of fibmap_start(), or -1 */
};

/*
 * Takes over mapper, a socket of fibmap_start() or -1.
 *
 * cut: the image is known to be shorter than what is on it, also where there is
 * no map.
 *
 * NULL without *error: there is no map, or it says that every byte was
 * rescued.  NULL with *error (caller frees): there is one and it cannot be
 * used.  The partitions come from the catalogue.
 */
struct damage *damage_open(PGconn *db, const char *medium, const char *image,
	int cut, int mapper, char **error);
void damage_close(struct damage *d);	/* NULL is fine */

/*
 * The lost ranges of the file behind fd, on this partition (0: the medium has
 * none), as the text of an int8multirange in bytes of the file; "" when it
 * cannot be told; NULL when nothing of it is lost.  Caller frees.
 * *beyond_end: some of it lies behind the end of the image.
 */
char *damage_of(const struct damage *d, int fd, unsigned int partition,
	int *beyond_end);

/*
 * Adds [from, to) to ranges, as damage_of() has them before the closing brace;
 * neighbours become one.  *last: 0 at first.
 */
void damage_put_range(struct buf *ranges, uint64_t from, uint64_t to,
	uint64_t *last);

#endif
