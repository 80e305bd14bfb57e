#include "image/pc98.h"

#include <string.h>

#include "base/bytes.h"
#include "base/fsutil.h"
#include "image/fs_signature.h"

enum { SECTOR = 512, ENTRY = 32, IN_USE = 0x80, ACTIVE = 0x80,
	CYLINDERS_FROM = 16, CYLINDERS_TO = 255 * 63 };

/* What is in an entry: all in the units of the drive. */
struct entry {
	uint32_t first, last;		/* cylinders */
	const unsigned char *name;
};

/*
 * The initial program says what it is; the table is in the next sector.  Disks
 * with sectors of 256 bytes have it there, too.
 */
static uint32_t
read_entries(const unsigned char *b, struct entry list[PC98_PARTITIONS])
{
	uint32_t count = 0, i;

	for (i = 0; i < PC98_PARTITIONS; i++) {
		const unsigned char *e = b + i * ENTRY;
		struct entry *to = &list[count];

		if (!(e[1] & ACTIVE) && !(e[0] & IN_USE))
			continue;
		to->first = (uint32_t)le_number(e + 10, 2);
		to->last = (uint32_t)le_number(e + 14, 2);
		to->name = e + 16;
		if (to->first == 0 || to->last < to->first)
			return 0;
		count++;
	}
	return count;
}

/* How many partitions begin with FAT if a cylinder has so many sectors. */
static uint32_t
how_many(int fd, uint64_t base, uint64_t size, const struct entry *list,
    uint32_t count, uint64_t cylinder)
{
	unsigned char b[SECTOR];
	uint32_t found = 0, i;

	for (i = 0; i < count; i++) {
		uint64_t at = list[i].first * cylinder * SECTOR;

		/* the first one tells whether to look further */
		if (at >= size || pread_full(fd, b, sizeof b,
		    (off_t)(base + at)) != sizeof b ||
		    !fs_fat_parameters(b, sizeof b)) {
			if (i == 0)
				return 0;
			continue;
		}
		found++;
	}
	return found;
}

static void
take_name(char to[17], const unsigned char *from)
{
	size_t i;

	memcpy(to, from, 16);
	to[16] = '\0';
	for (i = 0; i < 16 && to[i]; i++)
		if (to[i] < ' ' || to[i] > '~')
			to[0] = '\0';
	for (i = strlen(to); i > 0 && to[i - 1] == ' '; i--)
		to[i - 1] = '\0';
}

uint32_t
pc98_table(int fd, uint64_t base, uint64_t size,
    struct pc98_partition list[PC98_PARTITIONS])
{
	unsigned char b[2 * SECTOR];
	struct entry entries[PC98_PARTITIONS];
	uint64_t cylinder, best = 0;
	uint32_t count, found, most = 0, i;

	if (size <= sizeof b || pread_full(fd, b, sizeof b, (off_t)base) !=
	    sizeof b || memcmp(b + 4, "IPL1", 4))
		return 0;
	count = read_entries(b + SECTOR, entries);
	for (cylinder = CYLINDERS_FROM; count && cylinder <= CYLINDERS_TO;
	    cylinder++) {
		found = how_many(fd, base, size, entries, count, cylinder);
		if (found > most) {
			most = found;
			best = cylinder;
		}
	}
	if (!best)
		return 0;
	for (i = 0; i < count; i++) {
		list[i].start = entries[i].first * best * SECTOR;
		list[i].size = (entries[i].last - entries[i].first + 1) *
		    best * SECTOR;
		take_name(list[i].name, entries[i].name);
	}
	return count;
}
