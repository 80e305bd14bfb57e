/*
 * From the paths of a .raw to paths relative to the medium's root.
 *
 * What is taken off is found once, from the first record, unless it is given:
 *
 *	STRIP_GIVEN	the prefix that was asked for
 *	STRIP_MOUNT	<mount root>/<medium>, or any …/<medium> where the
 *			medium is a hash and ends the path or is followed by a
 *			partition (pN)
 *	STRIP_MEDIUM	<medium> at the very beginning, as in carved trees
 *	STRIP_ROOT	the first record, which is the directory that was
 *			enumerated
 *
 * Old files have paths "pN:…" in place of "…/pN/…".  Where the first record
 * has one, all must, and "pN:" becomes "pN/".
 */
#ifndef NTT_STRIP_H
#define NTT_STRIP_H

#include <stddef.h>

#include "base/buf.h"
#include "raw/raw.h"

enum strip_rule { STRIP_GIVEN, STRIP_MOUNT, STRIP_MEDIUM, STRIP_ROOT };

struct strip {
	enum strip_rule rule;
	char *prefix;
	size_t prefix_len;
	int old_partitions;	/* "pN:" */
	struct buf path;	/* private */
};

/*
 * given may be NULL.  -1: the first record tells nothing, being no directory.
 */
int strip_init(struct strip *s, const char *given, const char *mount_root,
	const char *medium, const struct raw_record *first);
void strip_free(struct strip *s);
/* Valid until the next call; NULL when path is not at or below the prefix. */
const char *strip_path(struct strip *s, const char *path, size_t len,
	size_t *relative_len);

#endif
