#include "feed.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/exits.h"
#include "base/procstat.h"
#include "catalogue/db.h"
#include "sql/statements.h"

/* Seconds: between attempts; for an attempt; for an answer. */
enum { RETRY_AFTER = 2, CONNECT_WITHIN = 10, ANSWER_WITHIN = 20 };

static void
enter(struct dash_feed *f, enum feed_state state)
{
	f->state = state;
	f->since = monotonic_s();
}

static void
drop_results(struct dash_feed *f)
{
	size_t i;

	for (i = 0; i < f->count; i++)
		PQclear(f->results[i]);
	f->count = 0;
}

static void
set_error(struct dash_feed *f, const char *error, int status)
{
	free(f->error);
	f->error = xstrdup(error);
	f->status = status;
}

static void
go_away(struct dash_feed *f, const char *error, int status)
{
	set_error(f, error, status);
	drop_results(f);
	PQfinish(f->db);
	f->db = NULL;
	/* another server may have another past */
	dash_past_free(&f->past);
	enter(f, FEED_AWAY);
}

/* db_check() words what libpq has to say. */
static void
connection_failed(struct dash_feed *f)
{
	PQclear(db_check(f->db, NULL));
	go_away(f, db_error(), EXIT_AGAIN);
}

static void
submit(struct dash_feed *f, const char *session)
{
	char *sql = xasprintf("%s;%s", session,
	    dash_catalogue_sql(!f->past.res));

	if (PQsendQuery(f->db, sql) != 1)
		connection_failed(f);
	else
		enter(f, FEED_ASKING);
	free(sql);
}

void
feed_start(struct dash_feed *f, PGconn *db, const char *error)
{
	memset(f, 0, sizeof *f);
	f->db = db;
	if (!db) {
		set_error(f, error, EXIT_AGAIN);
		enter(f, FEED_AWAY);
		return;
	}
	PQsetnonblocking(db, 1);
	submit(f, sql_dashboard_session);
}

void
feed_free(struct dash_feed *f)
{
	drop_results(f);
	PQfinish(f->db);
	dash_past_free(&f->past);
	dash_catalogue_free(f->news);
	free(f->error);
}

void
feed_ask(struct dash_feed *f)
{
	if (f->state == FEED_IDLE)
		submit(f, "");
}

static void
connect_again(struct dash_feed *f)
{
	f->db = db_connect_begin();
	f->polling = PGRES_POLLING_WRITING;
	enter(f, FEED_CONNECTING);
	if (PQstatus(f->db) == CONNECTION_BAD)
		connection_failed(f);
}

static void
go_on_connecting(struct dash_feed *f)
{
	struct pollfd p = { PQsocket(f->db), feed_events(f), 0 };

	/* the first step of libpq must wait for its socket too */
	if (poll(&p, 1, 0) == 0)
		return;
	f->polling = PQconnectPoll(f->db);
	if (f->polling == PGRES_POLLING_FAILED) {
		connection_failed(f);
	} else if (f->polling == PGRES_POLLING_OK) {
		PQsetnonblocking(f->db, 1);
		submit(f, sql_dashboard_session);
	}
}

/* All results are here, and every one is good. */
static void
take_answer(struct dash_feed *f)
{
	struct dash_catalogue *c = dash_catalogue_read(f->results, f->count,
	    &f->past);

	drop_results(f);
	f->seconds = monotonic_s() - f->since;
	enter(f, FEED_IDLE);
	if (!c) {
		set_error(f, "the answer is not complete", EXIT_FAILED);
		return;
	}
	dash_catalogue_free(f->news);
	f->news = c;
	free(f->error);
	f->error = NULL;
}

static void
take_result(struct dash_feed *f, PGresult *res)
{
	res = db_check(f->db, res);
	if (!res) {
		set_error(f, db_error(), db_status());
		drop_results(f);
		f->count = sizeof f->results / sizeof f->results[0];
		memset(f->results, 0, sizeof f->results);
	} else if (PQresultStatus(res) != PGRES_TUPLES_OK ||
	    f->count >= sizeof f->results / sizeof f->results[0]) {
		PQclear(res);
	} else {
		f->results[f->count++] = res;
	}
}

/* The transaction of a statement that failed is still open. */
static void
after_failure(struct dash_feed *f)
{
	f->count = 0;
	if (PQtransactionStatus(f->db) == PQTRANS_INERROR &&
	    PQsendQuery(f->db, "ROLLBACK") == 1)
		return;
	enter(f, FEED_IDLE);
}

static void
receive(struct dash_feed *f)
{
	PGresult *res;

	if (PQflush(f->db) < 0 || !PQconsumeInput(f->db)) {
		connection_failed(f);
		return;
	}
	while (f->state == FEED_ASKING && !PQisBusy(f->db)) {
		res = PQgetResult(f->db);
		if (res)
			take_result(f, res);
		else if (PQstatus(f->db) != CONNECTION_OK)
			connection_failed(f);
		else if (f->count == sizeof f->results / sizeof f->results[0])
			after_failure(f);
		else if (f->count == 0)		/* of the ROLLBACK */
			enter(f, FEED_IDLE);
		else
			take_answer(f);
	}
}

void
feed_step(struct dash_feed *f)
{
	double age = monotonic_s() - f->since;

	switch (f->state) {
	case FEED_AWAY:
		if (age >= RETRY_AFTER)
			connect_again(f);
		break;
	case FEED_CONNECTING:
		go_on_connecting(f);
		if (f->state == FEED_CONNECTING && age > CONNECT_WITHIN)
			go_away(f, "the server does not answer", EXIT_AGAIN);
		break;
	case FEED_ASKING:
		receive(f);
		if (f->state == FEED_ASKING && age > ANSWER_WITHIN)
			go_away(f, "the server does not answer", EXIT_AGAIN);
		break;
	case FEED_IDLE:
		/* a server that closes the connection is readable */
		if (!PQconsumeInput(f->db) ||
		    PQstatus(f->db) != CONNECTION_OK)
			connection_failed(f);
		break;
	}
}

int
feed_fd(const struct dash_feed *f)
{
	return f->db ? PQsocket(f->db) : -1;
}

short
feed_events(const struct dash_feed *f)
{
	if (f->state == FEED_CONNECTING)
		return f->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
	if (f->state == FEED_ASKING && PQflush(f->db) == 1)
		return POLLIN | POLLOUT;
	return POLLIN;
}

int
feed_timeout(const struct dash_feed *f)
{
	static const int within[] = { [FEED_AWAY] = RETRY_AFTER,
		[FEED_CONNECTING] = CONNECT_WITHIN,
		[FEED_ASKING] = ANSWER_WITHIN };
	double left;

	if (f->state == FEED_IDLE)
		return -1;
	left = (double)within[f->state] - (monotonic_s() - f->since);
	return left > 0 ? (int)(left * 1000) + 10 : 0;
}
