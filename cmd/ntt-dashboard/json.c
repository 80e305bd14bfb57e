/* A snapshot of dash.h as one JSON object. */
#include "dash.h"

#include <string.h>
#include <time.h>

#include "base/json.h"

enum { GRAPH = 60 };

/* null where a number is not known. */
static void
put_known(struct buf *b, const char *key, double n, int known)
{
	if (known)
		json_double(b, key, n);
	else
		json_none(b, key);
}

static void
put_count(struct buf *b, const char *key, int64_t n, int known)
{
	if (known)
		json_i64(b, key, n);
	else
		json_none(b, key);
}

/* Names that are not UTF-8 as key_hex. */
static void
put_name(struct buf *b, const char *key, const char *name)
{
	if (name)
		json_name(b, key, name, strlen(name));
	else
		json_none(b, key);
}

static void
put_database(struct buf *b, const struct dash *d)
{
	json_begin_object(b, "database");
	json_bool(b, "available", !d->away_since);
	put_count(b, "away_since", d->away_since, d->away_since != 0);
	json_text(b, "error", d->away_since ? d->feed.error : NULL);
	put_known(b, "milliseconds", d->milliseconds, d->cat != NULL);
	json_end_object(b);
}

static void
put_system(struct buf *b, const struct dash_system *s)
{
	int i;

	json_begin_object(b, "system");
	put_known(b, "cpu", s->busy, s->busy >= 0);
	put_known(b, "iowait", s->iowait, s->iowait >= 0);
	json_i64(b, "cpus", s->cpus);
	json_begin_array(b, "load");
	for (i = 0; i < 3; i++)
		put_known(b, NULL, s->load[i], s->load[i] >= 0);
	json_end_array(b);
	put_count(b, "memory", (int64_t)s->memory, s->memory > 0);
	put_count(b, "memory_available", (int64_t)s->available,
	    s->memory > 0);
	put_known(b, "celsius", s->celsius, s->celsius > -273);
	json_end_object(b);
}

static void
put_rate(struct buf *b, const struct dash *d)
{
	double parts[GRAPH];
	int i;

	json_begin_object(b, "rate");
	json_double(b, "files_per_second", d->speed.files_now);
	json_double(b, "bytes_per_second", d->speed.bytes_now);
	json_begin_object(b, "five_minutes");
	json_double(b, "files_per_second", d->speed.files);
	json_double(b, "low", d->speed.low);
	json_double(b, "average", d->speed.average);
	json_double(b, "high", d->speed.high);
	rate_graph(&d->rate, d->cat->now, parts, GRAPH);
	json_begin_array(b, "graph");
	for (i = 0; i < GRAPH; i++)
		json_double(b, NULL, parts[i]);
	json_end_array(b);
	json_end_object(b);
	json_end_object(b);
}

static void
put_queue(struct buf *b, const struct dash *d, const struct dash_queue *q)
{
	double left = dash_seconds_left(d, q);

	json_begin_object(b, "queue");
	json_i64(b, "ranges", q->ranges);
	json_i64(b, "open", q->open);
	json_i64(b, "claimed", q->claimed);
	json_i64(b, "waiting", q->waiting);
	json_i64(b, "inodes", q->inodes);
	json_i64(b, "inodes_left", q->inodes_left);
	json_i64(b, "bytes", q->bytes);
	json_i64(b, "bytes_left", q->bytes_left);
	put_known(b, "seconds_left", left, left >= 0);
	json_end_object(b);
}

static void
put_work(struct buf *b, const char *key, const struct dash_work *w)
{
	double ratio = dash_ratio(w);

	json_begin_object(b, key);
	json_i64(b, "files", w->files);
	json_i64(b, "bytes", w->bytes);
	json_i64(b, "new", w->new);
	json_i64(b, "new_bytes", w->new_bytes);
	json_i64(b, "saved_bytes", w->bytes - w->new_bytes);
	json_i64(b, "errors", w->errors);
	put_known(b, "dedup_ratio", ratio, ratio > 0);
	json_end_object(b);
}

static void
put_copies(struct buf *b, const struct dash_copies *c)
{
	json_begin_object(b, "copies");
	json_i64(b, "wanted", c->wanted);
	put_count(b, "contents_with_fewer", c->few, c->counted);
	put_count(b, "bytes_with_fewer", c->few_bytes, c->counted);
	put_count(b, "counted", c->at, c->counted);
	put_count(b, "new_since", c->since, c->counted);
	json_i64(b, "blobs_not_good", c->not_good);
	json_i64(b, "places", c->places);
	json_end_object(b);
}

