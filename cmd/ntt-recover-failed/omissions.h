/* The account of a medium, shown, and what a person accepts of it. */
#ifndef NTT_OMISSIONS_H
#define NTT_OMISSIONS_H

#include <libpq-fe.h>

/*
 * Every open omission; settled: those too that somebody or something has
 * settled.  The exit status: EXIT_PARTIAL when anything of the medium is
 * open, failed and damaged files included.
 */
int omissions_list(PGconn *db, const char *medium, int settled, int json);

/* path: relative to the medium's root, or NULL for everything that is open. */
int omissions_accept(PGconn *db, const char *medium, const char *path,
	const char *reason);

#endif
