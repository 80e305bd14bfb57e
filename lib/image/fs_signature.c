#define _GNU_SOURCE
#include "image/fs_signature.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "image/amiga.h"

enum { FAT_SECTOR_MIN = 512, FAT_SECTOR_MAX = 4096 };

/* A number in a superblock; size 0: there is none. */
struct field {
	uint32_t at;
	uint8_t size, big;
};

enum unit {
	UNIT_FIXED,		/* count times base */
	UNIT_TIMES,		/* … times what the field says */
	UNIT_SHIFT		/* count times base << what the field says */
};

#define NONE { 0, 0, 0 }

static const struct signature {
	const char *type, *magic;
	uint32_t at, len;
	struct field count;
	enum unit how;
	uint32_t base;
	struct field unit;
	uint32_t more;		/* of these units besides */
} signatures[] = {
	{ "ext4", "\x53\xef", 1080, 2, { 1028, 4, 0 }, UNIT_SHIFT, 1024,
	    { 1048, 4, 0 }, 0 },
	{ "xfs", "XFSB", 0, 4, { 8, 8, 1 }, UNIT_TIMES, 1, { 4, 4, 1 }, 0 },
	{ "btrfs", "_BHRfS_M", 65600, 8, { 65745, 8, 0 }, UNIT_FIXED, 1,
	    NONE, 0 },
	/* the copy of the boot sector lies behind what is counted */
	{ "ntfs", "NTFS    ", 3, 8, { 40, 8, 0 }, UNIT_TIMES, 1,
	    { 11, 2, 0 }, 1 },
	{ "exfat", "EXFAT   ", 3, 8, { 72, 8, 0 }, UNIT_SHIFT, 1,
	    { 108, 1, 0 }, 0 },
	{ "hfsplus", "H+\0\4", 1024, 4, { 1068, 4, 1 }, UNIT_TIMES, 1,
	    { 1064, 4, 1 }, 0 },
	{ "hfsplus", "HX\0\5", 1024, 4, { 1068, 4, 1 }, UNIT_TIMES, 1,
	    { 1064, 4, 1 }, 0 },
	{ "hfs", "BD", 1024, 2, { 1042, 2, 1 }, UNIT_TIMES, 1,
	    { 1044, 4, 1 }, 1 },
	{ "iso9660", "\1CD001\1", 32768, 7, { 32848, 4, 0 }, UNIT_TIMES, 1,
	    { 32896, 2, 0 }, 0 },
	{ "udf", "BEA01\1", 32769, 6, NONE, UNIT_FIXED, 0, NONE, 0 },
	{ "reiserfs", "ReIsEr", 65588, 6, { 65536, 4, 0 }, UNIT_TIMES, 1,
	    { 65580, 2, 0 }, 0 },
	{ "jfs", "JFS1", 32768, 4, { 32776, 8, 0 }, UNIT_TIMES, 1,
	    { 32792, 4, 0 }, 0 },
	{ "squashfs", "hsqs", 0, 4, { 40, 8, 0 }, UNIT_FIXED, 1, NONE, 0 },
	{ "f2fs", "\x10\x20\xf5\xf2", 1024, 4, { 1060, 8, 0 }, UNIT_SHIFT, 1,
	    { 1040, 4, 0 }, 0 },
	{ "nilfs2", "\x34\x34", 1030, 2, { 1056, 8, 0 }, UNIT_FIXED, 1,
	    NONE, 0 },
	{ "erofs", "\xe2\xe1\xf5\xe0", 1024, 4, { 1060, 4, 0 }, UNIT_SHIFT, 1,
	    { 1036, 1, 0 }, 0 },
	{ "hpfs", "\x49\xe8\x95\xf9\xc5\xe9\x53\xfa", 8192, 8, { 8208, 4, 0 },
	    UNIT_FIXED, 512, NONE, 0 },
	{ "apfs", "NXSB", 32, 4, { 40, 8, 0 }, UNIT_TIMES, 1, { 36, 4, 0 },
	    0 },
	{ "ufs", "\x54\x19\x01\0", 9564, 4, { 8228, 4, 0 }, UNIT_TIMES, 1,
	    { 8244, 4, 0 }, 0 },
	{ "ufs", "\x19\x01\x54\x19", 66908, 4, { 66616, 8, 0 }, UNIT_TIMES, 1,
	    { 65588, 4, 0 }, 0 },
	{ "efs", "\0\x07\x29\x59", 540, 4, { 512, 4, 1 }, UNIT_FIXED, 512,
	    NONE, 0 },
	{ "efs", "\0\x07\x29\x5a", 540, 4, { 512, 4, 1 }, UNIT_FIXED, 512,
	    NONE, 0 },
	{ "swap", "SWAPSPACE2", 4086, 10, { 1028, 4, 0 }, UNIT_FIXED, 4096,
	    NONE, 1 },
	{ "swap", "SWAP-SPACE", 4086, 10, NONE, UNIT_FIXED, 0, NONE, 0 },
	{ "LVM2_member", "LABELONE", 512, 8, { 576, 8, 0 }, UNIT_FIXED, 1,
	    NONE, 0 },
	{ "linux_raid_member", "\xfc\x4e\x2b\xa9\1\0\0\0", 0, 8,
	    { 136, 8, 0 }, UNIT_FIXED, 512, NONE, 0 },
	{ "linux_raid_member", "\xfc\x4e\x2b\xa9\1\0\0\0", 4096, 8,
	    { 4232, 8, 0 }, UNIT_FIXED, 512, NONE, 0 },
	{ "crypto_LUKS", "LUKS\xba\xbe", 0, 6, NONE, UNIT_FIXED, 0, NONE, 0 },
	{ "BitLocker", "-FVE-FS-", 3, 8, NONE, UNIT_FIXED, 0, NONE, 0 },
};