static void
put_medium(struct buf *b, const struct dash *d, const struct dash_medium *m)
{
	double share = dash_progress(m);

	json_begin_object(b, NULL);
	json_text(b, "medium", m->hash);
	json_text(b, "name", m->name);
	json_text(b, "message", m->message);
	json_text(b, "kind", m->kind);
	put_name(b, "source", m->source);
	json_text(b, "state", dash_stage_name(m->stage));
	json_text(b, "health", m->health);
	if (m->problems)
		json_raw(b, "problems", m->problems);
	else
		json_none(b, "problems");
	put_count(b, "added", m->added, m->added != 0);
	put_count(b, "imaged", m->imaged, m->imaged != 0);
	put_count(b, "loaded", m->loaded, m->loaded != 0);
	put_count(b, "copied", m->copied, m->copied != 0);
	put_count(b, "archived", m->archived, m->archived != 0);
	put_count(b, "size", m->size, m->size >= 0);
	put_count(b, "inodes", m->inodes, m->inodes >= 0);
	put_count(b, "paths", m->paths, m->paths >= 0);
	json_i64(b, "omissions", m->missing);
	put_known(b, "progress", share, share >= 0);
	json_i64(b, "copiers", m->workers);
	put_queue(b, d, &m->queue);
	put_work(b, "today", &m->today);
	put_work(b, "total", &m->total);
	json_end_object(b);
}

static void
put_workers(struct buf *b, const struct dash_catalogue *c)
{
	size_t i;

	json_begin_array(b, "copiers");
	for (i = 0; i < c->worker_count; i++) {
		const struct dash_worker *w = &c->workers[i];

		json_begin_object(b, NULL);
		json_text(b, "name", w->name);
		json_text(b, "host", w->host);
		json_i64(b, "pid", w->pid);
		json_text(b, "medium", w->medium);
		json_i64(b, "since", w->since);
		json_i64(b, "heartbeat", w->heartbeat);
		json_i64(b, "files", w->files);
		json_i64(b, "bytes", w->bytes);
		json_i64(b, "new", w->new);
		json_i64(b, "deduplicated", w->deduplicated);
		json_i64(b, "errors", w->errors);
		json_i64(b, "claimed_inodes", w->claimed);
		put_known(b, "files_per_second", w->files_rate,
		    w->files_rate >= 0);
		put_known(b, "bytes_per_second", w->bytes_rate,
		    w->bytes_rate >= 0);
		json_end_object(b);
	}
	json_end_array(b);
	json_i64(b, "dead_copiers", c->dead_workers);
}

static void
put_activities(struct buf *b, const struct dash_logs *l)
{
	size_t i;

	json_begin_array(b, "at_work");
	for (i = 0; i < l->activity_count; i++) {
		const struct dash_activity *a = &l->activities[i];

		json_begin_object(b, NULL);
		json_text(b, "prog", a->prog);
		json_i64(b, "pid", a->pid);
		json_text(b, "medium", a->medium);
		json_text(b, "stage", a->stage);
		json_i64(b, "since", a->since);
		json_i64(b, "at", a->at);
		json_text(b, "unit", a->unit);
		put_count(b, "done", a->done, a->unit != NULL);
		put_count(b, "all", a->all, a->all > 0);
		json_end_object(b);
	}
	json_end_array(b);
}

static void
put_mounts(struct buf *b, const struct dash_mounts *m)
{
	size_t i;

	json_begin_array(b, "mounts");
	for (i = 0; i < m->mount_count; i++) {
		json_begin_object(b, NULL);
		put_name(b, "medium", m->mounts[i].medium);
		put_name(b, "point", m->mounts[i].point);
		json_text(b, "fstype", m->mounts[i].fstype);
		json_text(b, "state",
		    dash_mount_state_name(m->mounts[i].state));
		json_end_object(b);
	}
	json_end_array(b);
	json_begin_array(b, "loops");
	for (i = 0; i < m->loop_count; i++) {
		json_begin_object(b, NULL);
		json_i64(b, "number", m->loops[i].number);
		put_name(b, "file", m->loops[i].file);
		json_bool(b, "deleted", m->loops[i].deleted);
		json_bool(b, "mounted", m->loops[i].mounted);
		json_end_object(b);
	}
	json_end_array(b);
}

static void
put_events(struct buf *b, const struct dash *d)
{
	size_t i;

	json_begin_array(b, "events");
	for (i = 0; i < d->event_count; i++) {
		const struct dash_event *e = d->events[i];

		json_begin_object(b, NULL);
		json_i64(b, "at", e->at);
		json_text(b, "source", e->source);
		json_text(b, "medium", e->medium);
		json_text(b, "worker", e->worker);
		json_text(b, "what", e->what);
		put_name(b, "text", e->text);
		json_end_object(b);
	}
	json_end_array(b);
}

void
dash_json(const struct dash *d, struct buf *b)
{
	size_t i;

	json_begin_object(b, NULL);
	json_i64(b, "at", time(NULL));
	put_database(b, d);
	put_system(b, &d->system);
	if (d->cat) {
		put_rate(b, d);
		put_queue(b, d, &d->cat->queue);
		put_work(b, "today", &d->cat->today);
		put_work(b, "total", &d->cat->total);
		put_copies(b, &d->cat->copies);
		json_begin_array(b, "media");
		for (i = 0; i < d->cat->media_count; i++)
			put_medium(b, d, &d->cat->media[i]);
		json_end_array(b);
		put_workers(b, d->cat);
	}
	put_activities(b, &d->logs);
	put_mounts(b, &d->mounts);
	put_events(b, d);
	json_end_object(b);
}
