/* What lists of known contents (ntt-db known) say. */
#ifndef NTT_REPORT_KNOWN_H
#define NTT_REPORT_KNOWN_H

#include <libpq-fe.h>

#include "base/buf.h"

/*
 * A section on the contents of a medium that is loaded, or of all (NULL);
 * nothing if there is no list.  Ends the program if the catalogue fails.
 */
void report_known(struct buf *b, PGconn *db, const char *medium);

#endif
