#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/procstat.h"
#include "image/fs_signature.h"
#include "image/layout_probe.h"
#include "image/volume_probe.h"

/*
 * Every sector is looked at in the first 64 MiB behind the beginning and
 * behind each file system, for 1 GiB in all; elsewhere only where partitioning
 * programs let partitions begin.
 */
enum {
	SECTOR = 512,
	CHUNK = 1 << 20,
	RUN = 64 << 20,
	DENSE = 1 << 30,
	MIB = 1 << 20,
	TRACK = 63 * SECTOR,
	CYLINDER = 255 * TRACK,
	FOUND_MAX = 100
};

struct search {
	struct layout_probe *p;
	uint64_t end, image;	/* what is searched, and what there is */
	uint64_t at;		/* how far it came */
	uint32_t first;		/* of the volumes it found */
	long stop;		/* when, in milliseconds */
	unsigned char *bytes;	/* CHUNK + FS_SIGNATURE_REACH */
};

/* The end of the volume that holds this byte, 0: none does. */
static uint64_t
covered_to(const struct layout *l, uint64_t at)
{
	uint32_t i;

	for (i = 0; i < l->count; i++) {
		const struct volume *v = &l->volumes[i];

		if (v->kind != VOLUME_SKIP && v->kind != VOLUME_UNKNOWN &&
		    at >= v->start && at < v->start + v->size)
			return v->start + v->size;
	}
	return 0;
}

static int
is_known(const struct layout *l, uint64_t at)
{
	uint32_t i;

	for (i = 0; i < l->count; i++)
		if (l->volumes[i].start == at &&
		    l->volumes[i].kind != VOLUME_UNKNOWN &&
		    l->volumes[i].kind != VOLUME_SKIP)
			return 1;
	return 0;
}

/*
 * Adds what begins at this byte, of which fs_signature() says type; NULL: it
 * says nothing, and only what libblkid is sure of counts.
 */
static int
look(struct search *s, uint64_t at, const char *type)
{
	struct layout_probe *p = s->p;
	struct volume v = { .start = at, .data = at, .found = at };
	uint64_t rest = s->image - at, extent = 0;
	struct volume *added;

	if (type) {
		extent = fs_extent(p->fd, type, at, rest);
		/* of one that begins elsewhere */
		at -= fs_copy_distance(p->fd, type, at);
		rest = s->image - at;
		v.start = v.data = at;
	}
	if (is_known(p->l, at) ||
	    (!type && !p->found && covered_to(p->l, at)))
		return 0;
	v.length = extent && extent < rest ? extent : rest;
	volume_probe(p->fd, &v);
	if (v.kind == VOLUME_UNKNOWN || (!type && v.kind != VOLUME_FS) ||
	    /* one at the end of the image is not of what begins here */
	    (v.kind == VOLUME_RAID && strcmp(type, v.fstype)) ||
	    p->l->count - s->first == FOUND_MAX)
		return 0;
	if (!extent)
		extent = fs_extent(p->fd, v.fstype, v.pieces ?
		    v.piece[0].start : at, rest);
	v.truncated = extent > rest;
	v.size = extent ? extent : FS_SIGNATURE_REACH;
	/* 0: until the next one begins, as it does not say where it ends */
	v.length = !extent || !strcmp(v.fstype, "udf") ||
	    !strcmp(v.fstype, "iso9660") ? 0 : v.length;
	added = layout_add(p->l, 0, v.start, v.size);
	if (added)
		*added = v;
	return added != NULL;
}

static void
one_place(struct search *s, uint64_t at)
{
	ssize_t n = at >= s->at && at < s->end ? pread_full(s->p->fd,
	    s->bytes, FS_SIGNATURE_REACH, (off_t)at) : 0;

	if (n > 0)
		look(s, at, fs_signature(s->bytes, (size_t)n));
}

/* Where partitions have begun since there are any, and the table said so. */
static void
usual_places(struct search *s)
{
	static const uint64_t places[] = { 1, 17, 32, 51, 63, 64, 97, 101,
		113, 128, 129, 135, 137, 227, 249, 256, 2048, 4096, 8192,
		32768, 40, 409640 };
	size_t i;

	for (i = 0; i < sizeof places / sizeof places[0]; i++)
		one_place(s, s->p->base + places[i] * SECTOR);
}

/* Where another search found something. */
static void
told_places(struct search *s)
{
	const struct layout_found *f = s->p->found;
	uint32_t i;

	for (i = 0; i < f->count; i++)
		one_place(s, f->at[i]);
}

