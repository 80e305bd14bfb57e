/*
 * The first bytes of an image of a megabyte, and what is made of it: told what
 * the search found, the same.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { IMAGE = 1 << 20 };
	static struct layout l, told;
	static struct layout_found found;
	int fd = memfd_create("image", MFD_CLOEXEC);
	char *text;
	uint32_t i;

	if (fd < 0 || size > IMAGE ||
	    write(fd, data, size) != (ssize_t)size || ftruncate(fd, IMAGE) < 0)
		goto out;
	if (layout_recognise(&l, fd, IMAGE, 100, NULL) < 0)
		goto out;
	for (i = 0; i < l.count; i++) {
		const struct volume *v = &l.volumes[i];

		/* what is mounted is in the image */
		if (v->length && (v->length > IMAGE ||
		    v->data > IMAGE - v->length))
			abort();
	}
	text = layout_found_text(&l);
	if (layout_found_parse(&found, text, IMAGE) < 0)
		abort();
	if (!l.reached && (layout_recognise(&told, fd, IMAGE, 0, &found) < 0 ||
	    memcmp(&l, &told, sizeof l)))
		abort();
	free(text);
out:
	if (fd >= 0)
		close(fd);
	return 0;
}
