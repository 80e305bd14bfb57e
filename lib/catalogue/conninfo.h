/* Connection strings of libpq, which may hold a password. */
#ifndef NTT_CONNINFO_H
#define NTT_CONNINFO_H

/*
 * conninfo without its passwords: as it is if it has none, else as keywords.
 * *password, unless it is NULL, is the server's, or NULL if there is none.  The
 * caller frees both.  NULL: it is not a connection string.
 */
char *conninfo_open(const char *conninfo, char **password);

/*
 * A text that may be shown to anybody: conninfo_open(), or what is wrong with
 * conninfo.  The caller frees it.
 */
char *conninfo_shown(const char *conninfo);

/*
 * For the argument of a program, which every user of the machine may read: the
 * same as conninfo_open(), and the password goes into the environment.  The
 * caller frees it.  Ends the program if it is not a connection string.
 */
char *conninfo_argument(const char *conninfo);

/*
 * The same server with another database, passwords included; the caller frees it.
 * NULL: it is not a connection string.
 */
char *conninfo_database(const char *conninfo, const char *database);

#endif
