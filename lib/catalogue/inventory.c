#include "catalogue/inventory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"

void
inventory_add(struct inventory *i, const char *name, const char *value)
{
	i->item = xrealloc(i->item, (i->count + 1) * sizeof *i->item);
	i->item[i->count].name = xstrdup(name);
	i->item[i->count++].value = xstrdup(value);
}

void
inventory_read(struct inventory *i, const char *json)
{
	json_t *pairs = json ? json_loads(json, 0, NULL) : NULL, *pair;
	size_t n;

	memset(i, 0, sizeof *i);
	json_array_foreach(pairs, n, pair) {
		const char *name = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (name && value)
			inventory_add(i, name, value);
	}
	json_decref(pairs);
}

void
inventory_free(struct inventory *i)
{
	size_t n;

	for (n = 0; n < i->count; n++) {
		free(i->item[n].name);
		free(i->item[n].value);
	}
	free(i->item);
	memset(i, 0, sizeof *i);
}

const char *
inventory_value(const struct inventory *i, const char *name)
{
	size_t n;

	for (n = 0; n < i->count; n++)
		if (!strcasecmp(i->item[n].name, name))
			return i->item[n].value;
	return NULL;
}

void
inventory_pairs(struct buf *b, const struct inventory *i)
{
	size_t n;

	json_begin_array(b, NULL);
	for (n = 0; n < i->count; n++) {
		json_begin_array(b, NULL);
		json_text(b, NULL, i->item[n].name);
		json_text(b, NULL, i->item[n].value);
		json_end_array(b);
	}
	json_end_array(b);
}

void
inventory_object(struct buf *b, const char *key, const struct inventory *i)
{
	size_t n;

	json_begin_object(b, key);
	for (n = 0; n < i->count; n++)
		json_text(b, i->item[n].name, i->item[n].value);
	json_end_object(b);
}
