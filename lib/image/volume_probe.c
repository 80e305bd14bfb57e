#define _GNU_SOURCE
#include "image/volume_probe.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fsutil.h"
#include "image/amiga.h"
#include "image/floppy.h"
#include "image/fs_signature.h"
#include "image/iso_session.h"
#include "image/layout_probe.h"

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
	layout_text(v->fstype, sizeof v->fstype, type);
	layout_text(v->uuid, sizeof v->uuid, value_of(pr, "UUID"));
	layout_text(v->label, sizeof v->label, value_of(pr, "LABEL"));
}

blkid_probe
volume_probe_new(int fd, uint64_t start, uint64_t length)
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
 * Several signatures at once: old ones that mkfs did not wipe, or two file
 * systems that share the volume.  The first file system libblkid knows is taken,
 * and the other is named.
 */
static void
take_first(int fd, struct volume *v)
{
	blkid_probe pr = volume_probe_new(fd, v->data, v->length);

	if (!pr)
		return;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_DEFAULT |
	    BLKID_SUBLKS_USAGE);
	while (!*v->also && blkid_do_probe(pr) == 0) {
		const char *type = value_of(pr, "TYPE");

		if (type && v->kind != VOLUME_FS)
			take_values(pr, v);
		else if (type && kind_of(type, value_of(pr, "USAGE")) ==
		    VOLUME_FS && strcmp(type, v->fstype))
			layout_text(v->also, sizeof v->also, type);
	}
	if (v->kind != VOLUME_UNKNOWN)
		layout_text(v->reason, sizeof v->reason,
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

/* What lies on the others only cannot be read. */
static void
name_btrfs_member(int fd, struct volume *v)
{
	enum { DEVICES = 65536 + 0x88 };
	unsigned char n[8];

	if (pread_full(fd, n, sizeof n, (off_t)v->data + DEVICES) == sizeof n &&
	    (n[0] > 1 || n[1]))
		snprintf(v->reason, sizeof v->reason,
		    "one of %d devices of a btrfs", n[0] | n[1] << 8);
}

/*
 * A disc of which the first descriptor is lost: UDF is found by its anchor,
 * and ISO 9660 named by the descriptors that follow.
 */
static void
damaged_disc(int fd, struct volume *v)
{
	enum { SECTOR = 2048, SECOND = 17 };
	unsigned char d[6];

	if (fs_extent(fd, "udf", v->data, v->length)) {
		v->kind = VOLUME_FS;
		layout_text(v->fstype, sizeof v->fstype, "udf");
		layout_text(v->reason, sizeof v->reason,
		    "its first descriptor is lost");
	} else if (v->length > SECOND * SECTOR && pread_full(fd, d, sizeof d,
	    (off_t)v->data + SECOND * SECTOR) == sizeof d &&
	    !memcmp(d + 1, "CD001", 5)) {
		v->kind = VOLUME_FOREIGN;
		layout_text(v->fstype, sizeof v->fstype, "iso9660");
		layout_text(v->reason, sizeof v->reason,
		    "its primary volume descriptor is lost");
	}
}

/*
 * The copy of a boot sector that is lost takes its place, in a volume of two
 * pieces.
 */
static void
lost_boot_sector(int fd, struct volume *v)
{
	const char *fstype;
	uint64_t size, at = fs_copy_find(fd, v->data, v->length, &fstype,
	    &size);

	if (!at)
		return;
	v->kind = VOLUME_FS;
	layout_text(v->fstype, sizeof v->fstype, fstype);
	snprintf(v->reason, sizeof v->reason, "its boot sector is lost: the "
	    "copy at byte %llu is used", (unsigned long long)at);
	v->pieces = 2;
	v->piece[0] = (struct dm_piece){ at, size };
	v->piece[1] = (struct dm_piece){ v->data + size,
		(v->length - size) / 512 * 512 };
}

/* The root's directory entry, and what its first block must have. */
static int
is_qnx4(int fd, const struct volume *v)
{
	enum { BLOCK = 512, MODE = 50, STATUS = 63, EXTENT = 20, DIRECTORY = 4 };
	unsigned char b[BLOCK];
	uint64_t root;

	if (pread_full(fd, b, sizeof b, (off_t)v->data + BLOCK) != sizeof b ||
	    memcmp(b, "/\0", 2) || le_number(b + MODE, 2) >> 12 != DIRECTORY ||
	    !(b[STATUS] & 1))
		return 0;
	root = le_number(b + EXTENT, 4) - 1;
	return root < v->length / BLOCK && pread_full(fd, b, sizeof b,
	    (off_t)(v->data + root * BLOCK)) == sizeof b &&
	    memmem(b, sizeof b, ".bitmap", sizeof ".bitmap");
}

/* What libblkid does not know and a kernel does. */
static void
other_unix(int fd, struct volume *v)
{
	enum { REACH = 1024 };
	unsigned char b[REACH];
	const char *type = NULL;

	if (v->length > REACH &&
	    pread_full(fd, b, sizeof b, (off_t)v->data) == sizeof b)
		type = fs_signature(b, sizeof b);
	if ((!type || strcmp(type, "efs")) && is_qnx4(fd, v))
		type = "qnx4";
	if (!type || (strcmp(type, "efs") && strcmp(type, "qnx4")))
		return;
	v->kind = VOLUME_FS;
	layout_text(v->fstype, sizeof v->fstype, type);
}

/*
 * What cannot be read without its key.  libblkid names a volume of BitLocker
 * only if the metadata behind its first sector are whole, and none of Apple's.
 */
static void
encrypted(int fd, struct volume *v)
{
	enum { SECTOR = 512, CORE_STORAGE = 88, BLOCK_TYPE = 8, HEADER = 16 };
	unsigned char b[SECTOR];
	const char *type = NULL;

	if (v->length <= SECTOR ||
	    pread_full(fd, b, sizeof b, (off_t)v->data) != sizeof b)
		return;
	if (!memcmp(b + 3, "-FVE-FS-", 8))
		type = "BitLocker";
	else if (!memcmp(b, "LUKS\xba\xbe", 6))
		type = "crypto_LUKS";
	/* of old Macs: it may be a Fusion Drive without encryption, too */
	else if (!memcmp(b + CORE_STORAGE, "CS\1\0", 4) &&
	    le_number(b + BLOCK_TYPE, 2) == 1 &&
	    le_number(b + BLOCK_TYPE + 2, 2) == HEADER)
		type = "FileVault";
	if (!type)
		return;
	v->kind = VOLUME_FOREIGN;
	layout_text(v->fstype, sizeof v->fstype, type);
}

static void
amiga(int fd, struct volume *v)
{
	uint64_t extent = amiga_extent(fd, v->data, v->truncated ? v->size :
	    v->length);

	if (!extent)
		return;
	v->kind = VOLUME_FS;
	if (extent < v->length)
		v->length = extent;
	layout_text(v->fstype, sizeof v->fstype, "affs");
}

/* The tables that these parameters lead to begin as they must. */
static int
has_fat(int fd, uint64_t at, const unsigned char *b)
{
	uint64_t sector = le_number(b + 11, 2), i;
	unsigned char table[3];

	at += le_number(b + 14, 2) * sector;
	for (i = 0; i < b[16]; i++, at += le_number(b + 22, 2) * sector)
		if (pread_full(fd, table, sizeof table, (off_t)at) !=
		    sizeof table || table[0] != b[21] || table[1] != 0xff ||
		    table[2] != 0xff)
			return 0;
	return le_number(b + 22, 2) > 0;
}

/*
 * FAT that libblkid does not take for one: its boot sector lacks the mark at
 * its end, or all of what a boot sector says.
 */
static void
old_fat(int fd, struct volume *v)
{
	enum { SECTOR = 512 };
	unsigned char b[SECTOR];

	if (v->length <= SECTOR ||
	    pread_full(fd, b, sizeof b, (off_t)v->data) != sizeof b)
		return;
	if (fs_fat_parameters(b, sizeof b) && has_fat(fd, v->data, b)) {
		layout_text(v->reason, sizeof v->reason,
		    "its boot sector lacks the mark at its end");
	} else if (floppy_boot(fd, v->data, v->length, v->boot)) {
		v->boot_size = sizeof v->boot;
		snprintf(v->reason, sizeof v->reason, "its boot sector does "
		    "not tell its format: that of a floppy disk of %u KiB is "
		    "taken", (unsigned int)(v->length / 1024));
	} else {
		return;
	}
	v->kind = VOLUME_FS;
	layout_text(v->fstype, sizeof v->fstype, "vfat");
}

void
volume_probe(int fd, struct volume *v)
{
	blkid_probe pr = v->length ? volume_probe_new(fd, v->data, v->length) :
	    NULL;
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
	if (v->kind == VOLUME_UNKNOWN)
		damaged_disc(fd, v);
	if (v->kind == VOLUME_UNKNOWN)
		encrypted(fd, v);
	if (v->kind == VOLUME_UNKNOWN && v->length)
		amiga(fd, v);
	if (v->kind == VOLUME_UNKNOWN && v->length)
		other_unix(fd, v);
	if (v->kind == VOLUME_UNKNOWN && v->length)
		old_fat(fd, v);
	if (v->kind == VOLUME_UNKNOWN && v->length)
		lost_boot_sector(fd, v);
	if (!strcmp(v->fstype, "hfsplus"))
		fit_hfsplus(fd, v);
	if (!strcmp(v->fstype, "btrfs"))
		name_btrfs_member(fd, v);
	if (v->kind == VOLUME_FS && !strcmp(v->fstype, "iso9660"))
		v->session = iso_last_session(fd, v->data, v->length);
}
