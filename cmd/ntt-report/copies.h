/* Contents with fewer copies than NTT_COPIES says (ntt-places(1)). */
#ifndef NTT_REPORT_COPIES_H
#define NTT_REPORT_COPIES_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"

struct copies {
	uint64_t wanted, places;
	uint64_t few, bytes;	/* contents with fewer */
	PGresult *media;	/* of the collection: those that have such */
};

/* Of one medium, or of the collection: NULL.  0, or -1 with db_error(). */
int copies_read(struct copies *c, PGconn *db, const char *medium);
void copies_free(struct copies *c);
/* The same of one medium, from that of the collection. */
struct copies copies_of(const struct copies *all, const char *medium);

/* A section with what mends it; nothing if there is nothing to mend. */
void copies_section(struct buf *b, const struct copies *c);

#endif
