/*
 * The bytes of a volume as they lie in an image, which may have lost some.
 * Lost ones read as zeros and are counted.
 */
#ifndef NTT_STREAMS_VOLUME_H
#define NTT_STREAMS_VOLUME_H

#include <stddef.h>
#include <stdint.h>

#include "image/layout.h"
#include "image/view.h"

struct volume_bytes {
	const struct view *view;
	int image;
	const struct volume *of;
	uint64_t size;		/* of the volume, what is cut off included */
	uint64_t lost;		/* bytes that were asked for and are not known */
};

void volume_bytes_init(struct volume_bytes *v, const struct view *view,
	int image, const struct volume *of);

/* All of len bytes at pos; 0, or -1: they are not inside the volume. */
int volume_bytes_read(struct volume_bytes *v, void *bytes, size_t len,
	uint64_t pos);

/* How many bytes of [pos, pos + len) are lost. */
uint64_t volume_bytes_lost(const struct volume_bytes *v, uint64_t pos,
	uint64_t len);

#endif