/* Every sector of a chunk; where to go on. */
static uint64_t
every_sector(struct search *s, uint64_t at)
{
	size_t len = s->end - at < CHUNK ? (size_t)(s->end - at) : CHUNK, i;
	ssize_t n = pread_full(s->p->fd, s->bytes, CHUNK + FS_SIGNATURE_REACH,
	    (off_t)at);

	for (i = 0; n > 0 && i < len && i < (size_t)n; i += SECTOR) {
		const char *type = fs_signature(s->bytes + i, (size_t)n - i);

		if (type && !covered_to(s->p->l, at + i) &&
		    look(s, at + i, type))
			return at + i;
	}
	return at + len;
}

/* The next place behind at that is a multiple of unit, or shift behind one. */
static uint64_t
next_multiple(uint64_t at, uint64_t unit, uint64_t shift)
{
	uint64_t next = at / unit * unit + shift;

	return next > at ? next : next + unit;
}

static uint64_t
next_place(uint64_t at)
{
	uint64_t mib = next_multiple(at, MIB, 0);
	uint64_t cylinder = next_multiple(at, CYLINDER, 0);
	uint64_t track = next_multiple(at, CYLINDER, TRACK);

	if (track < cylinder)
		cylinder = track;
	return mib < cylinder ? mib : cylinder;
}

static void
signed_place(struct search *s, uint64_t at)
{
	ssize_t n = pread_full(s->p->fd, s->bytes, FS_SIGNATURE_REACH,
	    (off_t)at);
	const char *type = n > 0 ? fs_signature(s->bytes, (size_t)n) : NULL;

	if (type)
		look(s, at, type);
}

/* Where something that is no hole may begin: its signature lies behind it. */
static uint64_t
skip_hole(const struct search *s, uint64_t at)
{
	off_t data = lseek(s->p->fd, (off_t)at, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? s->end : at;
	if ((uint64_t)data < at + 2 * FS_SIGNATURE_REACH)
		return at;
	return ((uint64_t)data - FS_SIGNATURE_REACH) / SECTOR * SECTOR;
}

static void
everywhere(struct search *s)
{
	uint64_t run = 0, dense = 0, to;

	while (s->at < s->end && monotonic_ms() < s->stop) {
		to = covered_to(s->p->l, s->at);
		if (!to)
			to = skip_hole(s, s->at);
		if (to > s->at) {
			run = 0;
			s->at = (to + SECTOR - 1) / SECTOR * SECTOR;
		} else if (run < RUN && dense < DENSE) {
			to = every_sector(s, s->at);
			run += to - s->at;
			dense += to - s->at;
			s->at = to;
		} else {
			signed_place(s, s->at);
			if (!covered_to(s->p->l, s->at))
				s->at = next_place(s->at);
		}
	}
}

static int
by_start(const void *a, const void *b)
{
	const struct volume *v = a, *w = b;

	return v->start < w->start ? -1 : v->start > w->start;
}

/* Numbers behind those of the table, and lengths. */
static void
settle(struct search *s)
{
	struct layout *l = s->p->l;
	uint32_t num = s->p->before, i;

	for (i = 0; i < s->first; i++)
		if (l->volumes[i].num < LAYOUT_MAX && l->volumes[i].num > num)
			num = l->volumes[i].num;
	qsort(l->volumes + s->first, l->count - s->first, sizeof *l->volumes,
	    by_start);
	for (i = s->first; i < l->count; i++) {
		struct volume *v = &l->volumes[i];
		uint64_t end = i + 1 < l->count ? l->volumes[i + 1].start :
		    s->end;

		v->num = ++num;
		if (!v->length)
			v->length = end - v->start;
		if (v->size == FS_SIGNATURE_REACH)
			v->size = v->length;
		if (!*v->reason)
			layout_text(v->reason, sizeof v->reason, v->truncated ?
			    "no table leads to it; it ends beyond the image" :
			    "no table leads to it: it was found by its "
			    "signature");
	}
}

uint32_t
layout_search(struct layout_probe *p, uint64_t from, uint64_t end,
    int limit_ms)
{
	struct search s = { .p = p, .at = from + SECTOR, .first = p->l->count,
		.image = p->base + p->size, .stop = monotonic_ms() + limit_ms };
	uint32_t i, found;

	s.end = end < s.image ? end : s.image;
	s.bytes = xmalloc(CHUNK + FS_SIGNATURE_REACH);
	if (p->found) {
		told_places(&s);
	} else {
		usual_places(&s);
		everywhere(&s);
	}
	free(s.bytes);
	settle(&s);
	found = p->l->count - s.first;
	for (i = s.first; i < s.first + found; i++)
		layout_expand(p, &p->l->volumes[i], 0);
	p->l->reached = p->found ? p->found->reached :
	    s.at < s.end ? s.at : 0;
	return found;
}
