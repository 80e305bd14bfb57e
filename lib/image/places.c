#define _GNU_SOURCE
#include "image/places.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/procstat.h"
#include "hash/blake3.h"

enum { FEWEST = 64, FEWEST_OPTICAL = 256, APART = 64 << 10 };

static const uint8_t nothing[PLACE_DIGEST];

size_t
places_count(uint64_t size, int optical)
{
	uint64_t most = optical ? FEWEST_OPTICAL : PLACES_MAX;
	uint64_t count = size / APART;

	if (count < FEWEST)
		count = FEWEST;
	if (count > size / PLACE_BYTES)
		count = size / PLACE_BYTES;
	return (size_t)(count < most ? count : most);
}

size_t
places_needed(size_t count)
{
	return count < FEWEST ? count : FEWEST;
}

void
places_read(int fd, uint64_t size, const struct mapfile *map, size_t count,
    int limit_ms, uint8_t *digests)
{
	int64_t end = monotonic_ms() + limit_ms;
	uint64_t apart = count ? size / count / PLACE_BYTES * PLACE_BYTES : 0;
	void *block;
	size_t i;

	memset(digests, 0, count * PLACE_DIGEST);
	/* aligned, because a device may be open for direct reads */
	if (posix_memalign(&block, PLACE_BYTES, PLACE_BYTES) != 0)
		out_of_memory();
	for (i = 0; i < count && monotonic_ms() < end; i++) {
		uint64_t at = i * apart;
		blake3_hasher h;

		if ((map && mapfile_lost(map, at, PLACE_BYTES)) ||
		    pread_full(fd, block, PLACE_BYTES, (off_t)at) !=
		    PLACE_BYTES)
			continue;
		blake3_hasher_init(&h);
		blake3_hasher_update(&h, block, PLACE_BYTES);
		blake3_hasher_finalize(&h, digests + i * PLACE_DIGEST,
		    PLACE_DIGEST);
	}
	free(block);
}

size_t
places_compare(const uint8_t *a, const uint8_t *b, size_t count,
    size_t *differ)
{
	size_t i, common = 0;

	*differ = 0;
	for (i = 0; i < count; i++, a += PLACE_DIGEST, b += PLACE_DIGEST) {
		if (!memcmp(a, nothing, PLACE_DIGEST) ||
		    !memcmp(b, nothing, PLACE_DIGEST))
			continue;
		common++;
		*differ += memcmp(a, b, PLACE_DIGEST) != 0;
	}
	return common;
}
