/*
 * Reading archives: the proof that one holds what its manifest says, and
 * members or parts of them without the rest.
 */
#ifndef NTT_ARCHIVE_READ_H
#define NTT_ARCHIVE_READ_H

#include "archive/archive_manifest.h"

/*
 * Reads all of an archive and compares every member with the manifest, which
 * is returned in *m (freed by the caller, also on failure).  0, or -1 with
 * errno and *error, one clause that names the member and the place (caller
 * frees).  EBADMSG: the archive is damaged; anything else: it could not be
 * read (EINTR: stop() said so).
 */
int archive_prove(int fd, struct archive_manifest *m,
	void (*progress)(uint64_t bytes), int (*stop)(void), char **error);

/* Reads only the manifest, and no more of the archive than is needed for it. */
int archive_read_manifest(int fd, struct archive_manifest *m, char **error);

/*
 * Writes bytes [offset, offset + length) of a member to out, as far as the
 * member has them, and zeros for its holes.  Only the frames that hold them are
 * read.  0, or -1 with errno and *error: ENOENT there is no such member.
 */
int archive_extract(int fd, const char *member, uint64_t offset,
	uint64_t length, int (*out)(void *arg, const void *bytes, size_t len),
	void *arg, char **error);

#endif
