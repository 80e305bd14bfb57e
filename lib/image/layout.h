/*
 * What is on an image: a file system, or partitions with file systems, or
 * neither, recognised by libblkid and, for RAID and LVM members, by us.
 *
 * layout_recognise() parses bytes that may be hostile; a program with root
 * rights must call layout_confined().
 */
#ifndef NTT_LAYOUT_H
#define NTT_LAYOUT_H

#include <stdint.h>

#include "image/floppy.h"
#include "image/lvm_meta.h"
#include "image/view.h"

enum volume_kind {
	VOLUME_FS,		/* mount it */
	VOLUME_SWAP,
	VOLUME_SKIP,		/* a container or a boot partition */
	VOLUME_RAID,		/* RAID member that cannot be mounted alone */
	VOLUME_LVM,		/* LVM member; its volumes follow it */
	VOLUME_FOREIGN,		/* encrypted, ZFS, …: known, not mountable */
	VOLUME_UNKNOWN,
	VOLUME_KINDS
};

/* Fixed sizes, so that a child can hand it over as it is. */
struct volume {
	uint32_t num;		/* as the table numbers it; 0: the medium */
	uint32_t kind;		/* enum volume_kind */
	/* it, or its file system, ends beyond the end of the image */
	uint32_t truncated;
	uint32_t session;	/* iso_last_session() */
	uint32_t tree;		/* enum iso_tree, of ISO 9660 */
	uint64_t found;		/* where a search saw it; 0: by a table */
	uint64_t start, size;	/* in the image, as the table has it */
	uint64_t data, length;	/* what to mount; length 0: nothing */
	/* a volume in more than one piece: all, bytes in the image */
	uint32_t pieces;
	struct dm_piece piece[LVM_PIECES];
	/*
	 * What the file system has, where that is more than length: bytes
	 * from data, the last of them beyond the end of the image.
	 */
	uint64_t need;
	/* good copies of what is damaged: bytes in the image */
	uint32_t mends;
	struct volume_mend {
		uint64_t to, from, size;
	} mend[16];
	/* the sector that it is to begin with, for want of its own; 0: none */
	uint32_t boot_size;
	unsigned char boot[FLOPPY_BOOT];
	char fstype[24];	/* libblkid's name, "" unknown */
	char also[24];		/* another that it may be, "" none */
	char uuid[64], label[256];
	char reason[256];	/* one clause for people, "" none */
	char detail[4096];	/* "" or "lvm":{…} or "raid":{…} in JSON */
};

/*
 * Logical volumes of the member with number N are numbered 1000 * N + 1 and
 * so on, so that no number is used twice.
 */
enum { LAYOUT_MAX = 512, LAYOUT_LV_BASE = 1000 };

/* No volume of a view begins behind it, or has more bytes. */
#define LAYOUT_BYTES_MAX ((uint64_t)1 << 60)

struct layout {
	uint32_t multi;		/* there is a table: mount at pN */
	uint32_t count;
	char table[16];		/* "dos", "gpt", "mac", "lvm", …, or "" */
	char content[24];	/* content_probe(), where nothing was found */
	/*
	 * What people must know of the whole medium: one clause, "" none.  For
	 * example: the table was missing, and a search found the volumes.
	 */
	char finding[256];
	uint64_t reached;	/* a search was given up here; 0: it ended */
	struct volume volumes[LAYOUT_MAX];
};

/*
 * The volumes that a search found and no table leads to.  A program that must
 * not search gets the same layout with them.
 */
struct layout_found {
	uint32_t count;
	uint64_t at[LAYOUT_MAX];	/* bytes in the image, whole sectors */
	uint64_t reached;		/* as in struct layout */
};

/*
 * 0, or -1 with errno when the image cannot be read.  If the table is lost, a
 * search takes at most limit_ms; found, unless NULL, is the result of an
 * earlier search instead.  A container is not searched.
 */
int layout_recognise(struct layout *l, int fd, uint64_t size, int limit_ms,
	const struct layout_found *found);

/*
 * Sets what the volumes of a layout need of a view: need, mend and, if a volume
 * is cut, truncated and reason.  view: the lost bytes of the image; NULL: none.
 */
void layout_measure(struct layout *l, int fd, uint64_t size,
	const struct view *view);

/*
 * Runs both in a child without rights and checks the result.  -1 with errno:
 * ETIMEDOUT it hung, EBADMSG it died or gave nonsense.
 */
int layout_confined(struct layout *l, int fd, uint64_t size,
	const struct view *view, int timeout_ms,
	const struct layout_found *found);

/*
 * The result of the search as text, "BYTE,BYTE,…", with ":REACHED" if it was
 * given up; "" for nothing.  The caller frees it.
 */
char *layout_found_text(const struct layout *l);
/* 0, or -1: it is no such text, or not of whole sectors within size bytes. */
int layout_found_parse(struct layout_found *f, const char *text,
	uint64_t size);

#endif
