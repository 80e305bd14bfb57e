/*
 * The catalogue, asked without ever waiting for it: the caller polls
 * feed_fd() and calls feed_step().  A catalogue that went away is tried again
 * every few seconds, and one that does not answer counts as away.
 */
#ifndef NTT_DASH_FEED_H
#define NTT_DASH_FEED_H

#include "catalogue.h"

enum feed_state {
	FEED_AWAY,		/* waiting to connect again */
	FEED_CONNECTING,
	FEED_IDLE,
	FEED_ASKING
};

struct dash_feed {
	enum feed_state state;
	PGconn *db;
	PostgresPollingStatusType polling;
	double since;		/* of this state, by the monotonic clock */
	PGresult *results[16];
	size_t count;
	struct dash_past past;
	struct dash_catalogue *news;	/* an answer; the caller takes it */
	double seconds;		/* the last answer took */
	char *error;		/* of the last attempt; NULL: it went well */
	int status;		/* EXIT_AGAIN or EXIT_FAILED, with error */
};

/* db: a connection to begin with, or NULL: it is away. */
void feed_start(struct dash_feed *f, PGconn *db, const char *error);
void feed_free(struct dash_feed *f);

/* Asks for everything, if there is a connection that is idle. */
void feed_ask(struct dash_feed *f);
/* Goes as far as it can without waiting. */
void feed_step(struct dash_feed *f);

int feed_fd(const struct dash_feed *f);		/* -1: none */
short feed_events(const struct dash_feed *f);	/* for poll(2) */
/* Milliseconds until feed_step() has something to do in any case; -1: not. */
int feed_timeout(const struct dash_feed *f);

#endif
