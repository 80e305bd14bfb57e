/*
 * The catalogue, through libpq: parameters always, identifiers only through
 * db_ident().
 *
 *	PGconn *db = db_need();
 *
 *	res = db_query(db, "SELECT … WHERE medium_hash = $1", hash);
 *	if (!res)
 *		db_die("could not look up %s", hash);
 *
 * A failed call leaves its reason in db_error() and the exit status that
 * fits in db_status(): EXIT_AGAIN when the server is away, restarting or out
 * of resources, EXIT_FAILED for anything else.
 */
#ifndef NTT_DB_H
#define NTT_DB_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"

enum { DB_SCHEMA_VERSION = 16, DB_MAX_PARAMS = 24 };

/*
 * Connects to NTT_DB_URL as the invoking user and checks the version of the
 * schema.  The private cluster of NTT_HOME is started if it is down.  NULL on
 * failure.  Finish with PQfinish().
 */
PGconn *db_open(void);
/* The same; ends the program on failure. */
PGconn *db_need(void);
/* Without the check, for ntt-db; start 0: do not start anything. */
PGconn *db_connect(int start);
/*
 * Begins to connect and does not wait: the caller goes on with
 * PQconnectPoll().  Nothing is started and no version checked.  Never NULL.
 */
PGconn *db_connect_begin(void);
/* The connection string db_open() uses. Valid until the next call. */
const char *db_conninfo(void);

/*
 * Runs one statement with text parameters, NULL-terminated; a parameter that
 * may be NULL goes through db_query_n().  NULL if it failed, else a result
 * the caller clears.
 */
PGresult *db_query(PGconn *db, const char *sql, ...)
	__attribute__((sentinel));
#define db_query(...) db_query(__VA_ARGS__, (char *)NULL)
PGresult *db_query_n(PGconn *db, const char *sql, int n,
	const char *const *params);
/* A statement whose result does not matter: 0 or -1. */
int db_do(PGconn *db, const char *sql, ...) __attribute__((sentinel));
#define db_do(...) db_do(__VA_ARGS__, (char *)NULL)
/* Several statements in one text, no parameters: 0 or -1. */
int db_script(PGconn *db, const char *sql);
/*
 * Like PQexecParams() and PQexec(), but they report when a statement takes more
 * than a minute.  Give their result to db_check().
 */
PGresult *db_exec_params(PGconn *db, const char *sql, int n, const Oid *types,
	const char *const *params, const int *lengths, const int *formats,
	int binary);
PGresult *db_exec(PGconn *db, const char *sql);
/* Keeps res if it is good; else clears it, sets db_error(), returns NULL. */
PGresult *db_check(PGconn *db, PGresult *res);

int db_begin(PGconn *db);
int db_commit(PGconn *db);
void db_rollback(PGconn *db);

/* "name" as an SQL identifier, quoted; name must be valid.  Caller frees. */
char *db_ident(PGconn *db, const char *prefix, const char *medium);
/*
 * A statement of sql/ on one medium: :"inode" and :"path" become its
 * partitions, :'medium' its hash.  Caller frees.
 */
char *sql_for(const char *sql, const char *medium);
/* The same with other tables, and what stands for the hash; quoted. */
char *sql_with(const char *sql, const char *inode, const char *path,
	const char *medium);
/* A name as a bytea parameter in text form (\x…); caller frees. */
char *db_bytea(const void *bytes, size_t len);
/* Value of a bytea column in text form, appended to out; -1 if malformed. */
int db_bytea_value(PGresult *res, int row, int col, struct buf *out);

/*
 * A path of this machine in a text column: as it is, or as \x and hexadecimal
 * where it is not UTF-8; absolute paths begin with a slash.  Caller frees;
 * NULL for NULL.
 */
char *db_path(const char *path);
char *db_path_value(PGresult *res, int row, int col);

/* Cells of a result: "" and 0 for NULL. */
const char *db_text(const PGresult *res, int row, int col);
/* NULL for NULL; the caller frees the copy. */
const char *db_text_null(const PGresult *res, int row, int col);
char *db_copy(const PGresult *res, int row, int col);
int64_t db_int(const PGresult *res, int row, int col);
int db_bool(const PGresult *res, int row, int col);

const char *db_error(void);	/* one line */
const char *db_sqlstate(void);	/* five characters, "" for none */
int db_status(void);		/* EXIT_AGAIN or EXIT_FAILED */
/* Says "…: db_error()" and exits with db_status(). */
void db_die(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

#endif
