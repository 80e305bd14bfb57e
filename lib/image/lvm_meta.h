/*
 * LVM physical volumes, read by us: nothing is ever activated.
 */
#ifndef NTT_LVM_META_H
#define NTT_LVM_META_H

#include <stddef.h>
#include <stdint.h>

enum { LVM_PIECES = 32 };

/* A stretch of an image that belongs to a volume. */
struct dm_piece {
	uint64_t start, size;	/* bytes, multiples of 512 */
};

/* A logical volume; only a linear one that is all on this medium has pieces. */
struct lvm_volume {
	char name[128];
	char uuid[40];
	/* in its order; bytes from the physical volume's start */
	struct dm_piece pieces[LVM_PIECES];
	size_t count;
	uint64_t size;		/* all of them together */
	char why[64];		/* "" or why it has no place here */
};

struct lvm_meta {
	int format;		/* 1 or 2 */
	char vg[128], pv_uuid[40];
	struct lvm_volume *volumes;
	size_t count;
};

#define LVM_META_INIT { 0, "", "", NULL, 0 }

/*
 * A physical volume of len bytes at offset start of fd.  1 found (as much of
 * *m as could be read is filled), 0 none, -1 with errno.
 */
int lvm_meta_find(int fd, uint64_t start, uint64_t len, struct lvm_meta *m);
void lvm_meta_free(struct lvm_meta *m);

/*
 * LVM2's metadata text; m->pv_uuid must be set.  0, or -1 if it is not that.
 */
int lvm_meta_parse(struct lvm_meta *m, const char *text, size_t len);

#endif
