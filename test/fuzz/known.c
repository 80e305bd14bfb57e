/* Any bytes as a line of a list of hashes; what it finds is in the line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "find/known.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size ? size : 1);
	struct known_line l;
	size_t i, k;

	if (!line)
		abort();
	memcpy(line, data, size);	/* its end is the end of the memory */
	known_line_read(&l, line, size);
	if (l.remark && l.count)
		abort();
	for (i = 0; i < l.count; i++) {
		if (l.len[i] != 32 && l.len[i] != 40 && l.len[i] != 64)
			abort();
		if (l.hex[i] < line || l.hex[i] + l.len[i] > line + size)
			abort();
		for (k = 0; k < l.len[i]; k++)
			if (!strchr("0123456789abcdefABCDEF", l.hex[i][k]))
				abort();
	}
	free(line);
	return 0;
}
