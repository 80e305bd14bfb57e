/* What the catalogue says of a content that cannot be given. */
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
 * What was found out about a blob: state "bad", "missing" or "unreadable".  A
 * catalogue that cannot be written to is no failure.
 */
void content_mark(PGconn *db, const char *id, const char *state);

#endif
