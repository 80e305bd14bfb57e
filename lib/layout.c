#define _GNU_SOURCE
#include "layout.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "buf.h"
#include "content_probe.h"
#include "fsutil.h"
#include "iso_session.h"
#include "json.h"
#include "lvm_meta.h"
#include "raid_super.h"

enum {
	MAX_NESTING = 4,			/* LVM on RAID on a partition */
	NUM_MAX = 999999999,			/* nine digits behind a p */
	PROBE_LIMIT = 256 << 20,
	DOS_EXTENDED = 0x05, DOS_EXTENDED_LBA = 0x0f, DOS_EXTENDED_LINUX = 0x85
};

struct probe {
	int fd;
	uint64_t base, size;	/* what is looked at, in the image */
	uint32_t before;	/* what the numbers in its table begin after */
	struct layout *l;
};

static void
copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static const char *
value_of(blkid_probe pr, const char *name)
{
	const char *value;

	return blkid_probe_lookup_value(pr, name, &value, NULL) == 0 ? value :
	    NULL;
}

static enum volume_kind
kind_of(const char *type, const char *usage)
{
	if (!strcmp(type, "swap") || !strcmp(type, "swsuspend"))
		return VOLUME_SWAP;
	if (!strcmp(type, "linux_raid_member"))
		return VOLUME_RAID;
	if (!strcmp(type, "LVM2_member") || !strcmp(type, "LVM1_member"))
		return VOLUME_LVM;
	return usage && !strcmp(usage, "filesystem") ? VOLUME_FS :
	    VOLUME_FOREIGN;
}

static void
take_values(blkid_probe pr, struct volume *v)
{
	const char *type = value_of(pr, "TYPE");

	v->kind = kind_of(type, value_of(pr, "USAGE"));
	copy_text(v->fstype, sizeof v->fstype, type);
	copy_text(v->uuid, sizeof v->uuid, value_of(pr, "UUID"));
	copy_text(v->label, sizeof v->label, value_of(pr, "LABEL"));
}

static blkid_probe
new_probe(int fd, uint64_t start, uint64_t length)
{
	blkid_probe pr = blkid_new_probe();

	if (pr && blkid_probe_set_device(pr, fd, (blkid_loff_t)start,
	    (blkid_loff_t)length) < 0) {
		blkid_free_probe(pr);
		pr = NULL;
	}
	return pr;
}

/*
 * Several signatures at once: old ones that mkfs did not wipe.  The first
 * file system libblkid knows is taken, and the doubt is noted.
 */
static void
take_first(int fd, struct volume *v)
{
	blkid_probe pr = new_probe(fd, v->data, v->length);

	if (!pr)
		return;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_DEFAULT |
	    BLKID_SUBLKS_USAGE);
	while (v->kind != VOLUME_FS && blkid_do_probe(pr) == 0)
		if (value_of(pr, "TYPE"))
			take_values(pr, v);
	if (v->kind != VOLUME_UNKNOWN)
		copy_text(v->reason, sizeof v->reason,
		    "there are signatures of several file systems");
	blkid_free_probe(pr);
}

/*
 * HFS+ looks for its second header at the very end, which is not that of the
 * medium where a disk is larger than its volume.
 */
static void
fit_hfsplus(int fd, struct volume *v)
{
	unsigned char h[48];
	uint64_t size;

	if (pread_full(fd, h, sizeof h, (off_t)v->data + 1024) != sizeof h ||
	    h[0] != 'H' || (h[1] != '+' && h[1] != 'X'))
		return;
	size = ((uint64_t)h[40] << 24 | (uint64_t)h[41] << 16 |
	    (uint64_t)h[42] << 8 | h[43]) *
	    ((uint64_t)h[44] << 24 | (uint64_t)h[45] << 16 |
	    (uint64_t)h[46] << 8 | h[47]);
	if (size > 2048 && size < v->length)
		v->length = size;
}

/* Sets kind, fstype, uuid and label from the bytes at data. */
static void
recognise(int fd, struct volume *v)
{
	blkid_probe pr = v->length ? new_probe(fd, v->data, v->length) : NULL;
	int rc;

	v->kind = VOLUME_UNKNOWN;
	if (!pr)
		return;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_DEFAULT |
	    BLKID_SUBLKS_USAGE);
	rc = blkid_do_safeprobe(pr);
	if (rc == 0 && value_of(pr, "TYPE"))
		take_values(pr, v);
	blkid_free_probe(pr);
	if (rc == -2)
		take_first(fd, v);
	if (!strcmp(v->fstype, "hfsplus"))
		fit_hfsplus(fd, v);
	if (!strcmp(v->fstype, "iso9660"))
		v->session = iso_last_session(fd, v->data, v->length);
}

