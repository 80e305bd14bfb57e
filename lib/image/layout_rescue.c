#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/fsutil.h"
#include "image/layout_probe.h"

enum { ENTRIES = 128, ENTRY = 128, TABLE = ENTRIES * ENTRY, HEADER = 92 };

static void
put(unsigned char *p, uint64_t n, int bytes)
{
	for (; bytes > 0; bytes--, n >>= 8)
		*p++ = (unsigned char)n;
}

static uint32_t
crc32(const unsigned char *b, size_t len)
{
	uint32_t crc = UINT32_MAX;
	size_t i;
	int bit;

	for (i = 0; i < len; i++) {
		crc ^= b[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	return ~crc;
}

/*
 * The last sector that any of the entries has, 0: these are no entries.
 * Something else does not look like 128 of them, mostly empty, with ranges
 * that are none of them beyond reason and do not overlap.
 */
static uint64_t
last_used(const unsigned char *table, uint64_t limit)
{
	uint64_t last = 0;
	int i, j;

	for (i = 0; i < ENTRIES; i++) {
		const unsigned char *e = table + i * ENTRY;
		uint64_t first = le_number(e + 32, 8), end = le_number(e + 40, 8);

		if (all_zero(e, 16)) {
			if (!all_zero(e, ENTRY))
				return 0;
			continue;
		}
		if (all_zero(e + 16, 16) || first < 3 || end < first ||
		    end > limit)
			return 0;
		for (j = 0; j < i; j++) {
			const unsigned char *o = table + j * ENTRY;

			if (!all_zero(o, 16) && le_number(o + 32, 8) <= end &&
			    le_number(o + 40, 8) >= first)
				return 0;
		}
		last = end > last ? end : last;
	}
	return last;
}

/* The table as it was, on a disk of sectors sectors; -1: it cannot be. */
static int
make_table(const unsigned char *table, unsigned int sector, uint64_t sectors)
{
	int fd = memfd_create("table", MFD_CLOEXEC);
	unsigned char *b = xcalloc(1, 2 * sector + TABLE), *h = b + sector;
	uint64_t reserved = 2 + TABLE / sector;

	memcpy(h, "EFI PART\0\0\1\0", 12);
	put(h + 12, HEADER, 4);
	put(h + 24, 1, 8);
	put(h + 32, sectors - 1, 8);
	put(h + 40, 2, 8);
	put(h + 48, sectors - reserved, 8);
	put(h + 72, 2, 8);
	put(h + 80, ENTRIES, 4);
	put(h + 84, ENTRY, 4);
	put(h + 88, crc32(table, TABLE), 4);
	put(h + 16, crc32(h, HEADER), 4);
	memcpy(b + 2 * sector, table, TABLE);
	if (fd >= 0 && (write_all(fd, b, 2 * sector + TABLE) < 0 ||
	    ftruncate(fd, (off_t)(sectors * sector)) < 0)) {
		close(fd);
		fd = -1;
	}
	free(b);
	return fd;
}

/* With the 128 entries at byte at of the image. */
static int
with_entries(struct layout_probe *p, uint64_t at, unsigned int sector)
{
	unsigned char *table = xmalloc(TABLE);
	uint64_t last = 0, sectors = p->size / sector;
	uint32_t before = p->l->count;
	int fd = -1, found = 0;

	/* a disk may be larger than its image, within reason */
	if (pread_full(p->fd, table, TABLE, (off_t)(p->base + at)) == TABLE)
		last = last_used(table, (UINT64_C(1) << 48) / sector);
	if (last) {
		if (sectors < last + 64)
			sectors = last + 64;
		fd = make_table(table, sector, sectors);
	}
	if (fd >= 0) {
		found = layout_table_from(p, fd, sectors * sector, sector) &&
		    layout_has_data(p->l, before);
		close(fd);
	}
	if (!found)
		p->l->count = before;
	free(table);
	return found;
}

int
layout_rescue(struct layout_probe *p)
{
	static const unsigned int sectors[] = { 512, 4096, 2048 };
	size_t i;

	for (i = 0; i < sizeof sectors / sizeof sectors[0]; i++) {
		unsigned int sector = sectors[i];
		uint64_t whole = p->size - p->size % sector;

		if (whole < 4 * TABLE)
			continue;
		if (with_entries(p, 2 * sector, sector) ||
		    with_entries(p, whole - sector - TABLE, sector)) {
			layout_text(p->l->finding, sizeof p->l->finding,
			    "no copy of the GUID partition table is "
			    "whole: the partitions are those of the "
			    "entries that are left");
			return 1;
		}
	}
	return 0;
}

static int
is_extended(unsigned char type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* The first entry of this boot record that extends it, or NULL. */
static const unsigned char *
extension(const unsigned char *record)
{
	int i;

	for (i = 446; i < 510; i += 16)
		if (is_extended(record[i + 4]) && le_number(record + i + 12, 4))
			return record + i;
	return NULL;
}

int
layout_broken_chain(const struct layout_probe *p, uint64_t *from,
    uint64_t *end)
{
	enum { LINKS = 256, SECTOR = 512 };
	unsigned char record[SECTOR];
	const unsigned char *e;
	uint64_t start, at, last = 0;
	int i;

	if (pread_full(p->fd, record, SECTOR, (off_t)p->base) != SECTOR ||
	    le_number(record + 510, 2) != 0xaa55 || !(e = extension(record)))
		return 0;
	start = at = p->base + le_number(e + 8, 4) * SECTOR;
	*from = start;
	*end = start + le_number(e + 12, 4) * SECTOR;
	for (i = 0; i < LINKS; i++) {
		if (at >= p->base + p->size)
			return 0;
		if (at <= last || pread_full(p->fd, record, SECTOR,
		    (off_t)at) != SECTOR || le_number(record + 510, 2) != 0xaa55)
			return 1;
		e = extension(record);
		if (!e)
			return 0;
		last = at;
		at = start + le_number(e + 8, 4) * SECTOR;
	}
	return 1;
}
