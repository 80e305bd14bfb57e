/*
 * The state of the collection and of this machine, gathered for
 * ntt-dashboard; and the same as text and as JSON.  Configuration must be
 * loaded.
 */
#ifndef NTT_DASH_H
#define NTT_DASH_H

#include "base/buf.h"
#include "catalogue.h"
#include "feed.h"
#include "log.h"
#include "mounts.h"
#include "rate.h"
#include "system.h"

struct dash {
	struct dash_feed feed;
	struct dash_catalogue *cat;	/* the last answer; NULL: none yet */
	double milliseconds;		/* it took */
	int64_t away_since;		/* 0: the catalogue is there */
	struct dash_rate rate;
	struct rate_sum speed;
	struct dash_system system;
	struct dash_mounts mounts;
	struct dash_logs logs;
	const struct dash_event **events;	/* of both, newest first */
	size_t event_count;
};

/* How much something should be noticed. */
enum dash_level { DASH_CALM, DASH_WARN, DASH_ALARM };

/* db: as feed_start() has it. */
void dash_start(struct dash *d, PGconn *db, const char *error);
void dash_free(struct dash *d);
/* Looks at this machine again. */
void dash_look(struct dash *d);
/* feed_step(), and what came of it; 1 if something changed. */
int dash_step(struct dash *d);

/* Seconds until the queue is empty, as it went in five minutes; -1. */
double dash_seconds_left(const struct dash *d, const struct dash_queue *q);
/* Bytes read for one byte stored; 0: nothing stored. */
double dash_ratio(const struct dash_work *w);

enum dash_level dash_level_busy(const struct dash_system *s);
enum dash_level dash_level_load(const struct dash_system *s);
enum dash_level dash_level_iowait(const struct dash_system *s);
enum dash_level dash_level_memory(const struct dash_system *s);
enum dash_level dash_level_heat(const struct dash_system *s);
enum dash_level dash_level_health(const char *health);

/* "3:07", "1:02:03", "4 d 05:06"; "-" for less than 0. */
void dash_put_duration(struct buf *b, double seconds);
/* "2026-11-20 20:55:01", here; "-" for 0. */
void dash_put_time(struct buf *b, int64_t at);
/* "cpu 12 %", … with "!" after what should be noticed: one line. */
void dash_put_system(struct buf *b, const struct dash_system *s);

/*
 * Contents with too few copies, and what mends that; DASH_CALM and nothing where
 * there is only the store and one copy is enough.
 */
enum dash_level dash_put_copies(struct buf *b, const struct dash_copies *c);

void dash_text(const struct dash *d, struct buf *out);
void dash_json(const struct dash *d, struct buf *out);

#endif
