#include "parents.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* Where hash is, or would be. */
static uint64_t *
slot_of(const struct parents_set *s, uint64_t hash)
{
	size_t i = hash & (s->size - 1);

	while (s->slots[i] && s->slots[i] != hash)
		i = (i + 1) & (s->size - 1);
	return &s->slots[i];
}

static int
has(const struct parents_set *s, uint64_t hash)
{
	return s->size > 0 && *slot_of(s, hash) == hash;
}

static void
grow(struct parents_set *s)
{
	struct parents_set old = *s;
	size_t i;

	s->size = old.size ? 2 * old.size : 1024;
	s->slots = xcalloc(s->size, sizeof *s->slots);
	for (i = 0; i < old.size; i++)
		if (old.slots[i])
			*slot_of(s, old.slots[i]) = old.slots[i];
	free(old.slots);
}

static void
add(struct parents_set *s, uint64_t hash)
{
	uint64_t *slot;

	if (4 * (s->count + 1) > 3 * s->size)
		grow(s);
	slot = slot_of(s, hash);
	s->count += *slot == 0;
	*slot = hash;
}

/* A hash that is 0 would be a free slot: 1 is as good. */
static uint64_t
key(int64_t directory)
{
	return directory ? (uint64_t)directory : 1;
}

void
parents_free(struct parents *p)
{
	free(p->there.slots);
	free(p->wanted.slots);
	memset(p, 0, sizeof *p);
}

void
parents_there(struct parents *p, int64_t directory)
{
	add(&p->there, key(directory));
}

void
parents_wanted(struct parents *p, int64_t directory)
{
	if (directory == p->last)
		return;
	p->last = directory;
	/* mostly it came before what is in it */
	if (!has(&p->there, key(directory)))
		add(&p->wanted, key(directory));
}

uint64_t
parents_missing(const struct parents *p)
{
	uint64_t missing = 0;
	size_t i;

	for (i = 0; i < p->wanted.size; i++)
		missing += p->wanted.slots[i] &&
		    !has(&p->there, p->wanted.slots[i]);
	return missing;
}
