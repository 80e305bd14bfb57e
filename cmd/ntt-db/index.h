/* The index of names (find/segments.h), made of the catalogue. */
#ifndef NTT_DB_INDEX_H
#define NTT_DB_INDEX_H

#include <libpq-fe.h>

/*
 * The index gets the names of media that it has not; EXIT_REFUSED: it has all.
 * An exit status; says what went wrong.  Interrupted, it is what it was.
 */
int index_names(PGconn *db);

#endif
