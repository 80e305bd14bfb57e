/*
 * The catalogue, asked by many threads through one connection that may go
 * away.
 *
 * A question waits a bounded time.  If the connection is lost it is made
 * again once, in five seconds at most; while that fails, questions fail at
 * once and the next try is two seconds later.
 */
#ifndef NTT_BROWSE_ASK_H
#define NTT_BROWSE_ASK_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

/* The connection is ask's from now on. */
void ask_start(PGconn *db);
void ask_end(void);
/* Waiting ends when this is true; may be NULL. */
void ask_until(int (*ended)(void));

/*
 * A statement, owned by who asks.  name: it is prepared under this name, which
 * no other question has; "": it is not.
 */
struct question {
	const char *sql;
	char name[32];
	unsigned int prepared;	/* private: on which connection */
};

struct param {
	const char *bytes;	/* binary where len >= 0, else text; NULL */
	int len;
};

enum { ASK_PARAMS = 4 };

/*
 * Runs a statement, results binary: a result that the caller clears, or NULL
 * with errno: EIO, the catalogue is away or the answer did not come in time;
 * ESTALE, a table is not there any more.  What failed is said on standard error, that
 * the catalogue is away once until it answers again.
 */
PGresult *ask(struct question *q, int n, const struct param *params);

/* Cells of a binary result; 0 and without for NULL. */
int64_t cell_int(const PGresult *res, int row, int col, int64_t without);
int cell_true(const PGresult *res, int row, int col);
/* NULL for NULL. */
const char *cell(const PGresult *res, int row, int col, size_t *len);

#endif
