/* The catalogue in a file, and back; see the page of ntt-db. */
#ifndef NTT_DB_BACKUP_H
#define NTT_DB_BACKUP_H

#include <libpq-fe.h>

/*
 * The whole catalogue as an archive of pg_dump(1), which is read back before
 * it gets its name.  An exit status; says what went wrong.
 */
int backup(const char *url, const char *file);
/*
 * The other way, into a database in which there is no medium and no blob; what
 * else is there goes.  The schema is that of the file.
 */
int backup_restore(PGconn *db, const char *url, const char *file);

#endif
