#define _GNU_SOURCE
#include "catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/num.h"
#include "catalogue/db.h"
#include "sql/statements.h"

enum { NOW, MEDIA, WORKERS, WORK, MINUTES, EVENTS, COPIES, RESULTS };

const char *
dash_catalogue_sql(int past)
{
	static const char *const parts[] = { sql_dashboard_now,
		sql_dashboard_media, sql_dashboard_workers, sql_dashboard_work,
		sql_dashboard_minutes, sql_dashboard_events,
		sql_dashboard_copies };
	static struct buf texts[2];
	struct buf *b = &texts[!!past];
	size_t i;

	if (b->len > 0)
		return b->data;
	buf_puts(b, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;");
	if (past)
		buf_printf(b, "%s;", sql_dashboard_past);
	for (i = 0; i < sizeof parts / sizeof parts[0]; i++)
		buf_printf(b, "%s;", parts[i]);
	buf_puts(b, "COMMIT");
	return b->data;
}

static enum dash_stage
stage_of(const struct dash_medium *m)
{
	return m->archived ? DASH_ARCHIVED : m->copied ? DASH_COPIED :
	    m->loaded ? DASH_LOADED : m->imaged ? DASH_IMAGED :
	    DASH_REGISTERED;
}

static void
add_queue(struct dash_queue *sum, const struct dash_queue *q)
{
	sum->ranges += q->ranges;
	sum->open += q->open;
	sum->claimed += q->claimed;
	sum->waiting += q->waiting;
	sum->inodes += q->inodes;
	sum->inodes_left += q->inodes_left;
	sum->bytes += q->bytes;
	sum->bytes_left += q->bytes_left;
}

static void
add_work(struct dash_work *sum, const struct dash_work *w)
{
	sum->files += w->files;
	sum->bytes += w->bytes;
	sum->new += w->new;
	sum->new_bytes += w->new_bytes;
	sum->errors += w->errors;
}

static void
read_medium(struct dash_medium *m, PGresult *res, int row)
{
	enum { HASH, NAME, MESSAGE, INVENTORY, KIND, SOURCE, HEALTH, PROBLEMS, ADDED,
		IMAGED, LOADED, COPIED, ARCHIVED, SIZE, INODES, PATHS,
		MISSING, PLANNED, RANGES, OPEN, CLAIMED, WAITING, ALL, LEFT, BYTES,
		BYTES_LEFT };

	m->hash = xstrdup(db_text(res, row, HASH));
	m->name = db_copy(res, row, NAME);
	m->message = db_copy(res, row, MESSAGE);
	m->inventory = db_copy(res, row, INVENTORY);
	m->kind = db_copy(res, row, KIND);
	m->source = db_path_value(res, row, SOURCE);
	m->health = db_copy(res, row, HEALTH);
	m->problems = db_copy(res, row, PROBLEMS);
	m->added = db_int(res, row, ADDED);
	m->imaged = db_int(res, row, IMAGED);
	m->loaded = db_int(res, row, LOADED);
	m->copied = db_int(res, row, COPIED);
	m->archived = db_int(res, row, ARCHIVED);
	m->size = db_int(res, row, SIZE);
	m->inodes = db_int(res, row, INODES);
	m->paths = db_int(res, row, PATHS);
	m->missing = db_int(res, row, MISSING);
	m->planned = !PQgetisnull(res, row, PLANNED);
	m->queue = (struct dash_queue){
		db_int(res, row, RANGES), db_int(res, row, OPEN),
		db_int(res, row, CLAIMED), db_int(res, row, WAITING),
		db_int(res, row, ALL), db_int(res, row, LEFT),
		db_int(res, row, BYTES), db_int(res, row, BYTES_LEFT) };
	m->stage = stage_of(m);
}

static struct dash_medium *
find_medium(const struct dash_catalogue *c, const char *hash)
{
	size_t i;

	for (i = 0; i < c->media_count; i++)
		if (!strcmp(c->media[i].hash, hash))
			return &c->media[i];
	return NULL;
}

static void
read_media(struct dash_catalogue *c, PGresult *res)
{
	int row;

	c->media_count = (size_t)PQntuples(res);
	c->media = xcalloc(c->media_count + 1, sizeof *c->media);
	for (row = 0; row < PQntuples(res); row++) {
		read_medium(&c->media[row], res, row);
		add_queue(&c->queue, &c->media[row].queue);
	}
}

static void
read_workers(struct dash_catalogue *c, const PGresult *res)
{
	struct dash_medium *m;
	int row;

	c->workers = xcalloc((size_t)PQntuples(res) + 1, sizeof *c->workers);
	for (row = 0; row < PQntuples(res); row++) {
		struct dash_worker *w = &c->workers[c->worker_count];

		if (!db_bool(res, row, 13)) {
			c->dead_workers++;
			continue;
		}
		w->id = (int)db_int(res, row, 0);
		w->name = xstrdup(db_text(res, row, 1));
		w->host = xstrdup(db_text(res, row, 2));
		w->pid = (int)db_int(res, row, 3);
		w->medium = xstrdup(db_text(res, row, 4));
		w->since = db_int(res, row, 5);
		w->heartbeat = db_int(res, row, 6);
		w->files = db_int(res, row, 7);
		w->bytes = db_int(res, row, 8);
		w->new = db_int(res, row, 9);
		w->deduplicated = db_int(res, row, 10);
		w->errors = db_int(res, row, 11);
		w->claimed = db_int(res, row, 12);
		w->files_rate = w->bytes_rate = -1;
		c->worker_count++;
		m = find_medium(c, w->medium);
		if (m)
			m->workers++;
	}
}

static struct dash_work
work_at(const PGresult *res, int row, int col)
{
	return (struct dash_work){ db_int(res, row, col),
		db_int(res, row, col + 1), db_int(res, row, col + 2),
		db_int(res, row, col + 3), db_int(res, row, col + 4) };
}

/* The work of a medium that was dropped counts in the sums all the same. */
static void
read_work(struct dash_catalogue *c, const PGresult *past,
    const PGresult *recent)
{
	struct dash_medium *m;
	struct dash_work w;
	int row;

	for (row = 0; row < PQntuples(past); row++) {
		w = work_at(past, row, 1);
		add_work(&c->total, &w);
		m = find_medium(c, db_text(past, row, 0));
		if (m)
			add_work(&m->total, &w);
	}
	for (row = 0; row < PQntuples(recent); row++) {
		m = find_medium(c, db_text(recent, row, 0));
		w = work_at(recent, row, 1);
		add_work(&c->today, &w);
		if (m)
			add_work(&m->today, &w);
		w = work_at(recent, row, 6);
		add_work(&c->total, &w);
		if (m)
			add_work(&m->total, &w);
	}
}

static void
read_minutes(struct dash_catalogue *c, const PGresult *res)
{
	size_t i;

	c->minute_count = (size_t)PQntuples(res);
	c->minutes = xcalloc(c->minute_count + 1, sizeof *c->minutes);
	for (i = 0; i < c->minute_count; i++)
		c->minutes[i] = (struct dash_minute){
			db_int(res, (int)i, 0), db_int(res, (int)i, 1),
			db_int(res, (int)i, 2) };
}

static void
read_events(struct dash_catalogue *c, const PGresult *res)
{
	int row;

	c->event_count = (size_t)PQntuples(res);
	c->events = xcalloc(c->event_count + 1, sizeof *c->events);
	for (row = 0; row < PQntuples(res); row++) {
		struct dash_event *e = &c->events[row];
		struct buf b = BUF_INIT;

		e->at = db_int(res, row, 0);
		e->source = xstrdup("diagnostic");
		e->medium = xstrdup(db_text(res, row, 1));
		e->worker = db_copy(res, row, 2);
		e->what = xstrdup(db_text(res, row, 3));
		if (!PQgetisnull(res, row, 6))
			buf_printf(&b, "inode %s: ", db_text(res, row, 6));
		buf_puts(&b, db_text(res, row, 4));
		if (db_int(res, row, 8))
			buf_printf(&b, " (%s)",
			    strerror((int)db_int(res, row, 8)));
		if (db_int(res, row, 7) > 1)
			buf_printf(&b, ", attempt %s", db_text(res, row, 7));
		e->text = buf_detach(&b);
	}
}

static void
read_copies(struct dash_copies *c, const PGresult *res, int64_t stored)
{
	c->wanted = (int64_t)num_arg("NTT_COPIES", config_get(CONFIG_COPIES),
	    1, 1000);
	c->counted = db_int(res, 0, 0) == c->wanted;
	c->few = db_int(res, 0, 1);
	c->few_bytes = db_int(res, 0, 2);
	c->at = db_int(res, 0, 3);
	/* the store alone is one copy */
	c->since = c->wanted > 1 ? stored - db_int(res, 0, 4) : 0;
	c->not_good = db_int(res, 0, 5);
	c->places = db_int(res, 0, 6);
}

struct dash_catalogue *
dash_catalogue_read(PGresult **results, size_t count, struct dash_past *past)
{
	struct dash_catalogue *c;
	int asked = !past->res;

	if (count != RESULTS + (size_t)asked)
		return NULL;
	c = xcalloc(1, sizeof *c);
	if (asked) {
		past->res = results[0];
		results[0] = NULL;
	}
	results += asked;
	c->now = strtod(db_text(results[NOW], 0, 0), NULL);
	c->day = db_int(results[NOW], 0, 1);
	if (asked)
		past->day = c->day;
	read_media(c, results[MEDIA]);
	read_workers(c, results[WORKERS]);
	read_work(c, past->res, results[WORK]);
	read_minutes(c, results[MINUTES]);
	read_events(c, results[EVENTS]);
	read_copies(&c->copies, results[COPIES], c->total.new);
	/* the day is over: this answer lacks a day, the next will not */
	if (past->day != c->day)
		dash_past_free(past);
	return c;
}

void
dash_past_free(struct dash_past *past)
{
	PQclear(past->res);
	past->res = NULL;
}

void
dash_event_free(struct dash_event *e)
{
	free(e->source);
	free(e->medium);
	free(e->worker);
	free(e->what);
	free(e->text);
}

void
dash_catalogue_free(struct dash_catalogue *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < c->media_count; i++) {
		struct dash_medium *m = &c->media[i];

		free(m->hash);
		free(m->name);
		free(m->message);
		free(m->inventory);
		free(m->kind);
		free(m->source);
		free(m->health);
		free(m->problems);
	}
	for (i = 0; i < c->worker_count; i++) {
		free(c->workers[i].name);
		free(c->workers[i].host);
		free(c->workers[i].medium);
	}
	for (i = 0; i < c->event_count; i++)
		dash_event_free(&c->events[i]);
	free(c->media);
	free(c->workers);
	free(c->events);
	free(c->minutes);
	free(c);
}

