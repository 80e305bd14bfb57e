#include "image/container.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fsutil.h"

enum { HEAD = 1024, SECTOR = 512 };

static const char by_hand[] = "unpack it, and give the image that is in it";
static const char not_ours[] = "restore it to an image with the program that "
	"made it";

static const char tracks[] = "convert it to a raw image with the HxC floppy "
	"emulator's hxcfe, or SAMdisk";

static const struct container kinds[] = {
	{ "qcow", "a qcow image", CONTAINER_QEMU, "qcow", "qemu-utils", NULL },
	{ "qcow2", "a qcow2 image", CONTAINER_QEMU, "qcow2", "qemu-utils",
		NULL },
	{ "qed", "a QED image", CONTAINER_QEMU, "qed", "qemu-utils", NULL },
	{ "vhd", "a dynamic VHD image", CONTAINER_QEMU, "vpc", "qemu-utils",
		NULL },
	{ "vhd-differencing", "a differencing VHD image",
		CONTAINER_VHD, NULL, NULL, NULL },
	/* qemu-img needs the copy of its footer there */
	{ "vhd-footer", "a dynamic VHD image without its first sector",
		CONTAINER_VHD, NULL, NULL, NULL },
	{ "vhdx", "a VHDX image", CONTAINER_QEMU, "vhdx", "qemu-utils", NULL },
	{ "vdi", "a VDI image", CONTAINER_QEMU, "vdi", "qemu-utils", NULL },
	{ "vmdk", "a VMDK image", CONTAINER_QEMU, "vmdk", "qemu-utils", NULL },
	{ "vmdk-extent", "a part of a VMDK image", CONTAINER_NOT_OPENED, NULL,
		NULL, "give the .vmdk that names its parts" },
	{ "parallels", "a Parallels image", CONTAINER_QEMU, "parallels",
		"qemu-utils", NULL },
	/* of one that is cut qemu-img reads zeros, and does not tell */
	{ "bochs", "a Bochs image", CONTAINER_NOT_OPENED, NULL, NULL,
		"convert it with bximage (package bximage)" },
	{ "cloop", "a cloop image", CONTAINER_QEMU, "cloop", "qemu-utils",
		NULL },
	{ "dmg", "a DMG image", CONTAINER_QEMU, "dmg", "qemu-utils", NULL },
	{ "dmg-encrypted", "an encrypted DMG image", CONTAINER_NOT_OPENED,
		NULL, NULL, "decrypt it first" },
	{ "ewf", "an E01 image", CONTAINER_EWF, NULL, "ewf-tools", NULL },
	{ "ewf2", "an Ex01 image", CONTAINER_NOT_OPENED, NULL, NULL,
		"convert it to E01 or to a raw image" },
	{ "ewf-logical", "an L01 file", CONTAINER_NOT_OPENED, NULL, NULL,
		"it holds files and no disk: extract them (package "
		"ewf-tools: ewfexport -f files)" },
	{ "aff", "an AFF image", CONTAINER_AFF, NULL, "afflib-tools", NULL },
	{ "aff4", "an AFF4 image", CONTAINER_NOT_OPENED, NULL, NULL,
		"export it to a raw image with aff4imager" },
	{ "gzip", "a gzip archive", CONTAINER_FILTER, "gzip", "gzip", NULL },
	{ "bzip2", "a bzip2 archive", CONTAINER_FILTER, "bzip2", "bzip2",
		NULL },
	{ "xz", "an xz archive", CONTAINER_FILTER, "xz", "xz-utils", NULL },
	{ "zstd", "a zstd archive", CONTAINER_FILTER, "zstd", "zstd", NULL },
	{ "lz4", "an lz4 archive", CONTAINER_FILTER, "lz4", "lz4", NULL },
	{ "lzip", "an lzip archive", CONTAINER_FILTER, "lzip", "lzip", NULL },
	{ "lzop", "an lzop archive", CONTAINER_FILTER, "lzop", "lzop", NULL },
	{ "compress", "a compress (.Z) archive", CONTAINER_FILTER, "gzip",
		"gzip", NULL },
	/* only where a key is given */
	{ "encrypted", "an image with encrypted volumes", CONTAINER_KEY, NULL,
		"cryptsetup-bin", NULL },
	{ "zip", "a zip archive", CONTAINER_NOT_OPENED, NULL, NULL, by_hand },
	{ "7z", "a 7z archive", CONTAINER_NOT_OPENED, NULL, NULL, by_hand },
	{ "rar", "a rar archive", CONTAINER_NOT_OPENED, NULL, NULL, by_hand },
	{ "nrg", "a Nero (NRG) image", CONTAINER_DISC, NULL, NULL, NULL },
	{ "cd-sectors", "a CD image of raw sectors (BIN, MDF, IMG)",
		CONTAINER_SECTORS, NULL, NULL, "give the .cue or .ccd that "
		"describes its tracks, or convert it with iat (package iat)"
		},
	{ "mds", "an MDS file", CONTAINER_NOT_OPENED, NULL, NULL,
		"give the .mdf beside it, converted with iat (package iat)" },
	{ "ccd", "a CloneCD image (CCD)", CONTAINER_DISC, NULL, NULL, NULL },
	{ "cue", "a cue sheet", CONTAINER_DISC, NULL, NULL, NULL },
	{ "toc", "the description of a CD for cdrdao", CONTAINER_NOT_OPENED,
		NULL, NULL, "convert it with toc2cue (package cdrdao), and "
		"give the .cue" },
	{ "cdi", "a DiscJuggler image", CONTAINER_NOT_OPENED, NULL, NULL,
		"convert it with iat (package iat)" },
	{ "b5t", "the description of a BlindWrite image",
		CONTAINER_NOT_OPENED, NULL, NULL, "give the .b5i beside it, "
		"converted with iat (package iat)" },
	{ "daa", "a PowerISO image", CONTAINER_NOT_OPENED, NULL, NULL,
		not_ours },
	{ "isz", "an ISZ (UltraISO) image", CONTAINER_NOT_OPENED, NULL, NULL,
		not_ours },
	{ "uif", "a MagicISO image", CONTAINER_NOT_OPENED, NULL, NULL,
		not_ours },
	{ "ecm", "a CD image without its error correction (ECM)",
		CONTAINER_NOT_OPENED, NULL, NULL, "restore it with unecm" },
	{ "teledisk", "a TeleDisk image", CONTAINER_NOT_OPENED, NULL, NULL,
		tracks },
	{ "imagedisk", "an ImageDisk image", CONTAINER_NOT_OPENED, NULL, NULL,
		tracks },
	{ "copyqm", "a CopyQM image", CONTAINER_NOT_OPENED, NULL, NULL,
		tracks },
	{ "d88", "a D88 image of a floppy disk", CONTAINER_NOT_OPENED, NULL,
		NULL, tracks },
	{ "hfe", "an HFE image of a floppy disk", CONTAINER_NOT_OPENED, NULL,
		NULL, tracks },
	{ "scp", "a SuperCard Pro image", CONTAINER_NOT_OPENED, NULL, NULL,
		tracks },
	{ "ipf", "an IPF image of a floppy disk", CONTAINER_NOT_OPENED, NULL,
		NULL, tracks },
	{ "dms", "a DMS image of an Amiga's floppy disk",
		CONTAINER_NOT_OPENED, NULL, NULL, "unpack it with xdms "
		"(package xdms)" },
	{ "msa", "an MSA image of an Atari's floppy disk",
		CONTAINER_NOT_OPENED, NULL, NULL, tracks },
	{ "stx", "an STX (Pasti) image of an Atari's floppy disk",
		CONTAINER_NOT_OPENED, NULL, NULL, tracks },
	{ "woz", "a WOZ image of an Apple II's floppy disk",
		CONTAINER_NOT_OPENED, NULL, NULL, tracks },
	{ "anex86", "an Anex86 image (HDI, FDI)", CONTAINER_HEADER, NULL,
		NULL, NULL },
	{ "nhd", "a T98-Next image (NHD)", CONTAINER_HEADER, NULL, NULL,
		NULL },
	{ "2img", "a 2IMG image", CONTAINER_HEADER, NULL, NULL, NULL },
	{ "diskcopy", "a DiskCopy 4.2 image", CONTAINER_HEADER, NULL, NULL,
		NULL },
	{ "chd", "a CHD image", CONTAINER_NOT_OPENED, NULL, NULL,
		"convert it with chdman (package mame-tools)" },
	{ "android-sparse", "an Android sparse image", CONTAINER_NOT_OPENED,
		NULL, NULL, "convert it with simg2img (package "
		"android-sdk-libsparse-utils)" },
	{ "partclone", "a partclone image", CONTAINER_NOT_OPENED, NULL, NULL,
		"convert it with partclone.restore -C -O (package "
		"partclone)" },
	{ "partimage", "a Partimage image", CONTAINER_NOT_OPENED, NULL, NULL,
		not_ours },
	{ "ntfsclone", "an ntfsclone image", CONTAINER_NOT_OPENED, NULL, NULL,
		"convert it with ntfsclone --restore-image (package "
		"ntfs-3g)" },
	{ "fsarchiver", "an FSArchiver archive", CONTAINER_NOT_OPENED, NULL,
		NULL, not_ours },
	{ "ghost", "a Ghost image", CONTAINER_NOT_OPENED, NULL, NULL,
		not_ours },
	{ "acronis", "an Acronis image", CONTAINER_NOT_OPENED, NULL, NULL,
		not_ours },
	{ "wim", "a WIM archive", CONTAINER_NOT_OPENED, NULL, NULL,
		"extract it with wimapply (package wimtools)" },
};

