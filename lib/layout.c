#define _GNU_SOURCE
#include "layout.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "content_probe.h"
#include "layout_probe.h"
#include "volume_probe.h"

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

static int
something_found(const struct layout *l)
{
	uint32_t i;

	for (i = 0; i < l->count; i++)
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

/* Zip disks and superfloppies whose table is gone. */
static int
at_known_offset(struct layout_probe *p, struct volume *found)
{
	static const uint64_t offsets[] = { 16384, 32256, 1 << 20 };
	size_t i;

	for (i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
		if (offsets[i] >= p->size)
			break;
		memset(found, 0, sizeof *found);
		found->start = found->data = offsets[i];
		found->size = found->length = p->size - offsets[i];
		volume_probe(p->fd, found);
		if (found->kind == VOLUME_FS)
			return 1;
	}
	return 0;
}

static void
only(struct layout *l, const struct volume *v)
{
	l->multi = 0;
	l->table[0] = '\0';
	l->count = 1;
	l->volumes[0] = *v;
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

int
layout_recognise(struct layout *l, int fd, uint64_t size)
{
	struct layout_probe p = { .fd = fd, .size = size, .l = l };
	struct volume whole = { .length = size, .size = size }, offset;

	memset(l, 0, sizeof *l);
	volume_probe(fd, &whole);
	/* hybrid discs carry tables for other machines' sake */
	if (is_disc(&whole)) {
		only(l, &whole);
		return 0;
	}
	l->multi = (uint32_t)layout_tables(&p, 0);
	/* an old table below a newer file system has nothing where it says */
	if (l->multi && something_found(l))
		return 0;
	if (whole.kind != VOLUME_UNKNOWN) {
		only(l, &whole);
		layout_expand(&p, &l->volumes[0], 0);
		return 0;
	}
	if (!l->multi && layout_unprotected(&p, 0)) {
		l->multi = 1;
		if (something_found(l))
			return 0;
	}
	if (at_known_offset(&p, &offset)) {
		only(l, &offset);
		return 0;
	}
	if (l->multi)
		return 0;
	only(l, &whole);
	return name_content(&p);
}
