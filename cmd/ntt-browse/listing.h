/*
 * What is in the directories of a medium, read from the catalogue and kept
 * while there is room: 64 MB, and what somebody holds.
 *
 * Names of more than 255 bytes get a shorter one.  Directories that hold
 * something and have no row are there all the same.
 */
#ifndef NTT_BROWSE_LISTING_H
#define NTT_BROWSE_LISTING_H

#include "base/buf.h"
#include "media.h"

struct item {
	struct entry e;
	const char *name;	/* as it is shown; NUL-terminated */
	const char *real;	/* as it is; the same where it is short */
	uint32_t name_len, real_len;
};

struct listing {
	struct item *items;	/* sorted by name */
	size_t count;
	/* private */
	struct buf names;
	struct shown *medium;
	char *path;
	size_t path_len, bytes;
	int64_t read_at;
	unsigned int changes;	/* of the medium then */
	int refs, cached;
	struct listing *chain, *newer, *older;
};

/* What is in the directory, referred to; NULL with errno as of ask(). */
struct listing *listing_get(struct shown *m, const char *path, size_t len);
void listing_put(struct listing *l);
const struct item *listing_find(const struct listing *l, const char *name,
	size_t len);

/* The root directory of the medium: 0, or -1 with errno. */
int listing_root(struct shown *m, struct entry *root);

/* It is known that nothing of the medium has extended attributes. */
int listing_no_xattrs(const struct shown *m);

/* A directory of which the catalogue has no row. */
void listing_implied(const struct shown *m, struct entry *e);

/* Can no directory entry have this name? */
int listing_impossible(const char *name, size_t len);

#endif
