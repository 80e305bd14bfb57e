/*
 * What is on an image: a file system, or partitions with file systems, or
 * neither, recognised by libblkid and, for RAID and LVM members, by us.
 *
 * layout_recognise() parses what may be hostile; a program with rights calls
 * layout_confined().
 */
#ifndef NTT_LAYOUT_H
#define NTT_LAYOUT_H

#include <stdint.h>

#include "lvm_meta.h"

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
	uint32_t truncated;	/* it ends beyond the end of the image */
	uint32_t session;	/* iso_last_session() */
	uint64_t start, size;	/* in the image, as the table has it */
	uint64_t data, length;	/* what to mount; length 0: nothing */
	/* a volume in more than one piece: all, bytes in the image */
	uint32_t pieces;
	struct dm_piece piece[LVM_PIECES];
	char fstype[24];	/* libblkid's name, "" unknown */
	char uuid[64], label[256];
	char reason[256];	/* one clause for people, "" none */
	char detail[4096];	/* "" or "lvm":{…} or "raid":{…} in JSON */
};

/*
 * Logical volumes of the member with number N are numbered 1000 * N + 1 and
 * so on, so that no number is used twice.
 */
enum { LAYOUT_MAX = 512, LAYOUT_LV_BASE = 1000 };

struct layout {
	uint32_t multi;		/* there is a table: mount at pN */
	uint32_t count;
	char table[16];		/* "dos", "gpt", "mac", "lvm", …, or "" */
	char content[16];	/* content_probe(), where nothing was found */
	/*
	 * What people must know of the whole: one clause, "" none.  The table
	 * was missing, say, and the volumes are what a search found.
	 */
	char finding[256];
	struct volume volumes[LAYOUT_MAX];
};

/*
 * 0, or -1 with errno when the image cannot be read.  limit_ms: for a search
 * where the table is lost.
 */
int layout_recognise(struct layout *l, int fd, uint64_t size, int limit_ms);

/*
 * The same in a child without rights, and what comes back is checked.  -1 with
 * errno: ETIMEDOUT it hung, EBADMSG it died or gave nonsense.
 */
int layout_confined(struct layout *l, int fd, uint64_t size, int timeout_ms);

#endif
