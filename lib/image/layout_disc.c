#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "image/fs_signature.h"
#include "image/iso_trees.h"
#include "image/layout_probe.h"

enum {
	BOOT_MAX = 256 << 20,	/* what a disc boots from on other machines */
	BLANK_MAX = 4 << 20
};

static const char *const discs[] = { "iso9660", "udf", NULL };

/* What of the image the file systems of the disc say they have. */
static uint64_t
end_of_disc(const struct layout_probe *p, const struct volume *disc)
{
	uint64_t session = (uint64_t)disc->session * 2048;
	uint64_t iso = fs_extent(p->fd, "iso9660", session,
	    p->size - session);
	uint64_t udf = fs_extent(p->fd, "udf", 0, p->size);

	if (!iso && !udf)
		return p->size;
	iso += iso ? session : 0;
	return iso > udf ? iso : udf;
}

static int
is_blank(int fd, const struct volume *v)
{
	size_t len = v->length < BLANK_MAX ? (size_t)v->length : BLANK_MAX, i;
	unsigned char *b = xmalloc(len + 1);
	ssize_t n = pread_full(fd, b, len, (off_t)v->data);

	for (i = 0; n > 0 && i < (size_t)n && !b[i];)
		i++;
	free(b);
	return n >= 0 && i == (size_t)n;
}

static int
is_type(const struct volume *v, const char *const *types)
{
	for (; *types; types++)
		if (!strcmp(v->fstype, *types))
			return 1;
	return 0;
}

/* The side of the disc that a Macintosh shows, which may have other files. */
static const char *const sides[] = { "hfs", "hfsplus", NULL };

/*
 * An entry of a table of a disc: of its own, or another view of the disc's
 * data, for machines that would not find them otherwise.
 */
static int
is_own(const struct volume *v, uint64_t end)
{
	static const char *const views[] = { "iso9660", "udf", NULL };
	static const char *const boot[] = { "vfat", NULL };

	if (v->kind == VOLUME_SKIP)
		return 0;
	if (v->start >= end)
		return 1;
	if (v->kind == VOLUME_UNKNOWN || is_type(v, views))
		return 0;
	return !is_type(v, boot) || v->size > BOOT_MAX ||
	    v->size > end - v->start;
}

static void
skip(struct volume *v, const char *why)
{
	v->kind = VOLUME_SKIP;
	v->length = 0;
	layout_text(v->reason, sizeof v->reason, why);
}

/* How many partitions of its own there are; the others are skipped. */
static uint32_t
judge(struct layout_probe *p, uint64_t end)
{
	uint32_t i, own = 0;

	for (i = 0; i < p->l->count; i++) {
		struct volume *v = &p->l->volumes[i];
		char why[sizeof v->reason];

		if (v->start >= end && v->kind == VOLUME_UNKNOWN &&
		    is_blank(p->fd, v)) {
			skip(v, "nothing is on it");
		} else if (is_own(v, end)) {
			own++;
		} else if (v->kind != VOLUME_SKIP) {
			snprintf(why, sizeof why, "%s%s", v->fstype,
			    is_type(v, discs) ? ": the disc itself" :
			    *v->fstype ? " within the disc" :
			    "within the disc");
			skip(v, why);
		}
	}
	return own;
}

/* The entry that stands for the disc itself, or NULL. */
static struct volume *
entry_of_disc(struct layout *l)
{
	struct volume *found = NULL;
	uint32_t i;

	for (i = 0; i < l->count; i++) {
		struct volume *v = &l->volumes[i];

		if (v->kind == VOLUME_SKIP && is_type(v, discs) &&
		    (!found || v->start < found->start))
			found = v;
	}
	for (i = 0; i < l->count && !found; i++)
		if (l->volumes[i].kind == VOLUME_SKIP &&
		    l->volumes[i].start == 0)
			found = &l->volumes[i];
	return found;
}

/* Other views may show other files, and are not mounted. */
static void
say_other_views(struct layout *l)
{
	char types[120] = "";
	uint32_t i;

	for (i = 0; i < l->count; i++) {
		const struct volume *v = &l->volumes[i];
		size_t len = strlen(types);

		if (v->kind == VOLUME_SKIP && *v->fstype &&
		    !is_type(v, discs) && !strstr(types, v->fstype))
			snprintf(types + len, sizeof types - len, "%s%s",
			    len ? ", " : "", v->fstype);
	}
	if (*types)
		snprintf(l->finding, sizeof l->finding, "its tables lead to "
		    "more within the disc, which is not mounted: %s", types);
}

