/* Metadata text, and the whole of a physical volume as a file. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/lvm_meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lvm_meta text = LVM_META_INIT, disk = LVM_META_INIT;
	int fd = memfd_create("pv", MFD_CLOEXEC);

	strcpy(text.pv_uuid, "012345-6789-abcd-efgh-ijkl-mnop-qrstuv");
	lvm_meta_parse(&text, (const char *)data, size);
	lvm_meta_free(&text);
	if (fd >= 0 && write(fd, data, size) == (ssize_t)size)
		lvm_meta_find(fd, 0, size, &disk);
	lvm_meta_free(&disk);
	if (fd >= 0)
		close(fd);
	return 0;
}
