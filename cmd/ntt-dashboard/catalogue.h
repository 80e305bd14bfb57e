/*
 * What the dashboard asks the catalogue, and the answer.  Only small tables
 * are read, never inode or path, whatever their size.
 */
#ifndef NTT_DASH_CATALOGUE_H
#define NTT_DASH_CATALOGUE_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

enum dash_stage {
	DASH_REGISTERED, DASH_IMAGED, DASH_LOADED, DASH_COPIED, DASH_ARCHIVED
};

/* What copiers did. */
struct dash_work {
	int64_t files, bytes;
	int64_t new, new_bytes;		/* contents that the store had not */
	int64_t errors;
};

/* Work of the queue. */
struct dash_queue {
	int64_t ranges, open, claimed, waiting;	/* not done: the last three */
	int64_t inodes, inodes_left, bytes, bytes_left;
};

struct dash_medium {
	char *hash;
	char *name, *message, *inventory;	/* or NULL */
	char *kind, *source, *health, *problems; /* or NULL */
	enum dash_stage stage;
	int64_t added, imaged, loaded, copied, archived;	/* 0: not */
	int64_t size, inodes, paths;	/* -1: unknown */
	int64_t missing;		/* open omissions */
	int planned;			/* it has a queue */
	struct dash_queue queue;
	struct dash_work today, total;
	int workers;
};

struct dash_worker {
	int id;
	char *name, *host, *medium;
	int pid;
	int64_t since, heartbeat;
	int64_t files, bytes, new, deduplicated, errors;
	int64_t claimed;	/* inodes of the ranges it has now */
	double files_rate, bytes_rate;	/* per second; -1: not known yet */
};

struct dash_event {
	int64_t at;
	char *source;		/* "diagnostic", or a program */
	char *medium, *worker;	/* or NULL */
	char *what;		/* action, or stage */
	char *text;		/* any bytes */
};

struct dash_minute {
	int64_t at, files, bytes;
};

/* Contents with too few copies, as somebody counted them last. */
struct dash_copies {
	int64_t wanted;		/* NTT_COPIES */
	int counted;		/* 0: nobody counted for that: the next four */
	int64_t few, few_bytes, at;
	int64_t since;		/* contents that were stored later */
	int64_t not_good;	/* blobs of the store */
	int64_t places;
};

struct dash_catalogue {
	double now;		/* the server's clock, since the epoch */
	int64_t day;		/* when its day began */
	struct dash_medium *media;
	struct dash_worker *workers;	/* alive */
	struct dash_event *events;	/* newest first */
	struct dash_minute *minutes;	/* that are over, of the last five */
	size_t media_count, worker_count, event_count, minute_count;
	int dead_workers;
	struct dash_queue queue;
	struct dash_work today, total;
	struct dash_copies copies;
};

/*
 * Work of days that are over, which no refresh asks for again; kept by the
 * caller from one refresh to the next.
 */
struct dash_past {
	PGresult *res;		/* NULL: not known */
	int64_t day;		/* the day on which it was asked */
};

/*
 * The statements of a refresh, without parameters, in one transaction, for
 * PQsendQuery(); with those that fill a dash_past first, if it is not known.
 */
const char *dash_catalogue_sql(int past);

/*
 * The answer from the results of those statements that return rows, in their
 * order; those of the past are taken over by it.  NULL and nothing taken if
 * they are not as many as they must be.
 */
struct dash_catalogue *dash_catalogue_read(PGresult **results, size_t count,
	struct dash_past *past);
void dash_catalogue_free(struct dash_catalogue *c);
void dash_past_free(struct dash_past *past);
void dash_event_free(struct dash_event *e);

/* Rates of workers that were there before. */
void dash_worker_rates(struct dash_catalogue *c,
	const struct dash_catalogue *before);

const char *dash_stage_name(enum dash_stage stage);
/* Share of the copying that is done, 0 to 1; -1 where nothing is loaded. */
double dash_progress(const struct dash_medium *m);

#endif
