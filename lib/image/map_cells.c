#define _GNU_SOURCE
#include "image/map_cells.h"

#include <string.h>

#include "base/buf.h"

enum { SECTOR = 512 };

enum map_state
map_state_of(char status)
{
	switch (status) {
	case MAPFILE_RESCUED:
		return MAP_RESCUED;
	case MAPFILE_UNTRIMMED:
		return MAP_UNTRIMMED;
	case MAPFILE_UNSCRAPED:
		return MAP_UNSCRAPED;
	case MAPFILE_BAD:
		return MAP_BAD;
	default:
		return MAP_UNTRIED;
	}
}

const char *
map_state_name(enum map_state state)
{
	static const char *const names[] = { "rescued", "untried",
		"untrimmed", "unscraped", "bad" };

	return names[state];
}

/* Where cell i of n begins. */
static uint64_t
boundary(uint64_t size, size_t i, size_t n)
{
	uint64_t sectors = (size + SECTOR - 1) / SECTOR, at;

	at = (uint64_t)((__uint128_t)sectors * i / n) * SECTOR;
	return at < size ? at : size;
}

size_t
map_cells(const struct mapfile *m, size_t count, struct map_cell **cells)
{
	uint64_t sectors = (m->end + SECTOR - 1) / SECTOR;
	size_t n = count < sectors ? count : (size_t)sectors, i, b = 0;
	struct map_cell *list = xcalloc(n ? n : 1, sizeof *list);

	for (i = 0; i < n; i++) {
		struct map_cell *c = &list[i];
		uint64_t end = boundary(m->end, i + 1, n);

		c->start = boundary(m->end, i, n);
		c->size = end - c->start;
		for (; b < m->count; b++) {
			const struct mapfile_block *block = &m->blocks[b];
			uint64_t block_end = block->pos + block->size;
			uint64_t from = block->pos > c->start ? block->pos :
			    c->start;
			uint64_t to = block_end < end ? block_end : end;

			if (from < to)
				c->bytes[map_state_of(block->status)] +=
				    to - from;
			/* the next cell begins in this block */
			if (block_end >= end)
				break;
		}
	}
	*cells = list;
	return n;
}

enum map_state
map_cell_worst(const struct map_cell *c)
{
	enum map_state s = MAP_BAD;

	while (s > MAP_RESCUED && c->bytes[s] == 0)
		s--;
	return s;
}

void
map_sum(const struct mapfile *m, struct map_sum *sum)
{
	size_t i;

	memset(sum, 0, sizeof *sum);
	sum->size = m->end;
	for (i = 0; i < m->count; i++) {
		enum map_state s = map_state_of(m->blocks[i].status);

		sum->bytes[s] += m->blocks[i].size;
		if (i == 0 || m->blocks[i - 1].status != m->blocks[i].status)
			sum->areas[s]++;
	}
}

unsigned int
map_share(uint64_t part, uint64_t whole)
{
	return whole ? (unsigned int)((__uint128_t)part * 10000 / whole) : 0;
}