#define M(name, magic) { name, magic, sizeof magic - 1 }

/* At byte 0. */
static const struct {
	const char *name, *magic;
	size_t len;
} magics[] = {
	M("qcow", "QFI\xfb\0\0\0\1"),
	M("qcow2", "QFI\xfb"),
	M("qed", "QED\0"),
	M("vhdx", "vhdxfile"),
	M("vmdk", "COWD"),
	M("vmdk", "# Disk DescriptorFile"),
	M("parallels", "WithoutFreeSpace"),
	M("parallels", "WithouFreSpacExt"),
	M("bochs", "Bochs Virtual HD Image"),
	M("cloop", "#!/bin/sh\n#V2.0 Format\n"),
	M("dmg-encrypted", "encrcdsa"),
	M("ewf", "EVF\x09\x0d\x0a\xff\0"),
	M("ewf2", "EVF2\x0d\x0a\x81\0"),
	M("ewf-logical", "LVF\x09\x0d\x0a\xff\0"),
	M("ewf-logical", "LEF2\x0d\x0a\x81\0"),
	M("aff", "AFF10\r\n\0"),
	M("xz", "\xfd" "7zXZ\0"),
	M("zstd", "\x28\xb5\x2f\xfd"),
	M("lz4", "\x04\x22\x4d\x18"),
	M("lzip", "LZIP\1"),
	M("lzop", "\x89LZO\0\r\n\x1a\n"),
	M("zip", "PK\005\006"),
	M("zip", "PK\007\010PK\003\004"),
	M("7z", "7z\xbc\xaf\x27\x1c"),
	M("rar", "Rar!\x1a\x07"),
	M("mds", "MEDIA DESCRIPTOR"),
	M("ccd", "[CloneCD]"),
	M("toc", "CD_DA\n"),
	M("toc", "CD_ROM\n"),
	M("toc", "CD_ROM_XA\n"),
	M("chd", "MComprHD"),
	M("b5t", "BWT5 STREAM SIGN"),
	M("daa", "DAA\0\0\0\0\0"),
	M("daa", "DAA VOL\0"),
	M("isz", "IsZ!"),
	M("ecm", "ECM\0"),
	M("hfe", "HXCPICFE"),
	M("hfe", "HXCHFE3"),
	M("ipf", "CAPS\0\0\0\x0c"),
	M("dms", "DMS!"),
	M("stx", "RSY\0"),
	M("woz", "WOZ1\xff\n\r\n"),
	M("woz", "WOZ2\xff\n\r\n"),
	M("android-sparse", "\x3a\xff\x26\xed\1\0"),
	M("partclone", "partclone-image"),
	M("partimage", "PaRtImAgE-VoLuMe"),
	M("ntfsclone", "\0ntfsclone-image"),
	M("fsarchiver", "FsArCh_0"),
	M("acronis", "\xce\x24\xb9\xa2"),
	M("wim", "MSWIM\0\0\0"),
	M("wim", "WLPWM\0\0\0"),
};

