/*
 * An image in the form that a file system needs: as long as its volumes, with
 * errors in areas that were not rescued, and good copies in place of lost
 * structures.  The image itself is not changed.
 *
 * A view is a list of pieces.  They begin at byte 0, touch each other, and end
 * at a multiple of 4,096 bytes:
 *
 *	COPY	bytes of the image, from byte "from" on
 *	LOST	nobody knows them: an error, or zeros for who prefers these
 *	ZERO	zeros that are meant
 *	BYTES	bytes of the view itself
 *
 *	struct view v;
 *
 *	view_init(&v, image_size, &map, end_of_the_last_volume);
 *	view_copy(&v, first_fat, size, second_fat);
 *	if (!view_lost(&v, pos, n))
 *		view_read(&v, fd, bytes, n, pos);
 *	view_free(&v);
 *
 * As text, for another process (view_print(), view_parse()):
 *
 *	ntt-view 1
 *	sectors 2352 16			only where view_sectors() was called
 *	copy 0 4096 0			one line a piece: position, size, from
 *	lost 4096 512
 *	bytes 4608 4 00ff00ff		position, size, hexadecimal digits
 *	zero 4612 3580
 */
#ifndef NTT_VIEW_H
#define NTT_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "image/mapfile.h"

enum { VIEW_UNIT = 4096 };	/* the length is a multiple of it */

enum view_kind { VIEW_COPY, VIEW_LOST, VIEW_ZERO, VIEW_BYTES, VIEW_KINDS };

struct view_piece {
	uint64_t pos, size;
	uint64_t from;		/* COPY: in the image; BYTES: in bytes */
	uint32_t kind;		/* enum view_kind */
};

struct view {
	struct view_piece *pieces;
	size_t count;
	uint64_t length;	/* of what is shown */
	uint64_t covered;	/* by the pieces */
	uint64_t padding;	/* of these, zeros behind what is wanted */
	unsigned int sector, skip;	/* view_sectors(); 0: as it is */
	struct buf bytes;
};

/*
 * The whole image, and at least length bytes.  LOST are the bytes that the map
 * does not call rescued (map NULL: all were), and the bytes beyond the end of
 * the image or of the map.
 */
void view_init(struct view *v, uint64_t image_size,
	const struct mapfile *map, uint64_t length);
void view_free(struct view *v);

/* Makes the view at least so long: new bytes are LOST. */
void view_extend(struct view *v, uint64_t length);

/*
 * Other contents for [pos, pos + size); the view becomes longer where it has
 * to.  What lies between its old end and pos is LOST.
 */
void view_put(struct view *v, enum view_kind kind, uint64_t pos,
	uint64_t size, uint64_t from);
void view_put_bytes(struct view *v, uint64_t pos, const void *bytes,
	size_t size);
/* Takes the bytes that the view has at from; LOST ones stay LOST. */
void view_copy(struct view *v, uint64_t pos, uint64_t size, uint64_t from);

/*
 * Shows 2,048 bytes of each sector of the given size, those behind the first
 * skip bytes: 2352 and 16 for mode 1 of a CD, 2352 and 24 for mode 2.  Pieces
 * that were put in keep their place among the bytes of the image.  0, or -1: no
 * such sectors.
 */
int view_sectors(struct view *v, unsigned int sector, unsigned int skip);

/* It differs from the image: some of it is lost, padded or replaced. */
int view_needed(const struct view *v, uint64_t image_size);

/* Does [pos, pos + size) of what is shown touch a LOST byte? */
int view_lost(const struct view *v, uint64_t pos, uint64_t size);
/* How many bytes of [pos, pos + size) of what is shown are LOST. */
uint64_t view_lost_within(const struct view *v, uint64_t pos, uint64_t size);

/*
 * All size bytes from pos of what is shown, LOST ones as zeros; 0, or -1 with
 * errno: EIO where the image ends or the view does.
 */
int view_read(const struct view *v, int image, void *bytes, size_t size,
	uint64_t pos);

void view_print(const struct view *v, struct buf *text);
/* The same as a file without a name, for a child: its descriptor, or -1. */
int view_file(const struct view *v);
/* 0, or -1 and *error (static): text is no view; nothing to free then. */
int view_parse(struct view *v, const char *text, size_t len,
	const char **error);

#endif
