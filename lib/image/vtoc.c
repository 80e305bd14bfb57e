#include "image/vtoc.h"

#include <string.h>

#include "base/bytes.h"
#include "base/fsutil.h"

enum { SECTOR = 512, SANE = 0x600ddeee };

static const struct place {
	int type;
	uint32_t sector;	/* of the partition */
	uint32_t sane, table;	/* byte of the mark, and of the first slice */
	int relative;		/* starts are counted from the partition's */
} places[] = {
	{ 0xbf, 1, 12, 72, 1 },
	{ 0x63, 29, 156, 216, 0 },
};

/* An entry of the table; 0: it is none, or all of the partition. */
static int
take(const unsigned char *e, const struct place *p, uint64_t start,
    struct vtoc_slice *slice)
{
	enum { UNUSED = 0, SWAP = 3, WHOLE = 5, ENTRY_START = 4, ENTRY_SIZE = 8 };
	uint64_t tag = le_number(e, 2);

	slice->start = le_number(e + ENTRY_START, 4) * SECTOR +
	    (p->relative ? start : 0);
	slice->size = le_number(e + ENTRY_SIZE, 4) * SECTOR;
	slice->swap = tag == SWAP;
	return tag != UNUSED && tag != WHOLE && slice->size &&
	    slice->start >= start;
}

uint32_t
vtoc_read(int fd, uint64_t base, uint64_t start, int type,
    struct vtoc_slice slices[VTOC_SLICES])
{
	enum { ENTRY = 12 };
	unsigned char b[SECTOR];
	const struct place *p;
	uint32_t i, count = 0;

	for (p = places; p < places + 2 && p->type != type; p++)
		;
	if (p == places + 2 || pread_full(fd, b, sizeof b, (off_t)(base +
	    start + (uint64_t)p->sector * SECTOR)) != sizeof b ||
	    le_number(b + p->sane, 4) != SANE)
		return 0;
	for (i = 0; i < VTOC_SLICES; i++)
		count += (uint32_t)take(b + p->table + i * ENTRY, p, start,
		    &slices[count]);
	return count;
}
