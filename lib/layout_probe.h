/*
 * What the modules have in common that find out what is on an image: layout.c
 * asks the others in turn, and they add volumes.
 *
 *	layout_table	partition tables
 *	layout_member	what is inside members of arrays and volume groups
 */
#ifndef NTT_LAYOUT_PROBE_H
#define NTT_LAYOUT_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"

struct layout_probe {
	int fd;
	uint64_t base, size;	/* what is looked at, in the image */
	uint32_t before;	/* what the numbers in its table begin after */
	struct layout *l;
};

/* An unknown volume; NULL: there are LAYOUT_MAX already. */
struct volume *layout_add(struct layout *l, uint32_t num, uint64_t start,
	uint64_t size);
struct volume *layout_find(struct layout *l, uint32_t num);
/* As much of it as there is room for; NULL is "". */
void layout_text(char *to, size_t size, const char *from);

/* 1 if there is a table; its partitions were added. */
int layout_tables(struct layout_probe *p, int nesting);
/* A GPT of which the first sector, or all of the beginning, was lost. */
int layout_unprotected(struct layout_probe *p, int nesting);

/* Looks inside v if it is a member of an array or a group. */
void layout_expand(struct layout_probe *p, struct volume *v, int nesting);

#endif
