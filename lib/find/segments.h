/*
 * The index of names: files of plocate(1) with the paths of media, and a list
 * of which medium is in which.
 *
 * The list is what counts.  A medium is in a segment as it was loaded once
 * (loaded.names); where the catalogue says otherwise by now the segment knows
 * nothing of it.  The paths in a segment begin with "/HASH/".
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
 * U+212A.  Who ignores case and has paths with them must not rely on bytes.
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

/* New ones at the end; what they return is valid until the next one is added. */
struct segment *segments_add(struct segments *s, const char *name,
	uint64_t bytes);
struct segment_medium *segment_add(struct segment *of, const char *hash,
	const char *names);
void segments_remove(struct segments *s, size_t i);
void segments_free(struct segments *s);

#endif
