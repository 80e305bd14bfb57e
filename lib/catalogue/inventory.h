/*
 * What an inventory says of a medium: names and values, in the order of its
 * columns.
 *
 *	struct inventory i;
 *
 *	inventory_read(&i, m.inventory);
 *	for (n = 0; n < i.count; n++)
 *		… i.item[n].name, i.item[n].value
 *	inventory_free(&i);
 */
#ifndef NTT_INVENTORY_H
#define NTT_INVENTORY_H

#include <stddef.h>

#include "base/buf.h"

struct inventory {
	struct inventory_item {
		char *name, *value;
	} *item;
	size_t count;
};

/* What the column medium.inventory has; NULL is nothing. */
void inventory_read(struct inventory *i, const char *json);
void inventory_add(struct inventory *i, const char *name, const char *value);
void inventory_free(struct inventory *i);

/* NULL where it has no such name, in upper or lower case. */
const char *inventory_value(const struct inventory *i, const char *name);

/* As the column has it, and as an object for scripts. */
void inventory_pairs(struct buf *b, const struct inventory *i);
void inventory_object(struct buf *b, const char *key,
	const struct inventory *i);

#endif
