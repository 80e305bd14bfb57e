/*
 * The image of a CD with tracks of several kinds.  First come the data tracks,
 * each at the sector that its file system counts from.  Behind them is an ISO
 * 9660 volume with the tracks of music as WAV files.  The last DISC_END bytes
 * tell so; a disc of one data track has no such end, and is an image like any
 * other.
 */
#ifndef NTT_DISC_IMAGE_H
#define NTT_DISC_IMAGE_H

#include <stddef.h>
#include <stdint.h>

enum { DISC_END = 4096, DISC_SECTOR = 2048, DISC_DATA = 99 };

struct disc_image {
	size_t count;		/* data tracks */
	struct {
		uint32_t sector;	/* its first, of 2048 bytes */
		uint32_t sectors;
	} data[DISC_DATA];
	uint64_t music, music_size;	/* bytes; 0: no volume of music */
};

/* 1 and *d: the image has such an end; 0: it has none. */
int disc_image_read(struct disc_image *d, int fd, uint64_t size);
/* The last bytes of such an image. */
void disc_image_end(const struct disc_image *d, char end[DISC_END]);

#endif
