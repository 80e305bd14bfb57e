/* Each input as a superblock in every place of members of three sizes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/raid_super.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_place(const unsigned char *block, uint64_t at, uint64_t len)
{
	struct raid_super r;

	/* what is found must lie inside the member, with text that ends */
	if (raid_super_parse(block, at, len, &r) &&
	    (r.data >= len || r.size > len - r.data ||
	    strlen(r.name) > 32 || strlen(r.uuid) != 35))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = { 8192, 1 << 20, (1 << 26) + 512 };
	unsigned char block[RAID_SUPER_BYTES] = { 0 };
	size_t i;

	memcpy(block, data, size < sizeof block ? size : sizeof block);
	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint64_t len = sizes[i];

		try_place(block, 0, len);
		try_place(block, 4096, len);
		try_place(block, ((len / 512 - 16) & ~(uint64_t)7) * 512,
		    len);
		try_place(block, (len & ~(uint64_t)65535) - 65536, len);
	}
	return 0;
}
