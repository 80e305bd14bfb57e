/*
 * What one image lacks, from another image of the same medium: another
 * attempt, or another copy of the same disc.
 */
#ifndef NTT_IMAGER_MERGE_H
#define NTT_IMAGER_MERGE_H

#include "files.h"

struct merge_result {
	uint64_t filled;	/* bytes that were missing and no more are */
	uint64_t differ;	/* sectors that both rescued differently */
	uint64_t first;		/* where the first of them begins */
};

/* Two names of one file that is there. */
int merge_same_file(const char *a, const char *b);

/* Compares what both have rescued.  0, or -1 with *error (caller frees). */
int merge_compare(const struct imager_files *into,
	const struct imager_files *from, void (*tick)(uint64_t done),
	struct merge_result *r, char **error);

/*
 * Fills what into has not rescued and from has; a rescued byte is never
 * written to.  The map of into says of bytes that they are rescued only when
 * they are on the disk; into->before follows it.  0, or -1 with *error; EINTR
 * in errno after a signal, with everything until then kept.
 */
int merge_fill(struct imager_files *into, const struct imager_files *from,
	void (*tick)(uint64_t done), struct merge_result *r, char **error);

#endif
