#include "image/floppy.h"

#include <string.h>

#include "base/bytes.h"
#include "base/fsutil.h"

enum { SECTOR = 512, ENTRY = 32, ROOT_MAX = 240 * ENTRY, UNUSED = 0xe5 };

static const struct format {
	uint16_t sectors;
	uint8_t track, heads;	/* sectors of a track */
	uint8_t medium;		/* the first byte of its tables */
	uint8_t cluster;	/* sectors */
	uint8_t root;		/* entries */
	uint8_t table;		/* sectors */
} formats[] = {
	{ 320, 8, 1, 0xfe, 1, 64, 1 },
	{ 360, 9, 1, 0xfc, 1, 64, 2 },
	{ 640, 8, 2, 0xff, 2, 112, 1 },
	{ 720, 9, 2, 0xfd, 2, 112, 2 },
	/* one side of 80 tracks: DOS, and Atari */
	{ 720, 9, 1, 0xf8, 2, 112, 2 },
	{ 720, 9, 1, 0xf8, 2, 112, 5 },
	{ 1280, 8, 2, 0xfb, 2, 112, 2 },
	{ 1440, 9, 2, 0xf9, 2, 112, 3 },
	{ 1440, 9, 2, 0xf9, 2, 112, 5 },
	{ 2400, 15, 2, 0xf9, 1, 224, 7 },
	{ 2880, 18, 2, 0xf0, 1, 224, 9 },
	/* what programs were sold on */
	{ 3360, 21, 2, 0xf0, 4, 16, 3 },
	{ 3360, 21, 2, 0xf0, 2, 16, 5 },
	{ 5760, 36, 2, 0xf0, 2, 240, 9 },
};

enum table { NO_TABLE, LOST_TABLE, TABLE };

static enum table
look_at_table(int fd, uint64_t at, const struct format *f)
{
	unsigned char b[SECTOR];

	if (pread_full(fd, b, sizeof b, (off_t)at) != sizeof b)
		return NO_TABLE;
	if (b[0] == f->medium && b[1] == 0xff && b[2] == 0xff)
		return TABLE;
	return !memcmp(b, b + 1, sizeof b - 1) ? LOST_TABLE : NO_TABLE;
}

/* One of a name, or of a part of a long name (attributes 15). */
static int
is_entry(const unsigned char *e, const struct format *f)
{
	return e[11] == 15 || (!(e[11] & 0xc0) && e[0] >= ' ' &&
	    le_number(e + 26, 2) <= f->sectors / f->cluster);
}

static int
has_root(int fd, uint64_t at, const struct format *f)
{
	unsigned char b[ROOT_MAX];
	size_t size = (size_t)f->root * ENTRY, i;

	if (pread_full(fd, b, size, (off_t)at) != (ssize_t)size)
		return 0;
	for (i = 0; i < size && b[i]; i += ENTRY)
		if (b[i] != UNUSED && !is_entry(b + i, f))
			return 0;
	return 1;
}

static int
fits(int fd, uint64_t at, const struct format *f)
{
	uint64_t size = (uint64_t)f->table * SECTOR;
	enum table first, second;

	at += SECTOR;
	first = look_at_table(fd, at, f);
	second = look_at_table(fd, at + size, f);
	return first && second && (first == TABLE || second == TABLE) &&
	    has_root(fd, at + 2 * size, f);
}

static void
put16(unsigned char *b, unsigned int n)
{
	b[0] = (unsigned char)n;
	b[1] = (unsigned char)(n >> 8);
}

static void
make(const struct format *f, unsigned char b[FLOPPY_BOOT])
{
	memset(b, 0, FLOPPY_BOOT);
	memcpy(b, "\xeb\x3c\x90NTT", 6);
	put16(b + 11, SECTOR);
	b[13] = f->cluster;
	put16(b + 14, 1);
	b[16] = 2;
	put16(b + 17, f->root);
	put16(b + 19, f->sectors);
	b[21] = f->medium;
	put16(b + 22, f->table);
	put16(b + 24, f->track);
	put16(b + 26, f->heads);
	put16(b + 510, 0xaa55);
}

int
floppy_boot(int fd, uint64_t at, uint64_t length,
    unsigned char boot[FLOPPY_BOOT])
{
	const struct format *f;

	for (f = formats; f < formats + sizeof formats / sizeof *formats; f++)
		if (length == (uint64_t)f->sectors * SECTOR &&
		    fits(fd, at, f)) {
			make(f, boot);
			return 1;
		}
	return 0;
}
