/* Any bytes as the table of frames; what is accepted is written the same. */
#include <stdlib.h>
#include <string.h>

#include "archive/seektable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seektable t;
	struct buf again = BUF_INIT;
	uint64_t packed = 0, whole;
	size_t i, frames;

	if (size < SEEKTABLE_FOOTER || seektable_size(data + size -
	    SEEKTABLE_FOOTER, &whole) < 0)
		return 0;
	/* the sum that the file would have */
	if (size >= SEEKTABLE_FOOTER + SEEKTABLE_HEADER) {
		int sums = data[size - 5] & 0x80;
		size_t entry = sums ? 12 : 8;

		frames = (size - SEEKTABLE_FOOTER - SEEKTABLE_HEADER) / entry;
		for (i = 0; i < frames; i++) {
			const uint8_t *p = data + SEEKTABLE_HEADER + i * entry;

			packed += (uint64_t)p[0] | (uint64_t)p[1] << 8 |
			    (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
		}
	}
	if (seektable_parse(&t, data, size, packed) < 0)
		return 0;
	seektable_put(&t, &again);
	if (!(data[size - 5] & 0x80) && (again.len != size ||
	    memcmp(again.data, data, size)))
		abort();
	buf_free(&again);
	seektable_free(&t);
	return 0;
}
