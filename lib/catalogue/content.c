#define _GNU_SOURCE
#include "catalogue/content.h"

#include <string.h>

#include "base/diag.h"
#include "catalogue/db.h"
#include "sql/statements.h"

void
content_why_not(struct buf *out, char type, const char *status,
    const char *excluded, const char *error)
{
	if (excluded)
		buf_printf(out, "it was excluded by the pattern %s",
		    quoted(excluded));
	else if (!strcmp(status, "excluded"))
		buf_puts(out, "it was excluded");
	else if (!strcmp(status, "pending"))
		buf_puts(out, "it is not copied yet");
	else if (!strncmp(status, "failed", strlen("failed")))
		buf_printf(out, "it could not be copied from the medium: %s",
		    error ? error : "no reason is known");
	else if (type == 'd')
		buf_puts(out, "it is a directory");
	else
		buf_printf(out, "it has no content (type %c)", type);
}

void
content_mark(PGconn *db, const char *id, const char *state)
{
	if (db_do(db, sql_content_mark, id, state) < 0)
		detail("blob %s could not be marked as %s: %s", id, state,
		    db_error());
}
