#include "dash.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/config.h"
#include "base/num.h"

void
dash_start(struct dash *d, PGconn *db, const char *error)
{
	memset(d, 0, sizeof *d);
	feed_start(&d->feed, db, error);
	if (d->feed.state == FEED_AWAY)
		d->away_since = time(NULL);
	system_read(&d->system, NULL);
}

void
dash_free(struct dash *d)
{
	feed_free(&d->feed);
	dash_catalogue_free(d->cat);
	dash_mounts_free(&d->mounts);
	dash_logs_free(&d->logs);
	free(d->events);
}

static int
compare_events(const void *a, const void *b)
{
	const struct dash_event *x = *(const struct dash_event *const *)a;
	const struct dash_event *y = *(const struct dash_event *const *)b;

	return (x->at < y->at) - (x->at > y->at);
}

static void
merge_events(struct dash *d)
{
	size_t n = d->logs.event_count + (d->cat ? d->cat->event_count : 0);
	size_t i;

	free(d->events);
	d->events = xcalloc(n + 1, sizeof *d->events);
	d->event_count = 0;
	for (i = 0; i < d->logs.event_count; i++)
		d->events[d->event_count++] = &d->logs.events[i];
	for (i = 0; d->cat && i < d->cat->event_count; i++)
		d->events[d->event_count++] = &d->cat->events[i];
	qsort(d->events, n, sizeof *d->events, compare_events);
}

void
dash_look(struct dash *d)
{
	struct dash_system before = d->system;

	system_read(&d->system, &before);
	dash_mounts_free(&d->mounts);
	dash_mounts_read(&d->mounts);
	dash_logs_free(&d->logs);
	dash_logs_read(&d->logs, config_get(CONFIG_LOG_DIR));
	merge_events(d);
}

/* A minute in which nothing was recorded is one of nothing. */
static void
read_minutes(struct dash *d)
{
	int64_t last = (int64_t)d->cat->now / 60 * 60, at;
	size_t i = 0;

	for (at = last - RATE_SPAN; at < last; at += 60) {
		const struct dash_minute *m = NULL;

		while (i < d->cat->minute_count && d->cat->minutes[i].at < at)
			i++;
		if (i < d->cat->minute_count && d->cat->minutes[i].at == at)
			m = &d->cat->minutes[i];
		rate_add(&d->rate, (double)at, (double)at + 60,
		    m ? (double)m->files : 0, m ? (double)m->bytes : 0);
	}
}

static void
take_news(struct dash *d)
{
	struct dash_catalogue *c = d->feed.news;

	d->feed.news = NULL;
	d->milliseconds = d->feed.seconds * 1000;
	dash_worker_rates(c, d->cat);
	dash_catalogue_free(d->cat);
	d->cat = c;
	d->away_since = 0;
	if (!d->rate.read)
		read_minutes(d);
	rate_read(&d->rate, c->now, (double)c->total.files,
	    (double)c->total.bytes);
	rate_sum(&d->rate, c->now, &d->speed);
	merge_events(d);
}

int
dash_step(struct dash *d)
{
	int64_t away = d->away_since;

	feed_step(&d->feed);
	if (d->feed.news) {
		take_news(d);
		return 1;
	}
	if (d->feed.error && !d->away_since)
		d->away_since = time(NULL);
	return away != d->away_since;
}

double
dash_seconds_left(const struct dash *d, const struct dash_queue *q)
{
	if (q->bytes_left > 0)
		return d->speed.bytes_at_work > 0 ?
		    (double)q->bytes_left / d->speed.bytes_at_work : -1;
	if (q->inodes_left > 0)
		return d->speed.files_at_work > 0 ?
		    (double)q->inodes_left / d->speed.files_at_work : -1;
	return -1;
}

double
dash_ratio(const struct dash_work *w)
{
	return w->new_bytes > 0 ? (double)w->bytes / (double)w->new_bytes : 0;
}

static enum dash_level
above(double value, double warn, double alarm)
{
	return value >= alarm ? DASH_ALARM : value >= warn ? DASH_WARN :
	    DASH_CALM;
}

enum dash_level
dash_level_busy(const struct dash_system *s)
{
	return above(s->busy, 0.99, 2);
}

enum dash_level
dash_level_load(const struct dash_system *s)
{
	return s->cpus > 0 ? above(s->load[0] / s->cpus, 2, 4) : DASH_CALM;
}

enum dash_level
dash_level_iowait(const struct dash_system *s)
{
	return above(s->iowait, 0.4, 0.7);
}

enum dash_level
dash_level_memory(const struct dash_system *s)
{
	return s->memory ? above(1 - (double)s->available /
	    (double)s->memory, 0.9, 0.95) : DASH_CALM;
}

enum dash_level
dash_level_heat(const struct dash_system *s)
{
	return above(s->celsius, 75, 90);
}

enum dash_level
dash_level_health(const char *health)
{
	if (!health || !strcmp(health, "ok"))
		return DASH_CALM;
	return !strcmp(health, "incomplete") ? DASH_WARN : DASH_ALARM;
}

void
dash_put_duration(struct buf *b, double seconds)
{
	unsigned long long s = seconds > 0 ? (unsigned long long)seconds : 0;

	if (seconds < 0 || seconds > 1e9)
		buf_puts(b, "-");
	else if (s >= 86400)
		buf_printf(b, "%llu d %02llu:%02llu", s / 86400,
		    s / 3600 % 24, s / 60 % 60);
	else if (s >= 3600)
		buf_printf(b, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60,
		    s % 60);
	else
		buf_printf(b, "%llu:%02llu", s / 60, s % 60);
}

void
dash_put_time(struct buf *b, int64_t at)
{
	time_t t = (time_t)at;
	char text[32];
	struct tm tm;

	if (!at || !localtime_r(&t, &tm) ||
	    !strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm))
		strcpy(text, "-");
	buf_puts(b, text);
}

static const char *
mark(enum dash_level level)
{
	return level == DASH_CALM ? "" : level == DASH_WARN ? "!" : "!!";
}

static void
put_share(struct buf *b, const char *name, double share,
    enum dash_level level)
{
	if (share < 0)
		buf_printf(b, "%s -", name);
	else
		buf_printf(b, "%s %.0f %%%s", name, share * 100, mark(level));
}

void
dash_put_system(struct buf *b, const struct dash_system *s)
{
	put_share(b, "cpu", s->busy, dash_level_busy(s));
	put_share(b, "  iowait", s->iowait, dash_level_iowait(s));
	if (s->load[0] >= 0)
		buf_printf(b, "  load %.2f %.2f %.2f%s", s->load[0],
		    s->load[1], s->load[2], mark(dash_level_load(s)));
	if (s->cpus > 0)
		buf_printf(b, " on %d", s->cpus);
	if (s->memory)
		buf_printf(b, "  memory %s of %s%s", num_bytes(s->memory -
		    s->available), num_bytes(s->memory),
		    mark(dash_level_memory(s)));
	if (s->celsius > -273)
		buf_printf(b, "  %.0f C%s", s->celsius,
		    mark(dash_level_heat(s)));
}
