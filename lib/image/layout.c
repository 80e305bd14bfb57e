#define _GNU_SOURCE
#include "image/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "image/container.h"
#include "image/content_probe.h"
#include "image/disc_image.h"
#include "image/layout_probe.h"
#include "image/volume_probe.h"

enum { PROBE_LIMIT = 256 << 20 };

void
layout_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

struct volume *
layout_add(struct layout *l, uint32_t num, uint64_t start, uint64_t size)
{
	struct volume *v;

	if (l->count == LAYOUT_MAX)
		return NULL;
	v = &l->volumes[l->count++];
	memset(v, 0, sizeof *v);
	v->num = num;
	v->start = v->data = start;
	v->size = v->length = size;
	v->kind = VOLUME_UNKNOWN;
	return v;
}

struct volume *
layout_find(struct layout *l, uint32_t num)
{
	uint32_t i;

	for (i = 0; i < l->count; i++)
		if (l->volumes[i].num == num)
			return &l->volumes[i];
	return NULL;
}

uint32_t
layout_free_number(struct layout *l)
{
	uint32_t num = 1;

	while (layout_find(l, num))
		num++;
	return num;
}

int
layout_has_data(const struct layout *l, uint32_t from)
{
	uint32_t i;

	for (i = from; i < l->count; i++)
		if (l->volumes[i].kind != VOLUME_UNKNOWN &&
		    l->volumes[i].kind != VOLUME_SKIP)
			return 1;
	return 0;
}

static int
is_disc(const struct volume *v)
{
	return v->kind == VOLUME_FS && (!strcmp(v->fstype, "iso9660") ||
	    !strcmp(v->fstype, "udf"));
}

static void
only(struct layout *l, const struct volume *v)
{
	l->multi = 0;
	l->table[0] = '\0';
	l->count = 1;
	l->volumes[0] = *v;
}

/* Not all of a large image was looked at for that. */
static int
may_be_erased(const struct layout *l)
{
	return !strncmp(l->content, "all_", 4);
}

static int
name_content(struct layout_probe *p)
{
	const char *content;

	errno = 0;
	content = content_probe(p->fd, p->size, PROBE_LIMIT);
	layout_text(p->l->content, sizeof p->l->content, content);
	return !content && errno ? -1 : 0;
}

/* A GPT that an MBR with nothing in it hides, or that has none. */
static int
another_gpt(struct layout_probe *p)
{
	struct layout *kept = xmalloc(sizeof *kept);
	int found;

	*kept = *p->l;
	p->l->count = 0;
	found = layout_unprotected(p, 0) &&
	    (!kept->count || layout_has_data(p->l, 0));
	if (!found)
		*p->l = *kept;
	free(kept);
	return found;
}

/* Zip disks begin like that, and what lost an MBR before one partition. */
static int
is_zip(const struct layout *l, uint32_t from)
{
	const struct volume *v = &l->volumes[from];

	return l->count == from + 1 && (v->start == 0 || v->start == 16384 ||
	    v->start == 32256 || v->start == 1 << 20);
}

static void
say_what_was_searched(struct layout_probe *p, const char *table,
    uint32_t found)
{
	struct layout *l = p->l;
	char upto[80] = "";

	if (l->reached)
		snprintf(upto, sizeof upto, ", as far as byte %llu",
		    (unsigned long long)l->reached);
	snprintf(l->finding, sizeof l->finding, "%s: a search%s found %u "
	    "volume%s, and there may have been more", table, upto, found,
	    found == 1 ? "" : "s");
}

/* No table says where anything is. */
static void
search_all(struct layout_probe *p, int limit_ms)
{
	struct layout *l = p->l;
	uint32_t before = l->count, found = layout_search(p, 0, p->size,
	    limit_ms);

	if (!found)
		return;
	say_what_was_searched(p, l->multi ? "the partition table leads to "
	    "nothing" : "the partition table is missing", found);
	l->multi = 1;
	if (is_zip(l, before)) {
		struct volume v = l->volumes[before];

		v.num = 0;
		only(l, &v);
		/* of a whole medium its reason says all */
		if (v.start == 0)
			l->finding[0] = '\0';
	}
}

/* Nothing is in it, and something else is where the table says it is. */
static int
is_nonsense(const struct layout *l, const struct volume *v)
{
	uint32_t i;

	if (v->kind != VOLUME_UNKNOWN || v->truncated)
		return 0;
	for (i = 0; i < l->count; i++) {
		const struct volume *other = &l->volumes[i];

		if (other->kind != VOLUME_UNKNOWN &&
		    other->kind != VOLUME_SKIP && other->start >= v->start &&
		    other->start - v->start < v->size)
			return 1;
	}
	return 0;
}

static int
has_nonsense(const struct layout *l)
{
	uint32_t i;

	for (i = 0; i < l->count; i++)
		if (is_nonsense(l, &l->volumes[i]))
			return 1;
	return 0;
}

/* A table that has something may have lost some of it. */
static void
search_for_lost(struct layout_probe *p, int limit_ms)
{
	uint64_t from, end;
	uint32_t found;

	if (layout_broken_chain(p, &from, &end))
		say_what_was_searched(p, "the chain of logical partitions "
		    "is broken", layout_search(p, from, end, limit_ms));
	if (!has_nonsense(p->l))
		return;
	found = layout_search(p, 0, p->size, limit_ms);
	if (found)
		say_what_was_searched(p, "the partition table is damaged",
		    found);
}

