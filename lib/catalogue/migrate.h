/* The schema's versions: sql/NNNN-*.sql, each applied in one transaction. */
#ifndef NTT_MIGRATE_H
#define NTT_MIGRATE_H

#include <libpq-fe.h>

/* The version the database is at; 0: no catalogue; -1: db_error(). */
int migrate_version(PGconn *db);
/* Up to DB_SCHEMA_VERSION; the number of steps made, or -1: db_error(). */
int migrate_up(PGconn *db);

#endif