enum { SIGNATURES = sizeof signatures / sizeof signatures[0] };

static uint64_t
number(const unsigned char *b, struct field f)
{
	uint64_t n = 0;
	uint8_t i;

	for (i = 0; i < f.size; i++)
		n = n << 8 | b[f.big ? f.at + i : f.at + f.size - 1U - i];
	return n;
}

static uint64_t
le(const unsigned char *b, uint32_t at, uint8_t size)
{
	return number(b, (struct field){ at, size, 0 });
}

static uint64_t
be(const unsigned char *b, uint32_t at, uint8_t size)
{
	return number(b, (struct field){ at, size, 1 });
}

int
fs_fat_parameters(const unsigned char *b, size_t len)
{
	uint64_t sector, cluster;

	if (len < 512)
		return 0;
	sector = le(b, 11, 2);
	cluster = b[13];
	return sector >= FAT_SECTOR_MIN && sector <= FAT_SECTOR_MAX &&
	    !(sector & (sector - 1)) && cluster &&
	    !(cluster & (cluster - 1)) && le(b, 14, 2) > 0 &&
	    (b[16] == 1 || b[16] == 2) && b[21] >= 0xf0 &&
	    (le(b, 19, 2) || le(b, 32, 4));
}

/* It has no signature worth the name; 0x60 is the Atari's jump. */
static int
is_fat(const unsigned char *b, size_t len)
{
	return fs_fat_parameters(b, len) && ((b[0] == 0xeb && b[2] == 0x90) ||
	    b[0] == 0xe9 || b[0] == 0x60);
}

static uint64_t
fat_extent(const unsigned char *b)
{
	uint64_t count = le(b, 19, 2);

	return (count ? count : le(b, 32, 4)) * le(b, 11, 2);
}

/* Two bytes are soon found anywhere. */
static int
is_plausible(const struct signature *s, const unsigned char *b)
{
	if (s->len > 2 || s->at == 1030)
		return 1;
	if (!strcmp(s->type, "hfs"))
		return be(b, 1038, 2) == 3 && b[1060] >= 1 && b[1060] <= 27;
	/* ext4: it is of group 0, and not a copy */
	return le(b, 1048, 4) <= 6 && le(b, 1044, 4) <= 1 &&
	    le(b, 1056, 4) > 0 && le(b, 1064, 4) > 0 &&
	    le(b, 1084, 2) <= 3 && le(b, 1100, 4) <= 1 &&
	    (le(b, 1100, 4) == 0 || le(b, 1114, 2) == 0);
}