static struct volume *
add_volume(struct layout *l, uint32_t num, uint64_t start, uint64_t size)
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

static void expand(struct probe *p, struct volume *v, int nesting);
static int read_tables(struct probe *p, int nesting);
static int read_unprotected(struct probe *p, int nesting);

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
expand_array(struct probe *p, struct volume *v, int nesting)
{
	struct probe array = { .fd = p->fd, .base = v->data,
		.size = v->length, .before = v->num * LAYOUT_LV_BASE,
		.l = p->l };
	int found = read_tables(&array, nesting) ||
	    read_unprotected(&array, nesting);

	v->kind = VOLUME_RAID;
	copy_text(v->fstype, sizeof v->fstype, "linux_raid_member");
	copy_text(v->reason, sizeof v->reason, found ?
	    "member of a RAID1 with partitions" :
	    "member of a RAID1 without a file system on it");
	if (found && v->num == 0)
		p->l->multi = 1;
}

static void
expand_raid(struct probe *p, struct volume *v, int nesting)
{
	struct raid_super r;
	struct buf b = BUF_INIT;

	if (raid_super_find(p->fd, v->data, v->length, &r) != 1) {
		copy_text(v->reason, sizeof v->reason,
		    "its RAID superblock cannot be read");
		return;
	}
	copy_text(v->uuid, sizeof v->uuid, r.uuid);
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
	recognise(p->fd, v);
	if (v->kind == VOLUME_UNKNOWN)
		expand_array(p, v, nesting);
	else
		expand(p, v, nesting);
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
add_lv(struct probe *p, const struct volume *pv, const struct lvm_meta *m,
    const struct lvm_volume *lv, uint32_t num, int nesting)
{
	uint64_t at = pv->data + (lv->count ? lv->pieces[0].start : 0);
	struct volume *v = add_volume(p->l, num, at, lv->size);
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
	recognise(p->fd, v);
	if (lv->count == 1) {
		expand(p, v, nesting);
		return;
	}
	v->pieces = (uint32_t)lv->count;
	for (i = 0; i < lv->count; i++) {
		v->piece[i] = lv->pieces[i];
		v->piece[i].start += pv->data;
	}
}

static void
expand_lvm(struct probe *p, struct volume *v, int nesting)
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
		copy_text(p->l->table, sizeof p->l->table, "lvm");
	}
	for (i = 0; i < m.count; i++)
		add_lv(p, v, &m, &m.volumes[i], ++num, nesting);
out:
	lvm_meta_free(&m);
}

/* Looks inside members of arrays and groups. */
static void
expand(struct probe *p, struct volume *v, int nesting)
{
	if (nesting >= MAX_NESTING || v->num > NUM_MAX / LAYOUT_LV_BASE)
		return;
	if (v->kind == VOLUME_RAID)
		expand_raid(p, v, nesting + 1);
	else if (v->kind == VOLUME_LVM)
		expand_lvm(p, v, nesting + 1);
	else if (v->kind == VOLUME_FOREIGN)
		snprintf(v->reason, sizeof v->reason,
		    "%s is not a file system that can be mounted", v->fstype);
}

/* ---- partition tables ---- */

static const struct {
	const char *type, *text;	/* GUID or Apple's name; a prefix */
} skipped[] = {
	{ "21686148-6449-6e6f-744e-656564454649", "BIOS boot partition" },
	{ "e3c9e316-0b5c-4db8-817d-f92df00215ae",
	    "Microsoft reserved partition" },
	{ "9e1a2d38-c612-4316-aa26-8b49521e5a8b", "PReP boot partition" },
	{ "Apple_partition_map", "partition map" },
	{ "Apple_Driver", "driver partition" },
	{ "Apple_Patches", "patch partition" },
	{ "Apple_Free", "free space" },
	{ "Apple_Void", "free space" },
	{ "Apple_Boot", "boot partition" },
	{ "Apple_FWDriver", "driver partition" },
};

