#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "image/layout_probe.h"
#include "image/lvm_meta.h"
#include "image/raid_super.h"
#include "image/volume_probe.h"

enum {
	MAX_NESTING = 4,			/* LVM on RAID on a partition */
	NUM_MAX = 999999999			/* nine digits behind a p */
};

/* What a JSON object may still take of detail without being cut. */
static void
set_detail(struct volume *v, struct buf *b)
{
	if (b->len < sizeof v->detail)
		memcpy(v->detail, b->data, b->len + 1);
	buf_free(b);
}

/* An array with partitions: they are numbered as an LVM's volumes are. */
static void
expand_array(struct layout_probe *p, struct volume *v, int nesting)
{
	struct layout_probe array = { .fd = p->fd, .base = v->data,
		.size = v->length, .before = v->num * LAYOUT_LV_BASE,
		.l = p->l };
	int found = layout_tables(&array, nesting) ||
	    layout_unprotected(&array, nesting);

	v->kind = VOLUME_RAID;
	layout_text(v->fstype, sizeof v->fstype, "linux_raid_member");
	layout_text(v->reason, sizeof v->reason, found ?
	    "member of a RAID1 with partitions" :
	    "member of a RAID1 without a file system on it");
	if (found && v->num == 0)
		p->l->multi = 1;
	p->empty_array = !found;
}

static void
expand_raid(struct layout_probe *p, struct volume *v, int nesting)
{
	struct raid_super r;
	struct buf b = BUF_INIT;

	if (raid_super_find(p->fd, v->data, v->length, &r) != 1) {
		layout_text(v->reason, sizeof v->reason,
		    "its RAID superblock cannot be read");
		return;
	}
	layout_text(v->uuid, sizeof v->uuid, r.uuid);
	json_begin_object(&b, "raid");
	json_text(&b, "version", r.version);
	json_text(&b, "uuid", r.uuid);
	json_text(&b, "name", r.name);
	json_i64(&b, "level", r.level);
	json_i64(&b, "disks", r.disks);
	json_i64(&b, "role", r.role);
	/* where the file system is, behind the member's start */
	json_u64(&b, "data", v->data + r.data - v->start);
	json_end_object(&b);
	set_detail(v, &b);
	if (r.level != 1) {
		snprintf(v->reason, sizeof v->reason, "member %d of a RAID%d "
		    "of %d disks", r.role, r.level, r.disks);
		return;
	}
	v->data += r.data;
	v->length = r.size;
	volume_probe(p->fd, v);
	if (v->kind == VOLUME_UNKNOWN)
		expand_array(p, v, nesting);
	else
		layout_expand(p, v, nesting);
}

static void
lvm_detail(struct volume *v, const struct lvm_meta *m)
{
	struct buf b = BUF_INIT;
	size_t i;

	json_begin_object(&b, "lvm");
	json_u64(&b, "format", (uint64_t)m->format);
	json_text(&b, "vg", m->vg);
	json_text(&b, "pv_uuid", m->pv_uuid);
	json_begin_array(&b, "lvs");
	for (i = 0; i < m->count && b.len < sizeof v->detail - 1024; i++)
		json_text(&b, NULL, m->volumes[i].name);
	json_end_array(&b);
	json_end_object(&b);
	set_detail(v, &b);
}

/* A logical volume's own names, whatever its file system's label is. */
static void
name_volume(struct volume *v, const struct lvm_meta *m,
    const struct lvm_volume *lv)
{
	struct buf b = BUF_INIT;

	json_begin_object(&b, "lvm");
	json_text(&b, "vg", m->vg);
	json_text(&b, "lv", lv->name);
	json_text(&b, "lv_uuid", lv->uuid);
	json_u64(&b, "pieces", lv->count);
	json_end_object(&b);
	set_detail(v, &b);
}

/* All pieces are in the member: 1; the last one is not whole: 0. */
static int
pieces_fit(const struct lvm_volume *lv, uint64_t length)
{
	size_t i;

	for (i = 0; i < lv->count; i++)
		if (lv->pieces[i].start >= length ||
		    lv->pieces[i].size > length - lv->pieces[i].start)
			return 0;
	return lv->count > 0;
}

static void
add_lv(struct layout_probe *p, const struct volume *pv,
    const struct lvm_meta *m, const struct lvm_volume *lv, uint32_t num,
    int nesting)
{
	uint64_t at = pv->data + (lv->count ? lv->pieces[0].start : 0);
	struct volume *v = layout_add(p->l, num, at, lv->size);
	int fits = pieces_fit(lv, pv->length);
	size_t i;

	if (!v)
		return;
	name_volume(v, m, lv);
	v->length = 0;
	if (*lv->why || !lv->count || lv->pieces[0].start >= pv->length ||
	    (lv->count > 1 && !fits)) {
		v->kind = VOLUME_LVM;
		snprintf(v->reason, sizeof v->reason, "cannot be mounted "
		    "from this medium alone: %s", *lv->why ? lv->why :
		    "it lies beyond the end");
		return;
	}
	v->truncated = !fits;
	/* what is recognised is at the beginning, in the first piece */
	v->length = fits ? lv->pieces[0].size : pv->length -
	    lv->pieces[0].start;
	volume_probe(p->fd, v);
	if (lv->count == 1) {
		layout_expand(p, v, nesting);
		return;
	}
	v->pieces = (uint32_t)lv->count;
	for (i = 0; i < lv->count; i++) {
		v->piece[i] = lv->pieces[i];
		v->piece[i].start += pv->data;
	}
}

static void
expand_lvm(struct layout_probe *p, struct volume *v, int nesting)
{
	struct lvm_meta m = LVM_META_INIT;
	uint32_t num = v->num * LAYOUT_LV_BASE;
	size_t i;

	if (lvm_meta_find(p->fd, v->data, v->length, &m) != 1)
		goto out;
	lvm_detail(v, &m);
	snprintf(v->reason, sizeof v->reason, "physical volume of an LVM%d "
	    "group", m.format);
	if (v->num == 0 && m.count) {
		p->l->multi = 1;
		layout_text(p->l->table, sizeof p->l->table, "lvm");
	}
	for (i = 0; i < m.count; i++)
		add_lv(p, v, &m, &m.volumes[i], ++num, nesting);
out:
	lvm_meta_free(&m);
}

/* In the word that people have for it; NULL: it is something else. */
static const char *
encryption(const char *fstype)
{
	static const struct { const char *fstype, *name; } kinds[] = {
		{ "crypto_LUKS", "LUKS" }, { "BitLocker", "BitLocker" },
		{ "FileVault", "FileVault" },
	};
	size_t i;

	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (!strcmp(kinds[i].fstype, fstype))
			return kinds[i].name;
	return NULL;
}

void
layout_expand(struct layout_probe *p, struct volume *v, int nesting)
{
	if (nesting >= MAX_NESTING || v->num > NUM_MAX / LAYOUT_LV_BASE)
		return;
	if (v->kind == VOLUME_RAID)
		expand_raid(p, v, nesting + 1);
	else if (v->kind == VOLUME_LVM)
		expand_lvm(p, v, nesting + 1);
	else if (v->kind == VOLUME_FOREIGN && encryption(v->fstype))
		snprintf(v->reason, sizeof v->reason, "encrypted: %s",
		    encryption(v->fstype));
	else if (v->kind == VOLUME_FOREIGN && !*v->reason)
		snprintf(v->reason, sizeof v->reason,
		    "%s is not a file system that can be mounted", v->fstype);
}
