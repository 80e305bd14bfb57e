#define _GNU_SOURCE
#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/procstat.h"
#include "catalogue/db.h"
#include "sql/statements.h"

enum {
	CONNECT_MS = 5000,
	AGAIN_MS = 2000,
	SLICE_MS = 500,
	/* a directory of millions, cold */
	ANSWER_MS = 60000
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static PGconn *db;		/* NULL: there is none */
static int64_t not_before;	/* of the next try to connect */
static int (*is_over)(void);
static int away;		/* and it was said */
/* Plans of 2,000 media would fill the server's memory. */
enum { PREPARED_MAX = 400 };
static unsigned int epoch = 1;	/* of the connection and its plans */
static unsigned int prepared_count;

static void
forget_prepared(void)
{
	prepared_count = 0;
	epoch++;
}

static void
drop(void)
{
	PQfinish(db);
	db = NULL;
	forget_prepared();
}

static void
say_away(const char *why)
{
	if (!away)
		warn("the catalogue does not answer, so what is not known yet "
		    "gives I/O errors: %s", *why ? why :
		    "no answer came in time");
	away = 1;
}

/* Until the socket is ready or the time is over: 1 or 0. */
static int
wait_for(int events, int64_t end)
{
	struct pollfd p = { .fd = PQsocket(db), .events = (short)events };
	int64_t left;
	int rc;

	do {
		left = end - monotonic_ms();
		if (left <= 0 || (is_over && is_over()))
			return 0;
		rc = poll(&p, 1, left < SLICE_MS ? (int)left : SLICE_MS);
	} while (rc == 0 || (rc < 0 && errno == EINTR));
	return rc > 0;
}

static int
set_up(void)
{
	return db_do(db, sql_browse_session);
}

static int
connect_again(void)
{
	int64_t end = monotonic_ms() + CONNECT_MS;
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	if (monotonic_ms() < not_before)
		return -1;
	db = db_connect_begin();
	while (PQstatus(db) != CONNECTION_BAD &&
	    (state == PGRES_POLLING_READING ||
	    state == PGRES_POLLING_WRITING)) {
		if (!wait_for(state == PGRES_POLLING_READING ? POLLIN :
		    POLLOUT, end))
			break;
		state = PQconnectPoll(db);
	}
	if (PQstatus(db) == CONNECTION_OK && set_up() == 0)
		return 0;
	PQclear(db_check(db, NULL));
	say_away(db_error());
	drop();
	not_before = monotonic_ms() + AGAIN_MS;
	return -1;
}

/* The last result of what was sent, or NULL: it did not come. */
static PGresult *
answer(void)
{
	int64_t end = monotonic_ms() + ANSWER_MS;
	PGresult *res = NULL, *next;

	for (;;) {
		while (PQisBusy(db))
			if (!wait_for(POLLIN, end) || !PQconsumeInput(db)) {
				PQclear(res);
				return NULL;
			}
		next = PQgetResult(db);
		if (!next)
			return res;
		PQclear(res);
		res = next;
	}
}

static int
prepare(struct question *q)
{
	PGresult *res;

	if (q->prepared == epoch)
		return 0;
	if (prepared_count >= PREPARED_MAX) {
		if (!PQsendQuery(db, "DEALLOCATE ALL"))
			return -1;
		res = db_check(db, answer());
		if (!res)
			return -1;
		PQclear(res);
		forget_prepared();
	}
	if (!PQsendPrepare(db, q->name, q->sql, 0, NULL))
		return -1;
	res = db_check(db, answer());
	if (!res)
		return -1;
	PQclear(res);
	q->prepared = epoch;
	prepared_count++;
	return 0;
}

static PGresult *
try(struct question *q, int n, const struct param *params)
{
	const char *values[ASK_PARAMS];
	int lengths[ASK_PARAMS], formats[ASK_PARAMS], i, sent;

	for (i = 0; i < n; i++) {
		values[i] = params[i].bytes;
		lengths[i] = params[i].len;
		formats[i] = params[i].len >= 0;
	}
	if (*q->name && prepare(q) < 0)
		return NULL;
	sent = *q->name ? PQsendQueryPrepared(db, q->name, n, values, lengths,
	    formats, 1) : PQsendQueryParams(db, q->sql, n, NULL, values,
	    lengths, formats, 1);
	return db_check(db, sent ? answer() : NULL);
}

/* Is it the connection that failed, and not the statement? */
static int
is_lost(void)
{
	return PQstatus(db) != CONNECTION_OK ||
	    PQtransactionStatus(db) == PQTRANS_ACTIVE ||
	    !strncmp(db_sqlstate(), "57P", 3);
}

PGresult *
ask(struct question *q, int n, const struct param *params)
{
	PGresult *res = NULL;
	int err = EIO, tries;

	pthread_mutex_lock(&lock);
	for (tries = 0; tries < 2 && !res; tries++) {
		if (!db && connect_again() < 0)
			break;
		res = try(q, n, params);
		if (res)
			break;
		/* undefined_table, undefined_column: dropped, replaced */
		if (!is_lost() && !strncmp(db_sqlstate(), "42P01", 5)) {
			err = ESTALE;
			break;
		}
		if (!is_lost()) {
			warn("the catalogue could not answer: %s",
			    db_error());
			break;
		}
		say_away(db_error());
		drop();
	}
	if (res && away)
		warn("the catalogue answers again");
	if (res)
		away = 0;
	pthread_mutex_unlock(&lock);
	if (!res)
		errno = err;
	return res;
}

void
ask_start(PGconn *connection)
{
	db = connection;
	if (set_up() < 0)
		db_die("could not set up the connection");
}

void
ask_until(int (*ended)(void))
{
	is_over = ended;
}

void
ask_end(void)
{
	drop();
}

const char *
cell(const PGresult *res, int row, int col, size_t *len)
{
	if (len)
		*len = (size_t)PQgetlength(res, row, col);
	return PQgetisnull(res, row, col) ? NULL : PQgetvalue(res, row, col);
}

int64_t
cell_int(const PGresult *res, int row, int col, int64_t without)
{
	const char *bytes = cell(res, row, col, NULL);
	uint64_t n = 0;
	int i, len = PQgetlength(res, row, col);

	if (!bytes)
		return without;
	for (i = 0; i < len; i++)
		n = n << 8 | (unsigned char)bytes[i];
	return len == 4 ? (int32_t)n : (int64_t)n;
}

int
cell_true(const PGresult *res, int row, int col)
{
	const char *bytes = cell(res, row, col, NULL);

	return bytes && *bytes;
}