static int
matches(const struct signature *s, const unsigned char *b, size_t len)
{
	return s->at + s->len <= len && !memcmp(b + s->at, s->magic, s->len);
}

const char *
fs_signature(const unsigned char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < SIGNATURES; i++)
		if (matches(&signatures[i], bytes, len) &&
		    is_plausible(&signatures[i], bytes))
			return signatures[i].type;
	return is_fat(bytes, len) ? "vfat" : NULL;
}

/* 0 where it would be more than a file can have. */
static uint64_t
product(uint64_t count, uint64_t unit)
{
	return unit && count <= (uint64_t)INT64_MAX / 2 / unit ?
	    count * unit : 0;
}

static uint64_t
extent_of(const struct signature *s, const unsigned char *b, size_t len)
{
	uint64_t count = number(b, s->count), unit = s->base;

	if (s->count.at + s->count.size > len ||
	    s->unit.at + s->unit.size > len || count == 0)
		return 0;
	if (s->how == UNIT_TIMES)
		unit = number(b, s->unit);
	else if (s->how == UNIT_SHIFT)
		unit = number(b, s->unit) < 32 ?
		    unit << number(b, s->unit) : 0;
	/* ext4 of more than 2^32 blocks */
	if (s->at == 1080 && (le(b, 1120, 4) & 0x80))
		count |= le(b, 1360, 4) << 32;
	/* the data of an array's member begin behind its superblock */
	if (!strcmp(s->type, "linux_raid_member"))
		count += le(b, s->at + 128, 8);
	/* what lies before the first block of HFS */
	if (!strcmp(s->type, "hfs"))
		return product(count, unit) ? product(count, unit) +
		    be(b, 1052, 2) * 512 + 1024 : 0;
	return product(count + s->more, unit);
}

/* A descriptor of UDF that says of itself which one it is, and where. */
static int
is_descriptor(const unsigned char *b, unsigned int id, uint64_t at)
{
	unsigned char sum = 0;
	int i;

	for (i = 0; i < 16; i++)
		sum = (unsigned char)(sum + (i == 4 ? 0 : b[i]));
	return le(b, 0, 2) == id && le(b, 12, 4) == at && b[4] == sum;
}

/* Where its partition ends, by the first volume descriptors. */
static uint64_t
udf_end(int fd, uint64_t start, uint64_t length, uint64_t sector)
{
	enum { ANCHOR = 256, ANCHOR_ID = 2, PARTITION_ID = 5,
		DESCRIPTORS = 64 };
	unsigned char b[512];
	uint64_t at, i;

	if (length <= (ANCHOR + 1) * sector || pread_full(fd, b, sizeof b,
	    (off_t)(start + ANCHOR * sector)) != sizeof b ||
	    !is_descriptor(b, ANCHOR_ID, ANCHOR))
		return 0;
	at = le(b, 20, 4);
	for (i = 0; i < DESCRIPTORS && (at + i) * sector < length; i++) {
		if (pread_full(fd, b, sizeof b,
		    (off_t)(start + (at + i) * sector)) != sizeof b)
			break;
		if (is_descriptor(b, PARTITION_ID, at + i))
			return (le(b, 188, 4) + le(b, 192, 4)) * sector;
	}
	return 0;
}

static uint64_t
udf_extent(int fd, uint64_t start, uint64_t length)
{
	uint64_t end = udf_end(fd, start, length, 2048);

	if (!end)
		end = udf_end(fd, start, length, 512);
	return end ? end : udf_end(fd, start, length, 4096);
}

