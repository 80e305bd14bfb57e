/* A directory, or something remote, becomes a place. */
#ifndef NTT_PLACES_ADD_H
#define NTT_PLACES_ADD_H

#include <libpq-fe.h>

/* Ends the program when it cannot be one. */
void add_place(PGconn *db, const char *name, const char *where);
/* The same with REMOTE:PATH, encrypted unless clear. */
void add_remote(PGconn *db, const char *name, const char *url, int clear);

#endif
