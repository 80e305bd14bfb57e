#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "image/amiga.h"
#include "image/fs_signature.h"
#include "image/layout_probe.h"
#include "image/pc98.h"
#include "image/volume_probe.h"
#include "image/vtoc.h"

enum {
	DOS_EXTENDED = 0x05, DOS_EXTENDED_LBA = 0x0f, DOS_EXTENDED_LINUX = 0x85,
	SGI_HEADER = 0, SGI_VOLUME = 6, SUN_WHOLE = 5,
	DOS_PRIMARY = 4
};

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

static const char *
table_of(blkid_partition par)
{
	blkid_parttable table = blkid_partition_get_table(par);
	const char *type = table ? blkid_parttable_get_type(table) : NULL;

	return type ? type : "";
}

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
	if (!strcmp(table_of(par), "sgi") && number == SGI_HEADER)
		return "volume header";
	if ((!strcmp(table_of(par), "sgi") && number == SGI_VOLUME) ||
	    (!strcmp(table_of(par), "sun") && number == SUN_WHOLE))
		return "the whole disk";
	for (i = 0; type && i < sizeof skipped / sizeof skipped[0]; i++)
		if (!strncasecmp(type, skipped[i].type,
		    strlen(skipped[i].type)))
			return skipped[i].text;
	return NULL;
}

/* It has no signature; the table is bsd, freebsd, netbsd, sun, … */
static int
is_unix_swap(blkid_partition par)
{
	enum { BSD_SWAP = 1, VTOC_SWAP = 3 };
	const char *table = table_of(par);
	int type = blkid_partition_get_type(par);

	return strstr(table, "bsd") ? type == BSD_SWAP :
	    (!strcmp(table, "sun") || !strcmp(table, "sgi") ||
	    !strcmp(table, "solaris")) && type == VTOC_SWAP;
}

static void
has_own(struct volume *outer)
{
	outer->kind = VOLUME_SKIP;
	outer->length = 0;
	layout_text(outer->reason, sizeof outer->reason,
	    "slice with partitions of its own");
}

/*
 * A slice of BSD or Solaris holds a table of its own, and the first file
 * system in it begins where the slice does: it is not to be listed twice.
 */
