/* Files of the store that no row names, and rows that no file has. */
#ifndef NTT_VERIFY_ORPHANS_H
#define NTT_VERIFY_ORPHANS_H

#include <libpq-fe.h>
#include <stdint.h>

#include "store/verify_finding.h"

struct verify_orphans {
	uint64_t files, rows;	/* seen */
	uint64_t young;		/* files not judged: see below */
};

/*
 * Walks the whole store against blobs.  While copiers run, a file younger than
 * ten minutes may be about to get its row: it is counted and not reported.
 * 0; -1 with errno, 0 in errno: db_error() (EINTR: stop() said so).
 */
int verify_orphans(struct verify_orphans *o, PGconn *db, int store,
	verify_tell *tell, int (*stop)(void));

#endif