/* Mounted beside the others, under the number that the table has for it. */
static void
add_disc(struct layout *l, const struct volume *disc, uint64_t end)
{
	struct volume *v = entry_of_disc(l);
	uint32_t num, i;

	if (!v)
		v = layout_add(l, layout_free_number(l), 0, end);
	if (!v)
		return;
	num = v->num;
	*v = *disc;
	v->num = num;
	v->size = end < disc->size ? end : disc->size;
	for (i = 0; i < l->count; i++)
		if (l->volumes[i].kind != VOLUME_SKIP &&
		    &l->volumes[i] != v && l->volumes[i].start < end &&
		    !is_type(&l->volumes[i], sides))
			snprintf(v->reason, sizeof v->reason, "partition %u "
			    "lies within it: it may be older than the table",
			    l->volumes[i].num);
}

static void
forget(struct layout *l)
{
	l->count = 0;
	l->table[0] = '\0';
}

/* The first volume is the disc; others are skipped. */
static void
only_disc(struct layout *l, const struct volume *disc)
{
	say_other_views(l);
	if (l->count == LAYOUT_MAX)
		l->count--;
	memmove(&l->volumes[1], &l->volumes[0], l->count *
	    sizeof l->volumes[0]);
	l->volumes[0] = *disc;
	l->count++;
	l->table[0] = '\0';
}

/* A Macintosh needs no table to find its side. */
static int
has_side(const struct layout_probe *p)
{
	uint64_t extent = fs_extent(p->fd, "hfs", 0, p->size);

	return extent > 0 && extent <= p->size + p->size / 8;
}

/* Of the volumes of a disc, one that has or may have files of its own. */
struct other {
	enum iso_tree tree;
	int sure, side;
};

/* Trees and sides with files that are nowhere else become volumes, too. */
static void
add_others(struct layout *l, const struct volume *disc, const struct other *o)
{
	struct volume *v;
	char reason[100];
	uint32_t num;

	if (o->side && (v = layout_add(l, layout_free_number(l), 0, disc->size))) {
		v->kind = VOLUME_FS;
		v->length = disc->length;
		layout_text(v->fstype, sizeof v->fstype, "hfs");
	}
	if (o->tree && (v = layout_add(l, layout_free_number(l), 0, disc->size))) {
		num = v->num;
		*v = *disc;
		v->num = num;
		v->tree = o->tree;
		snprintf(reason, sizeof reason, "the %s tree of the disc, "
		    "which %s other files", o->tree == ISO_TREE_JOLIET ?
		    "Joliet" : "primary", o->sure ? "has" : "may have");
		layout_text(v->reason, sizeof v->reason, reason);
	}
}

void
layout_disc(struct layout_probe *p, const struct volume *disc)
{
	/* libblkid's choice, then those it may have preferred another to */
	static const char *const tables[] = { NULL, "gpt", "dos", "mac" };
	enum { TABLES = sizeof tables / sizeof tables[0] };
	uint64_t end = end_of_disc(p, disc);
	struct other other = { ISO_TREE_SHOWN, 1, 0 };
	size_t i;

	if (disc->kind == VOLUME_FS && !strcmp(disc->fstype, "iso9660"))
		other.tree = iso_tree_beside(p->fd, disc->data, disc->length,
		    disc->session, &other.sure);
	for (i = 0; i < TABLES; i++) {
		forget(p->l);
		if (layout_table(p, tables[i]) && judge(p, end) > 0) {
			p->l->multi = 1;
			say_other_views(p->l);
			add_disc(p->l, disc, end);
			add_others(p->l, disc, &other);
			return;
		}
	}
	other.side = has_side(p);
	if (other.tree || other.side) {
		forget(p->l);
		p->l->multi = 1;
		add_disc(p->l, disc, end);
		add_others(p->l, disc, &other);
		return;
	}
	for (i = 0; i < TABLES; i++) {
		forget(p->l);
		if (layout_table(p, tables[i]))
			break;
	}
	judge(p, end);
	only_disc(p->l, disc);
	if (!*p->l->finding && !strcmp(disc->fstype, "udf") &&
	    fs_extent(p->fd, "iso9660", 0, p->size))
		snprintf(p->l->finding, sizeof p->l->finding, "the disc has "
		    "an ISO 9660 side, too, which is not mounted");
}
