/* The first bytes of an image of a megabyte, and what is made of it. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { IMAGE = 1 << 20 };
	static struct layout l;
	int fd = memfd_create("image", MFD_CLOEXEC);
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
out:
	if (fd >= 0)
		close(fd);
	return 0;
}
