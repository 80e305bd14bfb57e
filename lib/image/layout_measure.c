#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "image/fs_signature.h"
#include "image/layout_probe.h"

enum { SECTOR = 512, MENDS = 16, FAT_MAX = 256 << 20 };

/* ---- what is cut ---- */

static uint64_t
extent_of(int fd, const struct volume *v)
{
	uint64_t skip = (uint64_t)v->session * 2048, extent;

	if (skip >= v->length)
		return 0;
	extent = fs_extent(fd, v->fstype, v->data + skip, v->length - skip);
	if (extent == 0 || extent > LAYOUT_BYTES_MAX - skip)
		return 0;
	return extent + skip;
}

static void
say_cut(struct volume *v, uint64_t bytes)
{
	char before[sizeof v->reason];

	snprintf(before, sizeof before, "%s", v->reason);
	snprintf(v->reason, sizeof v->reason, "the image ends %s before the "
	    "volume does%s%.150s", num_bytes(bytes), *before ? "; " : "",
	    before);
}

static void
measure(int fd, uint64_t size, struct volume *v)
{
	uint64_t extent = extent_of(fd, v), end = v->data + v->length;

	if (v->truncated && extent && extent <= v->length) {
		/* the partition is cut, and nothing of its file system */
		v->truncated = 0;
		v->reason[0] = '\0';
		return;
	}
	if (!extent && v->truncated)
		extent = v->start + v->size - v->data;
	/* more than its partition, which is not where the image ends */
	if (extent <= v->length || end < size)
		return;
	/* a missing copy of a boot sector loses no file */
	if (extent - v->length <= SECTOR && !strcmp(v->fstype, "ntfs"))
		return;
	if (v->truncated)
		v->reason[0] = '\0';
	v->truncated = 1;
	v->need = extent;
	say_cut(v, extent - v->length);
}

/* ---- good copies ---- */

static void
add_mend(struct volume *v, uint64_t to, uint64_t from, uint64_t size)
{
	struct volume_mend *last = v->mends ? &v->mend[v->mends - 1] : NULL;

	if (last && last->to + last->size == to &&
	    last->from + last->size == from)
		last->size += size;
	else if (v->mends < MENDS)
		v->mend[v->mends++] = (struct volume_mend){ to, from, size };
}

/* What volume_probe() made of a lost boot sector: its copy and the rest. */
static void
take_boot_sector(struct volume *v)
{
	if (v->pieces != 2 || *v->detail ||
	    v->piece[1].start != v->data + v->piece[0].size)
		return;
	add_mend(v, v->data, v->piece[0].start, v->piece[0].size);
	v->pieces = 0;
}

static int
is_blank(const unsigned char *b)
{
	return !memcmp(b, b + 1, SECTOR - 1);
}

/* This sector of the first table is gone, and the second one has it. */
static int
second_is_better(const struct view *view, uint64_t first, uint64_t second,
    const unsigned char *a, const unsigned char *b)
{
	if (!memcmp(a, b, SECTOR))
		return view && view_lost(view, first, SECTOR) &&
		    !view_lost(view, second, SECTOR);
	if (view && view_lost(view, second, SECTOR))
		return 0;
	if (view && view_lost(view, first, SECTOR))
		return 1;
	return is_blank(a) && !is_blank(b);
}

/* A damaged first file allocation table would cut files short. */
static void
mend_tables(int fd, const struct view *view, struct volume *v)
{
	unsigned char boot[SECTOR], a[SECTOR], b[SECTOR];
	uint64_t unit, first, size, at, mended = 0;
	size_t len;

	if (pread_full(fd, boot, sizeof boot, (off_t)(v->mends ?
	    v->mend[0].from : v->data)) != sizeof boot)
		return;
	memcpy(boot, v->boot, v->boot_size);
	if (boot[16] < 2)
		return;
	unit = le_number(boot + 11, 2);
	size = le_number(boot + 22, 2) ? le_number(boot + 22, 2) : le_number(boot + 36, 4);
	first = v->data + le_number(boot + 14, 2) * unit;
	size *= unit;
	if (size == 0 || size % SECTOR || size > FAT_MAX)
		return;
	for (at = 0; at < size; at += SECTOR) {
		if (pread_full(fd, a, sizeof a, (off_t)(first + at)) !=
		    sizeof a || pread_full(fd, b, sizeof b,
		    (off_t)(first + size + at)) != sizeof b)
			break;
		if (!second_is_better(view, first + at, first + size + at, a,
		    b))
			continue;
		mended += SECTOR;
		add_mend(v, first + at, first + size + at, SECTOR);
	}
	len = strlen(v->reason);
	if (mended)
		snprintf(v->reason + len, sizeof v->reason - len, "%s%s of "
		    "its first file allocation table are read from the "
		    "second", len ? "; " : "", num_bytes(mended));
}

void
layout_measure(struct layout *l, int fd, uint64_t size,
    const struct view *view)
{
	uint32_t i;

	for (i = 0; i < l->count; i++) {
		struct volume *v = &l->volumes[i];

		if (v->kind != VOLUME_FS || v->length == 0)
			continue;
		take_boot_sector(v);
		if (v->pieces < 2)
			measure(fd, size, v);
		if (!strcmp(v->fstype, "vfat"))
			mend_tables(fd, view, v);
	}
}
