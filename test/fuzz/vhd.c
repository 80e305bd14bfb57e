/*
 * A VHD: the first byte tells how many kilobytes of zeros follow the bytes.  It
 * is opened, and read as a chain of two of itself.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ntt-orchestrator/vhd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { READ = 1 << 16, MOST = 64 };
	static char bytes[READ];
	struct vhd chain[2];
	const char *why;
	uint64_t length, at;
	size_t n, i;
	int fd;

	if (size < 1)
		return 0;
	length = size - 1 + ((uint64_t)data[0] << 10);
	fd = memfd_create("vhd", MFD_CLOEXEC);
	if (write(fd, data + 1, size - 1) != (ssize_t)size - 1 ||
	    ftruncate(fd, (off_t)length) < 0 ||
	    vhd_open(&chain[0], fd, length, &why) < 0) {
		close(fd);
		return 0;
	}
	if (why || !chain[0].size || chain[0].size % VHD_SECTOR)
		abort();
	chain[1] = chain[0];
	/* the beginning, and the end */
	for (i = 0; i < MOST; i++) {
		at = i % 2 ? i / 2 * READ : chain[0].size - VHD_SECTOR -
		    (i / 2 * READ) % chain[0].size;
		if (at >= chain[0].size)
			continue;
		n = chain[0].size - at < READ ? (size_t)(chain[0].size - at) :
		    READ;
		vhd_read(chain, 2, bytes, n, at);
	}
	vhd_close(&chain[0]);
	close(fd);
	return 0;
}
