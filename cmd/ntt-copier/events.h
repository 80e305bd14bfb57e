/*
 * Diagnostic events of a copier: gathered while it works, written to
 * diagnostic_event after the results they belong to are committed.
 */
#ifndef NTT_COPY_EVENTS_H
#define NTT_COPY_EVENTS_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

struct copy_events {
	struct copy_event {
		int64_t dev, ino;
		int attempt, err;
		const char *action;	/* skipped, continuing, max_retries */
		char *message, *checks;	/* checks: JSON */
	} *list;
	size_t count;
};

/* message and checks are taken over. */
void copy_events_add(struct copy_events *e, int64_t dev, int64_t ino,
	int attempt, int err, const char *action, char *message,
	char *checks);
/* Writes and forgets them; 0, or -1 with db_error(). */
int copy_events_save(struct copy_events *e, PGconn *db, const char *medium,
	const char *worker);
void copy_events_free(struct copy_events *e);

/* Puts "key": value (JSON) into medium.problems; 0 or -1. */
int copy_problem(PGconn *db, const char *medium, const char *key,
	const char *value);

#endif