/*
 * Arrays and pools have superblocks at the end: it may be that of the last
 * partition, and the image no member at all.
 */
static int
may_be_of_a_partition(const struct layout_probe *p, const struct volume *v)
{
	return p->empty_array || (v->kind == VOLUME_FOREIGN &&
	    (strstr(v->fstype, "raid_member") ||
	    !strcmp(v->fstype, "zfs_member")));
}

static void
search_instead(struct layout_probe *p, int limit_ms)
{
	struct layout *kept = xmalloc(sizeof *kept);

	*kept = *p->l;
	p->l->count = p->l->multi = 0;
	search_all(p, limit_ms);
	if (!p->l->count)
		*p->l = *kept;
	free(kept);
}

/* Of a table in parts entries may be lost, too. */
static void
search_beside(struct layout_probe *p, int limit_ms)
{
	uint32_t found = layout_search(p, 0, p->size, limit_ms);
	size_t len = strlen(p->l->finding);

	if (found)
		snprintf(p->l->finding + len, sizeof p->l->finding - len,
		    "; a search found %u volume%s besides", found,
		    found == 1 ? "" : "s");
}

static int
recognise(struct layout *l, int fd, uint64_t size, int limit_ms,
    const struct layout_found *found)
{
	struct layout_probe p = { .fd = fd, .size = size, .found = found,
		.l = l };
	struct volume whole = { .length = size, .size = size };
	const struct container *c;

	memset(l, 0, sizeof *l);
	c = container_probe(fd, size);
	if (!c && errno)
		return -1;
	if (c) {
		layout_text(l->content, sizeof l->content, c->name);
		only(l, &whole);
		return 0;
	}
	volume_probe(fd, &whole);
	/* hybrid discs carry tables for other machines' sake */
	if (is_disc(&whole)) {
		layout_disc(&p, &whole);
		return 0;
	}
	l->multi = (uint32_t)layout_tables(&p, 0);
	/* an old table below a newer file system has nothing where it says */
	if (layout_has_data(l, 0)) {
		search_for_lost(&p, limit_ms);
		return 0;
	}
	if (whole.kind != VOLUME_UNKNOWN) {
		only(l, &whole);
		layout_expand(&p, &l->volumes[0], 0);
		if (may_be_of_a_partition(&p, &whole))
			search_instead(&p, limit_ms);
		return 0;
	}
	if (another_gpt(&p))
		l->multi = 1;
	if (layout_has_data(l, 0))
		return 0;
	if (layout_rescue(&p)) {
		l->multi = 1;
		search_beside(&p, limit_ms);
		return 0;
	}
	if (!l->multi && name_content(&p) < 0)
		return -1;
	if (!*l->content || may_be_erased(l))
		search_all(&p, limit_ms);
	if (l->count)
		l->content[0] = '\0';
	if (!l->count)
		only(l, &whole);
	return 0;
}

/* A later session counts its sectors from the beginning of the disc. */
static void
add_data_track(struct layout *l, int fd, uint64_t start, uint64_t size)
{
	struct volume *v = layout_add(l, layout_free_number(l), start, size);

	if (!v)
		return;
	volume_probe(fd, v);
	if (v->kind != VOLUME_FS || strcmp(v->fstype, "iso9660"))
		return;
	v->session = (uint32_t)(start / DISC_SECTOR);
	v->data = 0;
	v->length = start + size;
}

static void
add_music(struct layout *l, int fd, const struct disc_image *d)
{
	struct volume *v = layout_add(l, layout_free_number(l), d->music,
	    d->music_size);

	if (!v)
		return;
	volume_probe(fd, v);
	layout_text(v->reason, sizeof v->reason, "the tracks of music");
}

/* The first data track is as if it were alone. */
static int
recognise_disc(struct layout *l, int fd, const struct disc_image *d,
    int limit_ms, const struct layout_found *found)
{
	uint64_t first = d->count && d->data[0].sector == 0 ?
	    (uint64_t)d->data[0].sectors * DISC_SECTOR : 0;
	size_t i;

	memset(l, 0, sizeof *l);
	if (first && recognise(l, fd, first, limit_ms, found) < 0)
		return -1;
	/* the others have numbers */
	if (l->count && l->volumes[0].num == 0)
		l->volumes[0].num = layout_free_number(l);
	l->multi = 1;
	for (i = first ? 1 : 0; i < d->count; i++)
		add_data_track(l, fd, (uint64_t)d->data[i].sector *
		    DISC_SECTOR, (uint64_t)d->data[i].sectors * DISC_SECTOR);
	if (d->music_size)
		add_music(l, fd, d);
	if (!*l->table)
		layout_text(l->table, sizeof l->table, "cd");
	l->content[0] = '\0';
	return 0;
}

int
layout_recognise(struct layout *l, int fd, uint64_t size, int limit_ms,
    const struct layout_found *found)
{
	struct disc_image disc;

	if (disc_image_read(&disc, fd, size))
		return recognise_disc(l, fd, &disc, limit_ms, found);
	return recognise(l, fd, size, limit_ms, found);
}
