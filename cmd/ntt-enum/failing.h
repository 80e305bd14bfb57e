/*
 * What a volume's failing view tells of its names.
 *
 * An area that was not rescued holds zeros, which a file system may take for an
 * empty directory.  So a damaged volume is walked twice: first where reading
 * such an area fails and is counted (image/refused.h), then where it is zeros.
 * A directory or an inode around whose reading the count moved is marked,
 * whatever the file system's driver said.
 *
 *	f = failing_walk(root, refused, &progress, room);
 *	for each entry of the other walk:
 *		marks = failing_marks(f, path, len);
 *	failing_others(f, …);		names that only the first walk met
 *	failing_free(f);
 *
 * Paths are relative to the root of the volume; its own is "".
 */
#ifndef NTT_FAILING_H
#define NTT_FAILING_H

#include <stddef.h>

#include "raw/walk.h"

enum failing_mark {
	FAILING_MET = 1,	/* the name was met */
	FAILING_LISTED = 2,	/* a directory, listed to its end */
	FAILING_GAPS = 4,	/* something of it could not be read meanwhile */
	FAILING_INODE = 8,	/* its inode could not be read */
	FAILING_ASKED = 16	/* failing_marks() */
};

struct failing;

/*
 * Walks root; refused: the log of the view.  room: WALK_PATH_ROOM bytes.
 * NULL with errno: the root cannot be read, or the log.
 */
struct failing *failing_walk(const char *root, const char *refused,
	struct walk_progress *progress, char *room);
void failing_free(struct failing *f);

/* The marks of a path, which is now one that the other walk met, too. */
unsigned int failing_marks(struct failing *f, const char *path, size_t len);

/*
 * Walks once more, if there are any, and shows the entries that
 * failing_marks() was not asked for; their paths are below root.  0, or what
 * entry() returned.
 */
int failing_others(struct failing *f, int (*entry)(void *arg,
	const struct raw_record *rec), void *arg);

#endif
