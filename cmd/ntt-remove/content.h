/* One content out of the whole collection. */
#ifndef NTT_REMOVE_CONTENT_H
#define NTT_REMOVE_CONTENT_H

#include <libpq-fe.h>

struct content_removal {
	PGconn *db;
	const char *id;			/* of the blob */
	const char *reason, *by;	/* reason: NULL, none */
	int yes, dry_run;
};

/*
 * Shows every path that has it and the archives whose images do, asks, and takes
 * it out of trees, rows and store.  Its bytes are deleted.  For commands: ends
 * the program when it is refused or fails; else the exit status.
 */
int content_remove(const struct content_removal *r);

#endif
