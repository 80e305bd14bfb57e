/* Any bytes as a manifest; what is accepted can be written and read again. */
#include <stdlib.h>
#include <string.h>

#include "archive/archive_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct archive_manifest m, again;
	struct buf text = BUF_INIT;
	char *error;
	size_t i;

	if (archive_manifest_parse(&m, (const char *)data, size,
	    &error) < 0) {
		if (!error)
			abort();
		free(error);
		return 0;
	}
	for (i = 0; i < m.count; i++)
		if (strchr(m.members[i].name, '/'))
			abort();
	archive_manifest_put(&m, &text);
	if (archive_manifest_parse(&again, text.data, text.len, &error) < 0 ||
	    again.count != m.count)
		abort();
	archive_manifest_free(&again);
	archive_manifest_free(&m);
	buf_free(&text);
	return 0;
}
