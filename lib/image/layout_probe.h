/*
 * Shared by the modules that recognise what is on an image: layout.c asks the
 * others in turn, and they add volumes.
 *
 *	layout_table	partition tables
 *	layout_member	what is inside members of arrays and volume groups
 *	layout_disc	discs that pass for disks, too
 *	layout_rescue	tables put together again from what is left of them
 *	layout_search	file systems that no table leads to
 */
#ifndef NTT_LAYOUT_PROBE_H
#define NTT_LAYOUT_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "image/layout.h"

struct layout_probe {
	int fd;
	uint64_t base, size;	/* what is looked at, in the image */
	uint32_t before;	/* what the numbers in its table begin after */
	const char *only;	/* one kind of table, NULL: any */
	int empty_array;	/* the last RAID1 had nothing on it */
	const struct layout_found *found;	/* instead of a search, or NULL */
	struct layout *l;
};

/* An unknown volume; NULL: there are LAYOUT_MAX already. */
struct volume *layout_add(struct layout *l, uint32_t num, uint64_t start,
	uint64_t size);
struct volume *layout_find(struct layout *l, uint32_t num);
/* The first number that none has, from 1 on. */
uint32_t layout_free_number(struct layout *l);
/* Among the volumes from the given one on is one that is of use. */
int layout_has_data(const struct layout *l, uint32_t from);
/* As much of it as there is room for; NULL is "". */
void layout_text(char *to, size_t size, const char *from);

/* 1 if there is a table; its partitions were added. */
int layout_tables(struct layout_probe *p, int nesting);
/* A GPT of which the first sector, or all of the beginning, was lost. */
int layout_unprotected(struct layout_probe *p, int nesting);

/* A table of one of libblkid's types, NULL: the one it prefers. */
int layout_table(struct layout_probe *p, const char *type);

/*
 * A table that libblkid finds at the beginning of another file.  The file
 * stands for size bytes with sectors of this size; the partitions are in the
 * image.
 */
int layout_table_from(struct layout_probe *p, int fd, uint64_t size,
	unsigned int sector);

/*
 * 1 if the chain of logical partitions breaks off: a link is damaged, or
 * leads back.  Those behind may lie in bytes from to end.
 */
int layout_broken_chain(const struct layout_probe *p, uint64_t *from,
	uint64_t *end);

/*
 * A GPT of which both headers are lost, by its entries: 1 if there is one with
 * something in it.  Its partitions are added and finding is set.
 */
int layout_rescue(struct layout_probe *p);

/*
 * An ISO 9660 or UDF file system at the beginning of the image.  Sets the whole
 * layout: the disc alone, at volume 0, or the disc and the partitions that are
 * no parts of it.  All other partitions of its tables are skipped.
 */
void layout_disc(struct layout_probe *p, const struct volume *disc);

/*
 * File systems that begin behind byte from and before end, in no volume of
 * the layout: how many were added, in their order.  It takes limit_ms at
 * most and sets reached of the layout.
 */
uint32_t layout_search(struct layout_probe *p, uint64_t from, uint64_t end,
	int limit_ms);

/* Looks inside v if it is a member of an array or a group. */
void layout_expand(struct layout_probe *p, struct volume *v, int nesting);

#endif
