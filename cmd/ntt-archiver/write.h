/*
 * An archive (ntt-layout(5)): a tar in a seekable zstd file (seekable.h),
 * its manifest first, holes of the members kept as holes.  Every member is
 * read once.
 */
#ifndef NTT_ARCHIVE_WRITE_H
#define NTT_ARCHIVE_WRITE_H

#include "archive/archive_manifest.h"

struct archive_job {
	int fd;			/* the new file, empty */
	int level;		/* of zstd, 1 to 19 */
	struct archive_manifest *manifest;	/* gets the hashes */
	const int *members;	/* a descriptor for each member */
	void (*progress)(uint64_t bytes);	/* of the members */
	int (*stop)(void);	/* nonzero: EINTR */
};

/*
 * 0, or -1 with errno and *error, one clause for a message (caller frees).
 * Of each member exactly its size is read, from its beginning; ENODATA when
 * it turned out shorter.  Nothing is synced.
 */
int archive_write(const struct archive_job *job, char **error);

#endif
