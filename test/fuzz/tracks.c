/*
 * A description of a CD: its first byte tells the kind, the second how large
 * its files are.  A disc is planned and written, as long as it is small.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ntt-orchestrator/disc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t written;

static void
put(void *arg, const char *bytes, size_t len, uint64_t at)
{
	const struct disc *d = arg;
	volatile char sum = 0;
	size_t i;

	/* nothing is written behind its end, or more than was said */
	if (at > d->size || len > d->size - at)
		abort();
	for (i = 0; i < len; i++)
		sum = (char)(sum ^ bytes[i]);
	written += len;
}

static void
other(void *arg, uint64_t at, uint64_t sector)
{
	const struct disc *d = arg;

	(void)sector;
	if (at > d->size)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { UNIT = 2352 * 16 };
	static struct disc d;
	struct disc_out out = { put, other, &d };
	uint64_t sizes[TRACK_FILES];
	int fds[TRACK_FILES], fd, rc;
	const char *why;
	size_t i;

	if (size < 2)
		return 0;
	if (data[0] == 'n')
		rc = tracks_of_nrg(&d.tracks, data + 2, size - 2, &why);
	else if (data[0] == 'c')
		rc = tracks_of_ccd(&d.tracks, (const char *)data + 2, size - 2,
		    &why);
	else
		rc = tracks_of_cue(&d.tracks, (const char *)data + 2, size - 2,
		    &why);
	if (rc < 0 ? !why : why != NULL)
		abort();
	fd = memfd_create("tracks", MFD_CLOEXEC);
	for (i = 0; i < TRACK_FILES; i++) {
		fds[i] = fd;
		sizes[i] = (uint64_t)data[1] * UNIT;
	}
	d.fds = fds;
	if (rc == 0 && ftruncate(fd, (off_t)sizes[0]) == 0 &&
	    pwrite(fd, data, size < sizes[0] ? size : sizes[0], 0) >= 0 &&
	    tracks_end(&d.tracks, sizes, &why) == 0 &&
	    disc_plan(&d, &why) == 0) {
		written = 0;
		disc_write(&d, &out);
		if (written > d.bytes + DISC_END)
			abort();
	}
	close(fd);
	return 0;
}
