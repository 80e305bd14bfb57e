/*
 * All rows that the catalogue has of a medium, as a file: ntt-catalogue(5).
 *
 * A file has the rows of one moment and is never overwritten: later changes go
 * into a file of the next number.
 *
 * Functions that fail set errno; if errno is 0, db_error() says why.
 */
#ifndef NTT_CATALOGUE_FILE_H
#define NTT_CATALOGUE_FILE_H

#include <libpq-fe.h>

#define CATALOGUE_FILE_SUFFIX ".catalogue.zst"

/*
 * Writes it to fd, in a transaction of its own, or in the one that db is in,
 * which must be REPEATABLE READ.  0 or -1.
 */
int catalogue_file_put(PGconn *db, const char *medium, int fd);

/*
 * The same as the next file in ARCHIVE_ROOT, durable: its path, which the
 * caller frees, or NULL.
 */
char *catalogue_file_write(PGconn *db, const char *medium);

/*
 * For commands that changed what such a file says: if the medium has one, the
 * next is written.  EXIT_DONE; or, after a warning that begins with done, a
 * participle, the exit status: EXIT_PARTIAL where ARCHIVE_ROOT is not mounted.
 */
int catalogue_file_renew(PGconn *db, const char *medium, const char *done);

/* The number of the newest file of a medium, 0: there is none. */
unsigned int catalogue_file_newest(const char *medium);

/* The newest file has the row of the medium as it is now: 1, 0, or -1. */
int catalogue_file_current(PGconn *db, const char *medium);

#endif
