#include "ntt-dashboard/log.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dash_logs l;

	memset(&l, 0, sizeof l);
	dash_logs_parse(&l, (const char *)data, size);
	dash_logs_free(&l);
	return 0;
}
