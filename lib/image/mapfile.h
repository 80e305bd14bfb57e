/*
 * The map of ddrescue (GNU ddrescue manual, "Mapfile structure"): which bytes
 * of a medium are in its image.  A missing or empty map is an error, never
 * 100 %.
 */
#ifndef NTT_MAPFILE_H
#define NTT_MAPFILE_H

#include <stddef.h>
#include <stdint.h>

enum mapfile_status {
	MAPFILE_UNTRIED = '?',
	MAPFILE_UNTRIMMED = '*',
	MAPFILE_UNSCRAPED = '/',
	MAPFILE_BAD = '-',
	MAPFILE_RESCUED = '+'
};

struct mapfile_block {
	uint64_t pos, size;
	char status;
};

struct mapfile {
	struct mapfile_block *blocks;	/* from 0, touching, in order */
	size_t count;
	uint64_t end;			/* bytes covered */
	uint64_t current_pos;
	char current_status;		/* "?*-/+FG" as ddrescue has it */
	int pass;			/* 0 where the map has none */
};

/*
 * 0, or -1 with *error (caller frees) naming file, line and reason.  The
 * blocks start at 0, touch, do not overlap, and are at least one.
 */
int mapfile_load(struct mapfile *m, const char *path, char **error);
int mapfile_parse(struct mapfile *m, const char *text, size_t len,
	const char *name, char **error);
void mapfile_free(struct mapfile *m);

/* Bytes with this status. */
uint64_t mapfile_bytes(const struct mapfile *m, enum mapfile_status status);

/*
 * The health of a medium of this size: "ok" every byte, "incomplete" 90 % and
 * more, "corrupt" 20 % and more, "failed".  NULL when the map does not cover
 * the medium, or covers more than it.
 */
const char *mapfile_health(const struct mapfile *m, uint64_t size);

/* Does [pos, pos + size) touch a byte that was not rescued? */
int mapfile_lost(const struct mapfile *m, uint64_t pos, uint64_t size);

#endif
