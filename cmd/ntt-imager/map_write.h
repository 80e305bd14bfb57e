/* Maps made by us, in the form of ddrescue. */
#ifndef NTT_MAP_WRITE_H
#define NTT_MAP_WRITE_H

#include "image/mapfile.h"

/* Nothing of a medium of this size was tried yet. */
void map_untried(struct mapfile *m, uint64_t size);

/* One more block at the end; joined with the one before where they agree. */
void map_append(struct mapfile *m, uint64_t size, char status);

/*
 * base, with everything rescued that gained has rescued; both are of one
 * size.  Nothing else of gained is believed.
 */
void map_gain(struct mapfile *out, const struct mapfile *base,
	const struct mapfile *gained);

/*
 * Durable under its name, replacing what was there; the comment says by whom
 * (one line).  0, or -1 with errno.
 */
int map_save(const struct mapfile *m, const char *path, const char *comment);

#endif