/* Why a partition is no place for a file system, or NULL. */
static const char *
why_skipped(blkid_partition par)
{
	const char *type = blkid_partition_get_type_string(par);
	int number = blkid_partition_get_type(par);
	size_t i;

	if (blkid_partition_is_extended(par) || (!type &&
	    (number == DOS_EXTENDED || number == DOS_EXTENDED_LBA ||
	    number == DOS_EXTENDED_LINUX)))
		return "extended partition";
	for (i = 0; type && i < sizeof skipped / sizeof skipped[0]; i++)
		if (!strncasecmp(type, skipped[i].type,
		    strlen(skipped[i].type)))
			return skipped[i].text;
	return NULL;
}

/* It has no signature; the table is bsd, freebsd, netbsd or openbsd. */
static int
is_bsd_swap(blkid_partition par)
{
	enum { BSD_SWAP = 1 };
	blkid_parttable table = blkid_partition_get_table(par);
	const char *type = table ? blkid_parttable_get_type(table) : NULL;

	return type && strstr(type, "bsd") &&
	    blkid_partition_get_type(par) == BSD_SWAP;
}

static struct volume *
find_volume(struct layout *l, uint32_t num)
{
	uint32_t i;

	for (i = 0; i < l->count; i++)
		if (l->volumes[i].num == num)
			return &l->volumes[i];
	return NULL;
}

/*
 * A slice of BSD or Solaris holds a table of its own, and the first file
 * system in it begins where the slice does: it is not to be listed twice.
 */
static void
skip_slice(struct probe *p, blkid_partition par)
{
	blkid_parttable table = blkid_partition_get_table(par);
	blkid_partition slice = table ? blkid_parttable_get_parent(table) :
	    NULL;
	const struct volume *v;
	struct volume *outer;

	if (!slice)
		return;
	v = find_volume(p->l, p->before +
	    (uint32_t)blkid_partition_get_partno(par));
	outer = find_volume(p->l, p->before +
	    (uint32_t)blkid_partition_get_partno(slice));
	if (!v || v->kind == VOLUME_UNKNOWN || v->kind == VOLUME_SKIP ||
	    !outer || (outer->kind != VOLUME_UNKNOWN &&
	    outer->kind != VOLUME_FS))
		return;
	outer->kind = VOLUME_SKIP;
	outer->length = 0;
	copy_text(outer->reason, sizeof outer->reason,
	    "slice with partitions of its own");
}

static void
clip(struct volume *v, uint64_t image)
{
	if (v->start >= image) {
		v->truncated = 1;
		v->length = 0;
		snprintf(v->reason, sizeof v->reason,
		    "it begins beyond the end of the image");
	} else if (v->size > image - v->start) {
		v->truncated = 1;
		v->length = image - v->start;
		snprintf(v->reason, sizeof v->reason,
		    "its last %llu bytes are beyond the end of the image",
		    (unsigned long long)(v->size - v->length));
	}
}

static void
add_partition(struct probe *p, blkid_partition par, int nesting)
{
	uint64_t start = (uint64_t)blkid_partition_get_start(par);
	uint64_t sectors = (uint64_t)blkid_partition_get_size(par);
	const char *why = why_skipped(par);
	int num = blkid_partition_get_partno(par);
	struct volume *v;

	/* libblkid counts in 512-byte sectors whatever the table does */
	if (num < 1 || num >= LAYOUT_MAX ||
	    start > (UINT64_MAX - p->base) / 512 ||
	    sectors > (UINT64_MAX - p->base - 512 * start) / 512)
		return;
	v = add_volume(p->l, p->before + (uint32_t)num, p->base + 512 * start,
	    512 * sectors);
	if (!v)
		return;
	if (why) {
		v->kind = VOLUME_SKIP;
		v->length = 0;
		copy_text(v->reason, sizeof v->reason, why);
		return;
	}
	clip(v, p->base + p->size);
	recognise(p->fd, v);
	if (v->kind == VOLUME_UNKNOWN && is_bsd_swap(par))
		v->kind = VOLUME_SWAP;
	expand(p, v, nesting);
	if (!*v->label && blkid_partition_get_name(par))
		copy_text(v->label, sizeof v->label,
		    blkid_partition_get_name(par));
}

/*
 * The size of the disk a GPT was made for.  libblkid takes no table for valid
 * that is larger than the disk, and an image may well be shorter.
 */
