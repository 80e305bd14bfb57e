#include <stddef.h>
#include <stdint.h>

#include "base/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mountinfo m = MOUNTINFO_INIT;

	if (mountinfo_parse(&m, (const char *)data, size) == 0) {
		mountinfo_top(&m, "/mnt/a b");
		mountinfo_depth(&m, "/");
	}
	mountinfo_free(&m);
	return 0;
}
