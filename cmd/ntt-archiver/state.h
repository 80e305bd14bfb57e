/*
 * May a medium be archived?  Evidence of this moment: rows, mounts, loop
 * devices; never a date that somebody set.
 */
#ifndef NTT_ARCHIVE_STATE_H
#define NTT_ARCHIVE_STATE_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct archive_part {
	char *path;
	uint64_t size;
	char *mtime;			/* when its image was made */
};

struct archive_medium {
	char *hash;
	char *kind, *image_path;	/* of the catalogue, or NULL */
	char *row, *partitions;		/* JSON for the manifest */
	char *archive_path;		/* NULL: not archived */
	char *list;		/* the .raw that was loaded; NULL: not known */
	int64_t list_bytes, list_mtime;
	/* the container that the image was made of; count 0: none */
	struct archive_part *parts;
	size_t part_count;
};

/* Its row.  0, or -1 with db_error(). */
int archive_medium_find(struct archive_medium *m, PGconn *db,
	const char *hash);
void archive_medium_free(struct archive_medium *m);

/*
 * 1: nothing stands against it; 0: why says what does (one clause); -1 with
 * db_error().  Rows: loaded, some inodes, nothing pending or claimed, nothing
 * open in its account (account.h) unless failures are allowed.
 */
int archive_rows_ready(const struct archive_medium *m, PGconn *db,
	int allow_failures, struct buf *why);

/*
 * 1: neither mounted nor attached to a loop device, by path, or by inode where
 * we may ask for it, or deleted meanwhile; 0 and why; -1 with errno.
 */
int archive_image_free(const struct archive_medium *m, const char *image,
	struct buf *why);

/*
 * Records the archive, and copy_done where it was missing, in a transaction
 * that makes sure once more that nothing is pending.  1 done, 0 something is
 * pending, -1 with db_error().
 */
int archive_record(const struct archive_medium *m, PGconn *db,
	const char *path);

#endif
