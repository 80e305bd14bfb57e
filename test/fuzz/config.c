/* Configuration files: keys and values stay within the text, or an error. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	size_t size;
	int line;
};

static void
look(void *arg, const char *key, const char *value, int line)
{
	struct seen *s = arg;

	if (strlen(key) + strlen(value) > s->size || key[0] == '\0' ||
	    line < s->line)
		abort();
	s->line = line;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen s = { size, 1 };

	if (config_parse((const char *)data, size, "fuzz", look, &s) < 0 &&
	    (!config_error() || config_error()[0] == '\0'))
		abort();
	return 0;
}
