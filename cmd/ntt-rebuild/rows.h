/*
 * Lines on their way into COPY … FROM STDIN, some hundred KB at once.
 *
 * Functions return -1 with db_error().
 */
#ifndef NTT_REBUILD_ROWS_H
#define NTT_REBUILD_ROWS_H

#include <libpq-fe.h>

#include "base/buf.h"

struct rows {
	PGconn *db;
	struct buf text;	/* the caller appends to it, then rows_row() */
};

int rows_begin(struct rows *c, PGconn *db, const char *sql);
int rows_row(struct rows *c);
/* Nothing of it counts when why is given. */
int rows_end(struct rows *c, const char *why);

#endif