struct file {
	int fd;
	uint64_t size;
	unsigned char head[HEAD], tail[SECTOR];
	size_t head_len;
};

static int
begins(const struct file *f, const void *magic, size_t len)
{
	return f->head_len >= len && !memcmp(f->head, magic, len);
}

static int
has_at(const struct file *f, uint64_t at, const char *magic, size_t len)
{
	char there[16];

	return len <= sizeof there && at <= f->size && len <= f->size - at &&
	    pread_full(f->fd, there, len, (off_t)at) == (ssize_t)len &&
	    !memcmp(there, magic, len);
}

const struct container *
container_named(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

/* ---- VHD ---- */

enum { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

/* Its type, if that is a footer; 0. */
static uint32_t
vhd_footer(const unsigned char *b)
{
	uint32_t sum = 0, type = be32(b + 60);
	size_t i;

	if (memcmp(b, "conectix", 8) || type < VHD_FIXED ||
	    type > VHD_DIFFERENCING)
		return 0;
	for (i = 0; i < SECTOR; i++)
		if (i < 64 || i >= 68)
			sum += b[i];
	return ~sum == be32(b + 64) ? type : 0;
}

static const char *
vhd(const struct file *f)
{
	uint32_t type;

	/* the copy at the beginning, of those that are not fixed */
	if (begins(f, "conectix", 8))
		return f->head_len >= SECTOR && be32(f->head + 60) ==
		    VHD_DIFFERENCING ? "vhd-differencing" : "vhd";
	/* its first sector is lost */
	type = f->size >= 2 * SECTOR ? vhd_footer(f->tail) : 0;
	if (type != VHD_DYNAMIC && type != VHD_DIFFERENCING)
		return NULL;
	if (!has_at(f, be_number(f->tail + 16, 8), "cxsparse", 8))
		return NULL;
	return type == VHD_DYNAMIC ? "vhd-footer" : "vhd-differencing";
}

uint64_t
container_raw_size(int fd, uint64_t size)
{
	unsigned char b[SECTOR];

	if (size <= SECTOR || pread_full(fd, b, sizeof b,
	    (off_t)(size - SECTOR)) != sizeof b ||
	    vhd_footer(b) != VHD_FIXED ||
	    be_number(b + 48, 8) != size - SECTOR)
		return size;
	return size - SECTOR;
}

/* ---- others that take more than one look ---- */

/* Versions 1 to 3; parts have no descriptor of their own. */
static const char *
vmdk(const struct file *f)
{
	static const char descriptor[] = "# Disk Descriptor";
	uint64_t at;

	if (!begins(f, "KDMV", 4) || f->head_len < 36)
		return NULL;
	at = le64(f->head + 28);
	return at && at < f->size / SECTOR && !has_at(f, at * SECTOR,
	    descriptor, 16) ? "vmdk-extent" : at ? "vmdk" : "vmdk-extent";
}

static const char *
vdi(const struct file *f)
{
	return f->head_len >= 72 && le32(f->head + 64) == 0xbeda107f &&
	    le32(f->head + 68) >> 16 <= 1 ? "vdi" : NULL;
}

static const char *
dmg(const struct file *f)
{
	return f->size > SECTOR && !memcmp(f->tail, "koly", 4) &&
	    be32(f->tail + 4) == 4 && be32(f->tail + 8) == SECTOR ? "dmg" :
	    NULL;
}

/* The footer leads to a list of pieces. */
static const char *
nrg(const struct file *f)
{
	static const char *const pieces[] = { "CUES", "CUEX", "DAOI", "DAOX",
		"ETNF", "ETN2", "SINF" };
	uint64_t at;
	size_t i;

	if (f->size < 2 * SECTOR)
		return NULL;
	if (!memcmp(f->tail + SECTOR - 12, "NER5", 4))
		at = be_number(f->tail + SECTOR - 8, 8);
	else if (!memcmp(f->tail + SECTOR - 8, "NERO", 4))
		at = be_number(f->tail + SECTOR - 4, 4);
	else
		return NULL;
	for (i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
		if (has_at(f, at, pieces[i], 4))
			return "nrg";
	return NULL;
}

/*
 * Lines that begin with words of cue sheets, and one of them FILE.  The last
 * line of the head may be cut.
 */
static const char *
cue(const struct file *f)
{
	static const char *const words[] = { "FILE", "REM", "CATALOG",
		"CDTEXTFILE", "PERFORMER", "SONGWRITER", "TITLE", "TRACK",
		"FLAGS", "ISRC", "INDEX", "PREGAP", "POSTGAP" };
	const unsigned char *at = f->head, *end = at + f->head_len, *stop;
	int found = 0;
	size_t i, len;

	if (f->size > 1 << 20)
		return NULL;
	if (begins(f, "\xef\xbb\xbf", 3))
		at += 3;
	for (; (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1) {
		while (at < stop && (*at == ' ' || *at == '\t' || *at == '\r'))
			at++;
		if (at == stop)
			continue;
		for (i = 0; i < sizeof words / sizeof words[0]; i++) {
			len = strlen(words[i]);
			if ((size_t)(stop - at) > len && at[len] <= ' ' &&
			    !strncasecmp((const char *)at, words[i], len))
				break;
		}
		if (i == sizeof words / sizeof words[0])
			return NULL;
		found |= i == 0;
	}
	return found ? "cue" : NULL;
}

/* Two sectors with the pattern that a drive looks for. */
static const char sync_pattern[] = "\0\xff\xff\xff\xff\xff\xff\xff\xff"
    "\xff\xff";

static unsigned int
sector_size(const struct file *f)
{
	static const unsigned int sizes[] = { 2352, 2448, 2368 };
	size_t i;

	if (!begins(f, sync_pattern, 12))
		return 0;
	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		if (f->size < 2 * sizes[i] ||
		    has_at(f, sizes[i], sync_pattern, 12))
			return sizes[i];
	return 0;
}

unsigned int
container_sector(int fd, uint64_t size)
{
	struct file f = { .fd = fd, .size = size };
	ssize_t n = pread_full(fd, f.head, sizeof f.head, 0);

	f.head_len = n < 0 ? 0 : (size_t)n;
	return sector_size(&f);
}

static const char *
cd_sectors(const struct file *f)
{
	return sector_size(f) ? "cd-sectors" : NULL;
}

static const char *
compressed(const struct file *f)
{
	const unsigned char *b = f->head;

	if (f->head_len < 10)
		return NULL;
	/* flags that nobody uses are no gzip */
	if (!memcmp(b, "\x1f\x8b\x08", 3) && !(b[3] & 0xe0))
		return "gzip";
	if (!memcmp(b, "BZh", 3) && b[3] >= '1' && b[3] <= '9' &&
	    (!memcmp(b + 4, "1AY&SY", 6) ||
	    !memcmp(b + 4, "\x17\x72\x45\x38\x50\x90", 6)))
		return "bzip2";
	/* a frame to skip, before those of data */
	if ((b[0] & 0xf0) == 0x50 && !memcmp(b + 1, "\x2a\x4d\x18", 3))
		return has_at(f, 8 + (uint64_t)le32(b + 4), "\x04\x22\x4d\x18",
		    4) ? "lz4" : "zstd";
	if (b[0] == 0x1f && b[1] == 0x9d && (b[2] & 0x9f) >= 0x89 &&
	    (b[2] & 0x1f) <= 16)
		return "compress";
	return NULL;
}

static const char *
zip(const struct file *f)
{
	static const char aff4[] = "container.description";

	if (!begins(f, "PK\003\004", 4))
		return NULL;
	return f->head_len > 30 + sizeof aff4 &&
	    !memcmp(f->head + 30, aff4, sizeof aff4 - 1) ? "aff4" : "zip";
}

static const char *
ghost(const struct file *f)
{
	return f->head_len >= SECTOR && f->head[0] == 0xfe &&
	    f->head[1] == 0xef && f->head[2] >= 1 && f->head[2] <= 11 &&
	    (f->head[510] != 0x55 || f->head[511] != 0xaa) ? "ghost" : NULL;
}

/* ---- floppy disks, and disks with a header ---- */

/* The sum of a TeleDisk header: a polynomial that nobody else has. */
static unsigned int
teledisk_sum(const unsigned char *b, size_t len)
{
	enum { POLYNOMIAL = 0xa097 };
	unsigned int sum = 0;
	size_t i;
	int bit;

	for (i = 0; i < len; i++) {
		sum ^= (unsigned int)b[i] << 8;
		for (bit = 0; bit < 8; bit++)
			sum = (sum << 1 ^ (sum & 0x8000 ? POLYNOMIAL : 0)) &
			    0xffff;
	}
	return sum;
}

static unsigned int
sum8(const unsigned char *b, size_t len)
{
	unsigned int sum = 0;

	while (len-- > 0)
		sum += *b++;
	return sum & 0xff;
}

static const char *
floppy(const struct file *f)
{
	static const unsigned char nothing[9];
	const unsigned char *b = f->head;
	uint32_t first;

	if (f->head_len < 512)
		return NULL;
	if ((!memcmp(b, "TD\0", 3) || !memcmp(b, "td\0", 3)) &&
	    le_number(b + 10, 2) == teledisk_sum(b, 10))
		return "teledisk";
	if (!memcmp(b, "IMD ", 4) && b[5] == '.' && b[4] >= '0' &&
	    b[4] <= '9' && memchr(b, 0x1a, f->head_len))
		return "imagedisk";
	if (!memcmp(b, "CQ\x14", 3) && sum8(b, 133) == 0)
		return "copyqm";
	/* revolutions, and the first and the last track */
	if (!memcmp(b, "SCP", 3) && b[5] >= 1 && b[5] <= 20 && b[6] <= b[7] &&
	    b[7] <= 168 && le32(b + 16 + 4 * b[6]) >= 0x2b0 - 0x20 &&
	    has_at(f, le32(b + 16 + 4 * b[6]), "TRK", 3))
		return "scp";
	/* its size, and where its first track is */
	first = le32(b + 32);
	if (!memcmp(b + 17, nothing, 9) && !(b[26] & ~0x10) &&
	    !(b[27] & ~0x70) && le32(b + 28) == f->size &&
	    (first == 0x2a0 || first == 0x2b0))
		return "d88";
	/* tracks of so many sectors, sides, and the first track's length */
	if (!memcmp(b, "\x0e\x0f\0", 3) && b[3] >= 8 && b[3] <= 22 &&
	    b[4] == 0 && b[5] <= 1 && b[6] == 0 && b[8] == 0 && b[7] <= b[9] &&
	    b[9] <= 86 && (unsigned int)(b[10] << 8 | b[11]) <= b[3] * 512U)
		return "msa";
	return NULL;
}

/* The sum of a DiskCopy image's data, from byte 84 on. */
static int
diskcopy_sum(int fd, uint64_t size, uint32_t *sum)
{
	unsigned char b[4096];
	uint64_t at;
	size_t n, i;

	*sum = 0;
	for (at = 0; at < size; at += n) {
		n = size - at < sizeof b ? (size_t)(size - at) : sizeof b;
		if (pread_full(fd, b, n, (off_t)(84 + at)) != (ssize_t)n)
			return -1;
		for (i = 0; i + 1 < n; i += 2) {
			*sum += (uint32_t)b[i] << 8 | b[i + 1];
			*sum = *sum >> 1 | *sum << 31;
		}
	}
	return 0;
}

/*
 * Where the image begins in a file, how long it is, and the file's kind; NULL
 * if there is no such header.
 */
static const char *
headed(const struct file *f, uint64_t *at, uint64_t *length)
{
	static const char t98[] = "T98HDDIMAGE.R0";
	const unsigned char *b = f->head;

	if (f->head_len < 512)
		return NULL;
	/* nothing, a kind, and sizes that fit each other */
	*at = le32(b + 8);
	*length = le32(b + 12);
	if (!le32(b) && *at >= 512 && *at <= 65536 && *at % 256 == 0 &&
	    *length && *length == (uint64_t)le32(b + 16) * le32(b + 20) *
	    le32(b + 24) * le32(b + 28))
		return "anex86";
	*at = le32(b + 272);
	*length = (uint64_t)le32(b + 276) * le_number(b + 280, 2) *
	    le_number(b + 282, 2) * le_number(b + 284, 2);
	if (!memcmp(b, t98, sizeof t98) && *at >= 288 && *at <= 65536)
		return "nhd";
	*at = le32(b + 24);
	*length = le32(b + 28);
	if (!memcmp(b, "2IMG", 4) && le_number(b + 8, 2) == 64 && *at >= 64 &&
	    *length)
		return "2img";
	*at = 84;
	*length = be32(b + 64);
	if (b[0] > 0 && b[0] < 64 && b[82] == 1 && b[83] == 0 && b[80] <= 3 &&
	    *length >= 400 << 10 && *length <= 1440 << 10 &&
	    *length % 1024 == 0 && f->size <= 84 + *length + be32(b + 68) + 512)
		return "diskcopy";
	return NULL;
}

static const char *
with_header(const struct file *f)
{
	uint64_t at, length;

	return headed(f, &at, &length);
}

const char *
container_header(int fd, uint64_t size, uint64_t *at, uint64_t *length)
{
	struct file f = { .fd = fd, .size = size };
	ssize_t n = pread_full(fd, f.head, sizeof f.head, 0);
	const char *name;
	uint32_t sum;

	f.head_len = n < 0 ? 0 : (size_t)n;
	name = headed(&f, at, length);
	if (!name)
		return "it could not be read";
	if (*at > size || *length > size - *at)
		return "it is cut";
	if (strcmp(name, "diskcopy"))
		return NULL;
	if (diskcopy_sum(fd, *length, &sum) < 0)
		return "it could not be read";
	return sum == be32(f.head + 72) ? NULL : "the sum of its bytes is "
	    "not the one that it has";
}

/* The version of DiscJuggler, and where the list of tracks is. */
static const char *
behind(const struct file *f)
{
	uint32_t version = le32(f->tail + SECTOR - 8);
	uint32_t at = le32(f->tail + SECTOR - 4);

	if (f->size < 2 * SECTOR)
		return NULL;
	/* from the beginning, or from the end in the last version */
	if (version >= 0x80000004 && version <= 0x80000006 && at > 0 &&
	    at < f->size)
		return "cdi";
	return !memcmp(f->tail + SECTOR - 64, "bbis", 4) ? "uif" : NULL;
}

static const char *
plain_magic(const struct file *f)
{
	size_t i;

	for (i = 0; i < sizeof magics / sizeof magics[0]; i++)
		if (begins(f, magics[i].magic, magics[i].len))
			return magics[i].name;
	return NULL;
}

const struct container *
container_probe(int fd, uint64_t size)
{
	static const char *(*const tests[])(const struct file *) = {
		plain_magic, vhd, vmdk, vdi, compressed, zip, dmg, nrg,
		cd_sectors, cue, ghost, floppy, with_header, behind
	};
	struct file f = { .fd = fd, .size = size };
	const char *name = NULL;
	ssize_t n = pread_full(fd, f.head, sizeof f.head, 0);
	size_t i;

	if (n < 0)
		return NULL;
	f.head_len = (size_t)n;
	if (size >= SECTOR && pread_full(fd, f.tail, sizeof f.tail,
	    (off_t)(size - SECTOR)) < 0)
		return NULL;
	for (i = 0; i < sizeof tests / sizeof tests[0] && !name; i++)
		name = tests[i](&f);
	errno = 0;
	return name ? container_named(name) : NULL;
}