static int
same_family(const char *type, const char *fstype)
{
	return !strcmp(type, fstype) ||
	    (!strcmp(type, "ext4") && !strncmp(fstype, "ext", 3)) ||
	    /* a volume of HFS+ may be wrapped into one of HFS */
	    (!strcmp(type, "hfs") && !strcmp(fstype, "hfsplus"));
}

uint64_t
fs_extent(int fd, const char *fstype, uint64_t start, uint64_t length)
{
	unsigned char *b;
	uint64_t extent = 0;
	ssize_t n;
	size_t i;

	if (!strcmp(fstype, "udf"))
		return udf_extent(fd, start, length);
	if (!strcmp(fstype, "affs"))
		return amiga_extent(fd, start, length);
	b = xcalloc(1, FS_SIGNATURE_REACH);
	n = pread_full(fd, b, length < FS_SIGNATURE_REACH ? (size_t)length :
	    FS_SIGNATURE_REACH, (off_t)start);
	for (i = 0; n > 0 && i < SIGNATURES && !extent; i++)
		if (same_family(signatures[i].type, fstype) &&
		    matches(&signatures[i], b, (size_t)n))
			extent = extent_of(&signatures[i], b, (size_t)n);
	if (!extent && !strcmp(fstype, "vfat") && n > 0 &&
	    fs_fat_parameters(b, (size_t)n))
		extent = fat_extent(b);
	free(b);
	return extent;
}

static int
is_there(int fd, uint64_t at, const void *bytes, size_t len)
{
	unsigned char b[16];

	return pread_full(fd, b, len, (off_t)at) == (ssize_t)len &&
	    !memcmp(b, bytes, len);
}

uint64_t
fs_copy_distance(int fd, const char *fstype, uint64_t at)
{
	enum { FAT_COPY = 6, EXFAT_COPY = 12 };
	/* a file allocation table begins with the kind of medium and ones */
	unsigned char b[512], mark[4] = { 0xf8, 0xff, 0xff, 0 };
	uint64_t distance, behind, sector;
	size_t len = 3;

	if (pread_full(fd, b, sizeof b, (off_t)at) != sizeof b)
		return 0;
	sector = le(b, 11, 2);
	if (!strcmp(fstype, "vfat")) {
		distance = FAT_COPY * sector;
		behind = le(b, 14, 2) * sector;
		mark[0] = b[21];
	} else if (!strcmp(fstype, "exfat") && b[108] < 16) {
		distance = (uint64_t)EXFAT_COPY << b[108];
		behind = le(b, 80, 4) << b[108];
	} else if (!strcmp(fstype, "ntfs")) {
		/* at the end; the master file table tells where it began */
		distance = product(le(b, 40, 8), sector);
		behind = product(le(b, 48, 8), b[13] * sector);
		memcpy(mark, "FILE", 4);
		len = 4;
	} else {
		return 0;
	}
	return distance && at >= distance &&
	    !is_there(fd, at + behind, mark, len) &&
	    is_there(fd, at - distance + behind, mark, len) ? distance : 0;
}

uint64_t
fs_copy_find(int fd, uint64_t start, uint64_t length, const char **fstype,
    uint64_t *size)
{
	const struct {
		const char *fstype;
		uint64_t distance, size;
	} places[] = {
		{ "vfat", 6 * 512, 512 },
		{ "exfat", 12 * 512, 12 * 512 },
		{ "exfat", 12 * 4096, 12 * 4096 },
		{ "ntfs", length / 512 * 512 - 512, 512 },
	};
	unsigned char b[512];
	const char *type;
	size_t i;

	for (i = 0; length >= 65536 && i < sizeof places / sizeof places[0];
	    i++) {
		uint64_t at = start + places[i].distance;

		if (pread_full(fd, b, sizeof b, (off_t)at) != sizeof b)
			continue;
		type = fs_signature(b, sizeof b);
		if (!type || strcmp(type, places[i].fstype) ||
		    fs_copy_distance(fd, type, at) != places[i].distance)
			continue;
		*fstype = places[i].fstype;
		*size = places[i].size;
		return at;
	}
	return 0;
}