static void
skip_slice(struct layout_probe *p, blkid_partition par)
{
	blkid_parttable table = blkid_partition_get_table(par);
	blkid_partition slice = table ? blkid_parttable_get_parent(table) :
	    NULL;
	const struct volume *v;
	struct volume *outer;

	if (!slice)
		return;
	v = layout_find(p->l, p->before +
	    (uint32_t)blkid_partition_get_partno(par));
	outer = layout_find(p->l, p->before +
	    (uint32_t)blkid_partition_get_partno(slice));
	if (!v || v->kind == VOLUME_UNKNOWN || v->kind == VOLUME_SKIP ||
	    !outer || (outer->kind != VOLUME_UNKNOWN &&
	    outer->kind != VOLUME_FS))
		return;
	has_own(outer);
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

/*
 * A damaged or rewritten table may give a file system less than it says it
 * has; what lies behind the partition is in the image all the same.  Not all
 * kernels would complain: FAT is mounted, and its files cannot be read.
 */
static void
lengthen(const struct layout_probe *p, struct volume *v)
{
	uint64_t rest = p->base + p->size - v->start, extent;
	/* NTFS has its second boot sector there, or has not */
	uint64_t may_lack = !strcmp(v->fstype, "ntfs") ? 512 : 0;

	if (v->kind != VOLUME_FS || v->truncated)
		return;
	extent = fs_extent(p->fd, v->fstype, v->start, rest);
	if (extent <= v->size + may_lack || rest <= v->size)
		return;
	v->length = extent < rest ? extent : rest;
	layout_text(v->reason, sizeof v->reason,
	    "its file system is larger than the partition");
}

static void
look_inside(struct layout_probe *p, struct volume *v)
{
	clip(v, p->base + p->size);
	volume_probe(p->fd, v);
	lengthen(p, v);
}

/* The table of an Amiga, which libblkid does not know. */
static int
read_amiga(struct layout_probe *p)
{
	struct amiga_partition *list = xcalloc(AMIGA_PARTITIONS, sizeof *list);
	uint32_t count = amiga_table(p->fd, p->base, list), i;
	struct volume *v;

	for (i = 0; i < count; i++) {
		v = layout_add(p->l, p->before + i + 1,
		    p->base + list[i].start, list[i].size);
		if (!v)
			break;
		if (v->size)
			look_inside(p, v);
		else
			layout_text(v->reason, sizeof v->reason, "its entry "
			    "of the partition table is damaged, and others "
			    "may follow");
		if (!*v->label)
			layout_text(v->label, sizeof v->label, list[i].name);
	}
	if (count && !p->before)
		layout_text(p->l->table, sizeof p->l->table, "amiga");
	free(list);
	return count > 0;
}

/* That of a PC-98, which libblkid takes for an MBR with nothing in it. */
static int
read_pc98(struct layout_probe *p)
{
	struct pc98_partition list[PC98_PARTITIONS];
	uint32_t count = pc98_table(p->fd, p->base, p->size, list), i;
	struct volume *v;

	for (i = 0; i < count; i++) {
		v = layout_add(p->l, p->before + i + 1,
		    p->base + list[i].start, list[i].size);
		if (!v)
			break;
		look_inside(p, v);
		if (!*v->label)
			layout_text(v->label, sizeof v->label, list[i].name);
	}
	if (count && !p->before)
		layout_text(p->l->table, sizeof p->l->table, "pc98");
	return count > 0;
}

static void
add_partition(struct layout_probe *p, blkid_partition par, int nesting)
{
	uint64_t start = (uint64_t)blkid_partition_get_start(par);
	uint64_t size = (uint64_t)blkid_partition_get_size(par);
	const char *why = why_skipped(par);
	int num = blkid_partition_get_partno(par);
	struct volume *v;

	/* libblkid counts in 512-byte sectors whatever the table does */
	if (num < 1 || num >= LAYOUT_MAX ||
	    start > (UINT64_MAX - p->base) / 512 ||
	    size > (UINT64_MAX - p->base - 512 * start) / 512)
		v = NULL;
	else
		v = layout_add(p->l, p->before + (uint32_t)num,
		    p->base + 512 * start, 512 * size);
	if (!v) {
		snprintf(p->l->finding, sizeof p->l->finding,
		    "partition %d of the table is left out: its numbers are "
		    "beyond all limits", num);
		return;
	}
	if (why) {
		v->kind = VOLUME_SKIP;
		v->length = 0;
		layout_text(v->reason, sizeof v->reason, why);
		return;
	}
	look_inside(p, v);
	if (v->kind == VOLUME_UNKNOWN && is_unix_swap(par))
		v->kind = VOLUME_SWAP;
	layout_expand(p, v, nesting);
	if (!*v->label && blkid_partition_get_name(par))
		layout_text(v->label, sizeof v->label,
		    blkid_partition_get_name(par));
}

/* The slices of a partition that libblkid has not looked into. */
static void
add_slices(struct layout_probe *p, blkid_partition par)
{
	struct vtoc_slice slices[VTOC_SLICES];
	struct volume *outer = layout_find(p->l, p->before +
	    (uint32_t)blkid_partition_get_partno(par)), *v;
	uint32_t i, count, num = p->before + DOS_PRIMARY;

	if (!outer || outer->kind != VOLUME_UNKNOWN ||
	    strcmp(table_of(par), "dos"))
		return;
	count = vtoc_read(p->fd, p->base, outer->start - p->base,
	    blkid_partition_get_type(par), slices);
	for (i = 0; i < p->l->count; i++)
		if (p->l->volumes[i].num > num &&
		    p->l->volumes[i].num < LAYOUT_MAX)
			num = p->l->volumes[i].num;
	for (i = 0; i < count; i++) {
		v = layout_add(p->l, ++num, p->base + slices[i].start,
		    slices[i].size);
		if (!v)
			break;
		look_inside(p, v);
		if (v->kind == VOLUME_UNKNOWN && slices[i].swap)
			v->kind = VOLUME_SWAP;
	}
	if (count)
		has_own(outer);
}

/*
 * The size of the disk a GPT was made for.  libblkid takes no table for valid
 * that is larger than the disk, and an image may well be shorter.
 */
static uint64_t
size_for_table(const struct layout_probe *p, unsigned int sector)
{
	unsigned char header[92];
	uint64_t backup = 0;
	int i;

	if (pread_full(p->fd, header, sizeof header,
	    (off_t)(p->base + sector)) != sizeof header ||
	    memcmp(header, "EFI PART", 8))
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
prolonged(const struct layout_probe *p, uint64_t size)
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

/* Where libblkid finds the table; the partitions are in the image. */
struct table_file {
	int fd;
	uint64_t base, size;
};

/* How many partitions the table has; they are added. */
static int
read_from(struct layout_probe *p, const struct table_file *t,
    unsigned int sector, int flags, int nesting)
{
	char *only[] = { (char *)(uintptr_t)p->only, NULL };
	blkid_probe pr = volume_probe_new(t->fd, t->base, t->size);
	blkid_partlist list;
	int i, count = 0;

	if (!pr)
		return 0;
	blkid_probe_set_sectorsize(pr, sector);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_ENTRY_DETAILS |
	    flags);
	if (p->only)
		blkid_probe_filter_partitions_type(pr, BLKID_FLTR_ONLYIN,
		    only);
	list = blkid_probe_get_partitions(pr);
	if (list)
		count = blkid_partlist_numof_partitions(list);
	if (count > 0 && !p->before)
		layout_text(p->l->table, sizeof p->l->table,
		    blkid_parttable_get_type(blkid_partlist_get_table(list)));
	for (i = 0; i < count; i++)
		add_partition(p, blkid_partlist_get_partition(list, i),
		    nesting);
	for (i = 0; i < count; i++)
		skip_slice(p, blkid_partlist_get_partition(list, i));
	for (i = 0; i < count; i++)
		add_slices(p, blkid_partlist_get_partition(list, i));
	blkid_free_probe(pr);
	return count;
}

static int
read_table(struct layout_probe *p, unsigned int sector, int flags, int nesting)
{
	struct table_file t = { p->fd, p->base, size_for_table(p, sector) };
	int count;

	if (t.size > p->size) {
		t.fd = prolonged(p, t.size);
		t.base = 0;
	}
	count = t.fd < 0 ? 0 : read_from(p, &t, sector, flags, nesting);
	if (t.fd >= 0 && t.fd != p->fd)
		close(t.fd);
	return count > 0;
}

static const unsigned int sectors[] = { 512, 2048, 4096 };

enum { SECTORS = sizeof sectors / sizeof sectors[0] };

/*
 * An MBR does not say how large its sectors are: those count with which
 * something is where it says.
 */
static int
read_with(struct layout_probe *p, int flags, int nesting)
{
	uint32_t before = p->l->count;
	size_t i, first = SECTORS;

	for (i = 0; i < SECTORS; i++) {
		if (!read_table(p, sectors[i], flags, nesting))
			continue;
		if (layout_has_data(p->l, before))
			return 1;
		if (first == SECTORS)
			first = i;
		p->l->count = before;
	}
	return first < SECTORS && read_table(p, sectors[first], flags,
	    nesting);
}

int
layout_tables(struct layout_probe *p, int nesting)
{
	uint32_t before = p->l->count, after;
	int found = read_with(p, 0, nesting);

	if (layout_has_data(p->l, before))
		return found;
	after = p->l->count;
	p->l->count = before;
	if (read_amiga(p) || read_pc98(p))
		return 1;
	p->l->count = after;
	return found;
}

int
layout_unprotected(struct layout_probe *p, int nesting)
{
	return read_with(p, BLKID_PARTS_FORCE_GPT, nesting);
}

int
layout_table_from(struct layout_probe *p, int fd, uint64_t size,
    unsigned int sector)
{
	struct table_file t = { fd, 0, size };

	return read_from(p, &t, sector, BLKID_PARTS_FORCE_GPT, 0) > 0;
}

int
layout_table(struct layout_probe *p, const char *type)
{
	int rc;

	p->only = type;
	rc = read_with(p, type && !strcmp(type, "gpt") ?
	    BLKID_PARTS_FORCE_GPT : 0, 0);
	p->only = NULL;
	return rc;
}
