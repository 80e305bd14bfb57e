#include "image/amiga.h"

#include <string.h>

#include "base/bytes.h"
#include "base/fsutil.h"

enum { BLOCK = 512, BLOCK_MAX = 4096, NOBODY = 0xffffffff };

static uint32_t
word(const unsigned char *block, uint32_t n)
{
	return be32(block + 4 * n);
}

/* The words of a block add up to nothing. */
static int
sums_up(const unsigned char *block, uint32_t words)
{
	uint32_t sum = 0, i;

	for (i = 0; i < words; i++)
		sum += word(block, i);
	return sum == 0;
}

/* A root block: a header, of the secondary type 1, with a hash table. */
static int
is_root(int fd, uint64_t at, uint32_t size)
{
	unsigned char b[BLOCK_MAX];

	return pread_full(fd, b, size, (off_t)at) == (ssize_t)size &&
	    word(b, 0) == 2 && word(b, size / 4 - 1) == 1 &&
	    word(b, 3) == size / 4 - 56 && sums_up(b, size / 4);
}

/* Blocks of which the first two are reserved, whatever their size. */
static int
has_root(int fd, uint64_t at, uint64_t length)
{
	uint32_t size;

	for (size = BLOCK; size <= BLOCK_MAX; size *= 2) {
		uint64_t root = (length / size + 1) / 2;

		/* a volume of an odd number of sectors has it one before */
		if (root > 2 && (is_root(fd, at + root * size, size) ||
		    is_root(fd, at + (root - 1) * size, size)))
			return 1;
	}
	return 0;
}

uint64_t
amiga_extent(int fd, uint64_t at, uint64_t length)
{
	/* there may be tracks that belong to nothing, or some lacking */
	static const uint64_t floppies[] = { 1760 * BLOCK, 3520 * BLOCK };
	unsigned char b[4];
	size_t i;

	if (pread_full(fd, b, sizeof b, (off_t)at) != sizeof b ||
	    memcmp(b, "DOS", 3) || b[3] > 7)
		return 0;
	if (has_root(fd, at, length))
		return length;
	for (i = 0; i < sizeof floppies / sizeof floppies[0]; i++)
		if (length > floppies[i] / 2 && length < floppies[i] +
		    floppies[i] / 10 && has_root(fd, at, floppies[i]))
			return floppies[i];
	return 0;
}

/* The block of this kind, which says how much of it adds up. */
static int
read_block(int fd, uint64_t at, const char *kind, unsigned char b[BLOCK])
{
	return pread_full(fd, b, BLOCK, (off_t)at) == BLOCK &&
	    !memcmp(b, kind, 4) && word(b, 1) >= 34 &&
	    word(b, 1) <= BLOCK / 4 && sums_up(b, word(b, 1));
}

static void
take_partition(const unsigned char *b, uint64_t sector,
    struct amiga_partition *p)
{
	enum { NAME = 36, SURFACES = 35, TRACK = 37, LOW = 41, HIGH = 42 };
	uint64_t cylinder = (uint64_t)word(b, SURFACES) * word(b, TRACK);
	uint64_t low = word(b, LOW), high = word(b, HIGH);
	size_t len = b[NAME] < sizeof p->name ? b[NAME] : sizeof p->name - 1;

	memcpy(p->name, b + NAME + 1, len);
	p->name[len] = '\0';
	if (cylinder == 0 || cylinder > 1 << 24 || high < low)
		return;
	cylinder *= sector;
	if (high >= ((uint64_t)1 << 60) / cylinder)
		return;
	p->start = low * cylinder;
	p->size = (high - low + 1) * cylinder;
}

uint32_t
amiga_table(int fd, uint64_t at, struct amiga_partition list[AMIGA_PARTITIONS])
{
	enum { PLACES = 16, SECTOR = 4, FIRST = 7, NEXT = 4 };
	unsigned char b[BLOCK];
	uint32_t i, next, count, seen[AMIGA_PARTITIONS];
	uint64_t sector;

	for (i = 0; i < PLACES; i++)
		if (read_block(fd, at + i * BLOCK, "RDSK", b))
			break;
	if (i == PLACES)
		return 0;
	sector = word(b, SECTOR);
	if (sector < BLOCK || sector > BLOCK_MAX || (sector & (sector - 1)))
		return 0;
	next = word(b, FIRST);
	for (count = 0; count < AMIGA_PARTITIONS && next != NOBODY; count++) {
		memset(&list[count], 0, sizeof list[count]);
		for (i = 0; i < count && seen[i] != next; i++)
			;
		if (i < count || !read_block(fd, at + next * sector, "PART",
		    b))
			return count + 1;
		seen[count] = next;
		take_partition(b, sector, &list[count]);
		next = word(b, NEXT);
	}
	return count;
}
