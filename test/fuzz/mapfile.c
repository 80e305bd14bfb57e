/* The map of ddrescue: whatever is accepted covers from 0 without gaps. */
#include <stdint.h>
#include <stdlib.h>

#include "mapfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mapfile m;
	char *error = NULL;
	uint64_t end = 0;
	size_t i;

	if (mapfile_parse(&m, (const char *)data, size, "fuzz", &error) < 0) {
		if (!error)
			abort();
		free(error);
		return 0;
	}
	if (m.count == 0)
		abort();
	for (i = 0; i < m.count; i++) {
		if (m.blocks[i].pos != end || m.blocks[i].size == 0)
			abort();
		end += m.blocks[i].size;
	}
	if (end != m.end)
		abort();
	mapfile_health(&m, end);
	mapfile_lost(&m, end / 2, end / 4);
	mapfile_free(&m);
	return 0;
}
