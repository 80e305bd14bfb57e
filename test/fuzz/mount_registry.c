#include <stddef.h>
#include <stdint.h>

#include "mount/mount_registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registry r = REGISTRY_INIT;

	registry_parse(&r, (const char *)data, size);
	registry_free(&r);
	return 0;
}
