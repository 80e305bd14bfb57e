/* The page of the whole collection. */
#ifndef NTT_REPORT_COLLECTION_H
#define NTT_REPORT_COLLECTION_H

#include "base/buf.h"
#include "copies.h"
#include "overlap.h"

/* when: of the catalogue; links: to <hash>.html of every medium. */
void report_collection(struct buf *b, PGconn *db, const struct overlap *o,
	const struct copies *c, const char *when, int links);

#endif