static uint64_t
size_for_table(const struct probe *p, unsigned int sector)
{
	unsigned char header[92];
	uint64_t backup = 0;
	int i;

	if (pread_full(p->fd, header, sizeof header,
	    (off_t)(p->base + sector)) != sizeof header || memcmp(header, "EFI PART", 8))
		return p->size;
	for (i = 7; i >= 0; i--)
		backup = backup << 8 | header[32 + i];
	if (backup >= (uint64_t)INT64_MAX / sector - 1 ||
	    (backup + 1) * sector <= p->size)
		return p->size;
	return (backup + 1) * sector;
}

/* The beginning of the image as that of a file of size bytes. */
static int
prolonged(const struct probe *p, uint64_t size)
{
	enum { HEAD = 1 << 20 };	/* the longest table known is in it */
	char *head = xmalloc(HEAD);
	ssize_t n = pread_full(p->fd, head, HEAD, (off_t)p->base);
	int fd = n < 0 ? -1 : memfd_create("table", MFD_CLOEXEC);

	if (fd >= 0 && (write_all(fd, head, (size_t)n) < 0 ||
	    ftruncate(fd, (off_t)size) < 0)) {
		close(fd);
		fd = -1;
	}
	free(head);
	return fd;
}

/* 1 if there is a table; its partitions are added. */
static int
read_table(struct probe *p, unsigned int sector, int flags, int nesting)
{
	uint64_t size = size_for_table(p, sector);
	int fd = size > p->size ? prolonged(p, size) : p->fd;
	blkid_probe pr = new_probe(fd, fd == p->fd ? p->base : 0, size);
	blkid_partlist list;
	int i, count = 0;

	if (!pr)
		goto out;
	blkid_probe_set_sectorsize(pr, sector);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_ENTRY_DETAILS |
	    flags);
	list = blkid_probe_get_partitions(pr);
	if (list)
		count = blkid_partlist_numof_partitions(list);
	if (count > 0 && !p->before)
		copy_text(p->l->table, sizeof p->l->table,
		    blkid_parttable_get_type(blkid_partlist_get_table(list)));
	for (i = 0; i < count; i++)
		add_partition(p, blkid_partlist_get_partition(list, i),
		    nesting);
	for (i = 0; i < count; i++)
		skip_slice(p, blkid_partlist_get_partition(list, i));
	blkid_free_probe(pr);
out:
	if (fd >= 0 && fd != p->fd)
		close(fd);
	return count > 0;
}

static int
read_with(struct probe *p, int flags, int nesting)
{
	static const unsigned int sectors[] = { 512, 2048, 4096 };
	size_t i;

	for (i = 0; i < sizeof sectors / sizeof sectors[0]; i++)
		if (read_table(p, sectors[i], flags, nesting))
			return 1;
	return 0;
}

static int
read_tables(struct probe *p, int nesting)
{
	return read_with(p, 0, nesting);
}

/* A GPT of which the first sector, or all of the beginning, was lost. */
static int
read_unprotected(struct probe *p, int nesting)
{
	return read_with(p, BLKID_PARTS_FORCE_GPT, nesting);
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
at_known_offset(struct probe *p, struct volume *found)
{
	static const uint64_t offsets[] = { 16384, 32256, 1 << 20 };
	size_t i;

	for (i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
		if (offsets[i] >= p->size)
			break;
		memset(found, 0, sizeof *found);
		found->start = found->data = offsets[i];
		found->size = found->length = p->size - offsets[i];
		recognise(p->fd, found);
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
name_content(struct probe *p)
{
	const char *content;

	errno = 0;
	content = content_probe(p->fd, p->size, PROBE_LIMIT);
	copy_text(p->l->content, sizeof p->l->content, content);
	return !content && errno ? -1 : 0;
}

int
layout_recognise(struct layout *l, int fd, uint64_t size)
{
	struct probe p = { .fd = fd, .size = size, .l = l };
	struct volume whole = { .length = size, .size = size }, offset;

	memset(l, 0, sizeof *l);
	recognise(fd, &whole);
	/* hybrid discs carry tables for other machines' sake */
	if (is_disc(&whole)) {
		only(l, &whole);
		return 0;
	}
	l->multi = (uint32_t)read_tables(&p, 0);
	/* an old table below a newer file system has nothing where it says */
	if (l->multi && something_found(l))
		return 0;
	if (whole.kind != VOLUME_UNKNOWN) {
		only(l, &whole);
		expand(&p, &l->volumes[0], 0);
		return 0;
	}
	if (!l->multi && read_unprotected(&p, 0)) {
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
