/*
 * The index of names: files of plocate(1) with the paths of media, and a list
 * of which medium is in which.
 *
 * Only files in the list count.  A segment has the names of one load of a
 * medium (loaded.names); if the catalogue has another value by now, the segment
 * does not count for this medium.  The paths in a segment begin with "/HASH/".
 */
#ifndef NTT_SEGMENTS_H
#define NTT_SEGMENTS_H

#include <stddef.h>
#include <stdint.h>

struct segment_medium {
	char *hash, *names;	/* loaded.names */
	uint64_t paths;
	int folds;		/* see SEGMENT_FOLDS */
};

/*
 * Characters whose small letter is ASCII though they are not: U+0130 and
 * U+212A.  If case is ignored and paths have these characters, a comparison of
 * bytes is not enough.
 */
#define SEGMENT_FOLDS { "\xc4\xb0", "\xe2\x84\xaa" }

struct segment {
	char *name;		/* of the file, in segments_dir() */
	uint64_t bytes;
	struct segment_medium *media;
	size_t count;
};

struct segments {
	struct segment *list;
	size_t count;
};

#define SEGMENTS_INIT { NULL, 0 }

/* Where the index is; caller frees. */
char *segments_dir(void);
/* 0, or -1 with errno: ENOENT where there is none, EBADMSG if it is damaged. */
int segments_read(const char *dir, struct segments *s);
/* Durable, for the owner alone, in place of what was there. */
int segments_write(const char *dir, const struct segments *s);

/* Add a new one at the end; the result is valid until the next one is added. */
struct segment *segments_add(struct segments *s, const char *name,
	uint64_t bytes);
struct segment_medium *segment_add(struct segment *of, const char *hash,
	const char *names);
void segments_remove(struct segments *s, size_t i);
void segments_free(struct segments *s);

#endif
