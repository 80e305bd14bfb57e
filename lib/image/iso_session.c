#define _GNU_SOURCE
#include "image/iso_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/fsutil.h"

enum {
	SECTOR = 2048,
	DESCRIPTOR = 16,	/* its sector in a session */
	CHUNK = 512,		/* sectors read at a time */
	CD = 450000,		/* sectors: no CD has more */
	/*
	 * On larger discs the next session is searched for so far behind the
	 * end of the last one.  What lies between them is 64 MiB on DVD-R and
	 * less on all others.
	 */
	GAP = 65536
};

/* The sector of the root directory, 0 where this is no descriptor. */
static uint32_t
root_of(const unsigned char *d)
{
	return memcmp(d, "\1CD001\1", 7) ? 0 : le32(d + 156 + 2);
}

/*
 * Its root directory lies behind it and says where it is; that of an image
 * kept as a file on the disc lies elsewhere, counted from the file's start.
 */
static int
begins_session(int fd, uint64_t start, const unsigned char *d, uint32_t at)
{
	unsigned char dir[34];
	uint32_t root = root_of(d);

	return root > at && pread_full(fd, dir, sizeof dir,
	    (off_t)(start + (uint64_t)root * SECTOR)) == sizeof dir &&
	    dir[0] >= sizeof dir && dir[32] == 1 && dir[33] == 0 &&
	    le32(dir + 2) == root;
}

/* The sector behind a session's volume. */
static uint64_t
end_of(uint64_t session, const unsigned char *d)
{
	return session + le32(d + 80);
}

/* Where to go on that is no hole; end: nowhere. */
static uint64_t
skip_hole(int fd, uint64_t start, uint64_t at, uint64_t end)
{
	off_t data = lseek(fd, (off_t)(start + at * SECTOR), SEEK_DATA);

	if (data < 0 && errno == ENXIO)
		return end;
	if (data > 0 && (uint64_t)data > start + at * SECTOR)
		return ((uint64_t)data - start) / SECTOR;
	return at;
}

static uint64_t
limit(uint64_t at, uint64_t sectors)
{
	return sectors <= CD || sectors - at < GAP ? sectors : at + GAP;
}

uint32_t
iso_last_session(int fd, uint64_t start, uint64_t length)
{
	unsigned char *chunk = xmalloc((size_t)CHUNK * SECTOR), *d;
	uint64_t sectors = length / SECTOR, at, end, behind;
	uint32_t last = 0;
	ssize_t n;
	size_t i;

	if (sectors > UINT32_MAX)
		sectors = UINT32_MAX;
	n = pread_full(fd, chunk, SECTOR,
	    (off_t)(start + (uint64_t)DESCRIPTOR * SECTOR));
	at = n == SECTOR && root_of(chunk) ? end_of(0, chunk) : sectors;
	end = at < sectors ? limit(at, sectors) : 0;
	while ((at = at < end ? skip_hole(fd, start, at, end) : end) < end) {
		n = pread_full(fd, chunk, (size_t)CHUNK * SECTOR,
		    (off_t)(start + at * SECTOR));
		for (i = 0; n > 0 && i < (size_t)n / SECTOR; i++) {
			d = chunk + i * SECTOR;
			if (at + i < DESCRIPTOR || !begins_session(fd, start,
			    d, (uint32_t)(at + i)))
				continue;
			last = (uint32_t)(at + i) - DESCRIPTOR;
			behind = end_of(last, d);
			/* over its files, which may be images */
			if (sectors > CD && behind > at + i &&
			    behind < sectors) {
				end = limit(behind, sectors);
				at = behind - CHUNK;
				break;
			}
		}
		at += CHUNK;
	}
	free(chunk);
	return last;
}
