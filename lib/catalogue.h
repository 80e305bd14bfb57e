/* Questions every program asks the catalogue about a medium. */
#ifndef NTT_CATALOGUE_H
#define NTT_CATALOGUE_H

#include <libpq-fe.h>

/*
 * The medium that name means: its hash or label, or an unambiguous prefix of
 * at least 8 characters.  Caller frees; NULL when there is none (*matches 0),
 * several (*matches > 1), or the catalogue failed (*matches -1: db_error()).
 */
char *catalogue_medium(PGconn *db, const char *name, int *matches);

/*
 * The same for commands: ends the program with one line when there is not
 * exactly one.
 */
char *catalogue_medium_or_die(PGconn *db, const char *name);

/* 1: the medium has its partitions, 0: not loaded, -1: db_error(). */
int catalogue_loaded(PGconn *db, const char *medium);

#endif
