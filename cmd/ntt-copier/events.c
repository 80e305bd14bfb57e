#include "events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "catalogue/db.h"
#include "sql/statements.h"

void
copy_events_add(struct copy_events *e, int64_t dev, int64_t ino, int attempt,
    int err, const char *action, char *message, char *checks)
{
	struct copy_event *event;

	e->list = xrealloc(e->list, (e->count + 1) * sizeof *e->list);
	event = &e->list[e->count++];
	*event = (struct copy_event){ dev, ino, attempt, err, action, message,
		checks };
}

void
copy_events_free(struct copy_events *e)
{
	size_t i;

	for (i = 0; i < e->count; i++) {
		free(e->list[i].message);
		free(e->list[i].checks);
	}
	free(e->list);
	memset(e, 0, sizeof *e);
}

int
copy_events_save(struct copy_events *e, PGconn *db, const char *medium,
    const char *worker)
{
	size_t i;
	int rc = 0;

	if (e->count == 0)
		return 0;
	if (db_begin(db) < 0)
		return -1;
	for (i = 0; i < e->count && rc == 0; i++) {
		const struct copy_event *event = &e->list[i];
		char dev[24], ino[24], attempt[16], err[16];

		snprintf(dev, sizeof dev, "%lld", (long long)event->dev);
		snprintf(ino, sizeof ino, "%lld", (long long)event->ino);
		snprintf(attempt, sizeof attempt, "%d", event->attempt);
		snprintf(err, sizeof err, "%d", event->err);
		rc = db_do(db, sql_copier_event,
		    medium, dev, ino, attempt, err, event->action,
		    event->message, event->checks, worker);
	}
	if (rc == 0)
		rc = db_commit(db);
	if (rc < 0) {
		db_rollback(db);
		return -1;
	}
	copy_events_free(e);
	return 0;
}

int
copy_problem(PGconn *db, const char *medium, const char *key,
    const char *value)
{
	return db_do(db, sql_copier_problem, medium, key, value);
}