void
dash_worker_rates(struct dash_catalogue *c,
    const struct dash_catalogue *before)
{
	double seconds;
	size_t i, k;

	for (i = 0; i < c->worker_count; i++) {
		struct dash_worker *w = &c->workers[i];
		const struct dash_worker *old = NULL;

		for (k = 0; before && k < before->worker_count; k++)
			if (before->workers[k].id == w->id)
				old = &before->workers[k];
		/* the average of its life until there is something newer */
		seconds = old ? c->now - before->now :
		    c->now - (double)w->since;
		if (seconds < 1)
			continue;
		w->files_rate = (double)(w->files - (old ? old->files : 0)) /
		    seconds;
		w->bytes_rate = (double)(w->bytes - (old ? old->bytes : 0)) /
		    seconds;
	}
}

const char *
dash_stage_name(enum dash_stage stage)
{
	static const char *const names[] = { "registered", "imaged",
		"loaded", "copied", "archived" };

	return names[stage];
}

double
dash_progress(const struct dash_medium *m)
{
	if (m->stage >= DASH_COPIED)
		return 1;
	if (m->stage < DASH_LOADED)
		return -1;
	if (!m->planned)
		return 0;
	if (m->queue.bytes > 0)
		return 1 - (double)m->queue.bytes_left /
		    (double)m->queue.bytes;
	return m->queue.inodes > 0 ? 1 - (double)m->queue.inodes_left /
	    (double)m->queue.inodes : 1;
}
