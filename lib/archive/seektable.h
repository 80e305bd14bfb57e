/*
 * The table at the end of a zstd file that says where its frames are, in the
 * "seekable format" of the zstd project: a skippable frame, so that every
 * zstd reads over it.
 *
 *	5E 2A 4D 18, length		skippable frame
 *	packed size, size		for each frame, 32 bits each
 *	frames, descriptor, B1 EA 92 8F	the last nine bytes of the file
 *
 * All little-endian.  We write no checksums in the table (each frame has its
 * own), and accept tables that have them.
 */
#ifndef NTT_SEEKTABLE_H
#define NTT_SEEKTABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { SEEKTABLE_FOOTER = 9, SEEKTABLE_HEADER = 8 };

struct seektable_frame {
	uint32_t packed, size;	/* bytes in the file, bytes of content */
};

struct seektable {
	struct seektable_frame *frames;
	size_t count;
};

#define SEEKTABLE_INIT { NULL, 0 }

void seektable_add(struct seektable *t, uint32_t packed, uint32_t size);
void seektable_free(struct seektable *t);
void seektable_put(const struct seektable *t, struct buf *out);

/*
 * The size of the whole table, from the last SEEKTABLE_FOOTER bytes of a
 * file: 0, or -1 with errno ENOMSG when this is no table.
 */
int seektable_size(const uint8_t *footer, uint64_t *size);
/*
 * 0, or -1 with errno EBADMSG unless bytes is exactly one table that
 * describes packed bytes before it.
 */
int seektable_parse(struct seektable *t, const uint8_t *bytes, size_t len,
	uint64_t packed);

#endif
