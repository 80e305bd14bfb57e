/* Why a content cannot be given, by the catalogue. */
#ifndef NTT_CONTENT_H
#define NTT_CONTENT_H

#include <libpq-fe.h>

#include "base/buf.h"

/*
 * Why an inode has no blob, as a clause: "it was excluded by …".  type and
 * status are those of inode; excluded is exclude_reason of the path, error the
 * last of errors; NULL: none.
 */
void content_why_not(struct buf *out, char type, const char *status,
	const char *excluded, const char *error);

/*
 * Records the state of a blob: "bad", "missing" or "unreadable".  If the
 * catalogue cannot be written to, this is no failure.
 */
void content_mark(PGconn *db, const char *id, const char *state);

#endif
