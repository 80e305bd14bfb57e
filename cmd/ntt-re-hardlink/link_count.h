/*
 * blobs.n_hardlinks: how many names a blob has in the trees of all media.
 *
 * Copiers add to it what they link.  When a tree was repaired it is counted
 * anew from the catalogue: the paths that are not excluded of the files that
 * were copied, in media that have a tree, less those that could not be linked.
 *
 * Works through temporary tables of the session:
 *	link_blob (blobid)	the blobs in question; the caller may fill it
 *	link_failed (blobid)	names that are not in a tree; likewise
 *	link_inode		the caller's: dev, ino, fs_type, blobid, status
 *
 * Every function returns -1 or NULL with db_error().
 */
#ifndef NTT_LINK_COUNT_H
#define NTT_LINK_COUNT_H

#include <libpq-fe.h>
#include <stdint.h>

#include "catalogue/pgarray.h"

int link_count_begin(PGconn *db);
/* Ids into a table, by its statement; the array is empty afterwards. */
int link_add(PGconn *db, const char *statement, struct pgarray *ids);
/* The blobs of the files of a medium, into link_blob. */
int link_blobs_of(PGconn *db, const char *medium);
/*
 * Counts, and corrects what is wrong; copiers may be at work.  root: of the
 * trees.  The number of blobs corrected, or -1.  Afterwards link_blob has those
 * that were wrong.
 */
int64_t link_recount(PGconn *db, const char *root);

#endif
