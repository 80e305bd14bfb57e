/* A snapshot of dash.h as text. */
#include "dash.h"

#include <string.h>
#include <time.h>

#include "base/diag.h"
#include "base/num.h"

static const char *
bytes(double n)
{
	return num_bytes(n > 0 ? (uint64_t)n : 0);
}

static const char *
grouped(double n)
{
	return num_grouped(n > 0 ? (uint64_t)n : 0);
}

static void
put_database(const struct dash *d, struct buf *b)
{
	if (d->away_since) {
		buf_puts(b, "database    away since ");
		dash_put_time(b, d->away_since);
		buf_printf(b, ": %s\n", d->feed.error);
	} else {
		buf_printf(b, "database    answered in %.1f ms\n",
		    d->milliseconds);
	}
	buf_puts(b, "system      ");
	dash_put_system(b, &d->system);
	buf_putc(b, '\n');
}

static void
put_work(struct buf *b, const char *label, const struct dash_work *w)
{
	buf_printf(b, "%-11s %s files, %s; new contents %s, %s", label,
	    grouped((double)w->files), bytes((double)w->bytes),
	    grouped((double)w->new), bytes((double)w->new_bytes));
	if (w->errors)
		buf_printf(b, "; %s errors", grouped((double)w->errors));
	buf_putc(b, '\n');
}

enum dash_level
dash_put_copies(struct buf *b, const struct dash_copies *c)
{
	if (c->wanted == 1 && c->places == 0 && c->not_good == 0)
		return DASH_CALM;
	if (!c->counted)
		buf_puts(b, "not counted: ntt-places list");
	else if (c->few)
		buf_printf(b, "%s contents, %s, have fewer than %lld",
		    grouped((double)c->few), bytes((double)c->few_bytes),
		    (long long)c->wanted);
	else
		buf_printf(b, "%lld of each content", (long long)c->wanted);
	if (c->counted && c->since)
		buf_printf(b, ", %s are new since", grouped((double)c->since));
	if (c->counted && (c->few || c->since))
		buf_puts(b, c->places ? ": ntt-mirror --all" :
		    ": ntt-places add");
	if (c->not_good)
		buf_printf(b, "; %s blobs are not good: ntt-heal --all",
		    grouped((double)c->not_good));
	return !c->counted || c->few || c->since || c->not_good ? DASH_WARN :
	    DASH_CALM;
}

static void
put_copies(struct buf *b, const struct dash_copies *c)
{
	struct buf line = BUF_INIT;
	enum dash_level level = dash_put_copies(&line, c);

	if (line.len)
		buf_printf(b, "copies      %s%s\n", line.data,
		    level == DASH_CALM ? "" : "!");
	buf_free(&line);
}

static void
put_totals(const struct dash *d, struct buf *b)
{
	const struct dash_catalogue *c = d->cat;
	const struct dash_queue *q = &c->queue;

	buf_printf(b, "rate        %s/s, %s files/s\n",
	    bytes(d->speed.bytes_now), grouped(d->speed.files_now));
	buf_printf(b, "5 minutes   low %s/s, average %s/s, high %s/s\n",
	    bytes(d->speed.low), bytes(d->speed.average),
	    bytes(d->speed.high));
	buf_printf(b, "queue       %s ranges open, %s claimed, %s waiting; "
	    "%s inodes, %s left\n", grouped((double)q->open),
	    grouped((double)q->claimed), grouped((double)q->waiting),
	    grouped((double)q->inodes_left), bytes((double)q->bytes_left));
	buf_puts(b, "time left   ");
	dash_put_duration(b, dash_seconds_left(d, q));
	buf_putc(b, '\n');
	put_work(b, "today", &c->today);
	put_work(b, "total", &c->total);
	buf_printf(b, "store       dedup ratio %.2f, %s saved\n",
	    dash_ratio(&c->total), bytes((double)(c->total.bytes -
	    c->total.new_bytes)));
	put_copies(b, &c->copies);
}

static void
put_progress(struct buf *b, double share)
{
	if (share < 0)
		buf_puts(b, "   - ");
	else	/* 100 only when it is */
		buf_printf(b, "%3d %%", share >= 1 ? 100 :
		    (int)(share * 100));
}

static void
put_media(const struct dash_catalogue *c, struct buf *b)
{
	size_t i;

	buf_printf(b, "\nmedia (%zu)\n", c->media_count);
	for (i = 0; i < c->media_count; i++) {
		const struct dash_medium *m = &c->media[i];

		buf_printf(b, "  %-32s %-10s %-10s ", m->hash,
		    dash_stage_name(m->stage), m->health ? m->health : "-");
		put_progress(b, dash_progress(m));
		buf_printf(b, " %10s left %8s %3d copiers",
		    grouped((double)m->queue.inodes_left),
		    bytes((double)m->queue.bytes_left), m->workers);
		if (m->name)
			buf_printf(b, "  %s", quoted(m->name));
		if (m->missing)
			buf_printf(b, "  %s missing",
			    grouped((double)m->missing));
		buf_putc(b, '\n');
	}
}

static void
put_workers(const struct dash_catalogue *c, struct buf *b)
{
	size_t i;

	buf_printf(b, "\ncopiers (%zu)", c->worker_count);
	if (c->dead_workers)
		buf_printf(b, ", %d dead: their work is free again",
		    c->dead_workers);
	buf_putc(b, '\n');
	for (i = 0; i < c->worker_count; i++) {
		const struct dash_worker *w = &c->workers[i];

		buf_printf(b, "  %s pid %d %s: %s files, %s, %s/s; new %s, "
		    "known %s, errors %s; silent for ", quoted(w->host),
		    w->pid, w->medium, grouped((double)w->files),
		    bytes((double)w->bytes), w->bytes_rate < 0 ? "-" :
		    bytes(w->bytes_rate), grouped((double)w->new),
		    grouped((double)w->deduplicated),
		    grouped((double)w->errors));
		dash_put_duration(b, c->now - (double)w->heartbeat);
		buf_putc(b, '\n');
	}
}

static void
put_amount(struct buf *b, const struct dash_activity *a, int64_t n)
{
	if (!strcmp(a->unit, "bytes"))
		buf_puts(b, bytes((double)n));
	else
		buf_printf(b, "%s %s", grouped((double)n), a->unit);
}

static void
put_activities(const struct dash_logs *l, struct buf *b)
{
	size_t i;

	buf_printf(b, "\nat work (%zu)\n", l->activity_count);
	for (i = 0; i < l->activity_count; i++) {
		const struct dash_activity *a = &l->activities[i];

		buf_puts(b, "  ");
		buf_escape(b, a->prog, strlen(a->prog));
		buf_printf(b, " pid %d", a->pid);
		if (a->medium) {
			buf_putc(b, ' ');
			buf_escape(b, a->medium, strlen(a->medium));
		}
		buf_puts(b, ": ");
		buf_escape(b, a->stage, strlen(a->stage));
		if (a->unit) {
			buf_puts(b, ", ");
			put_amount(b, a, a->done);
			if (a->all > 0) {
				buf_puts(b, " of ");
				put_amount(b, a, a->all);
			}
		}
		buf_puts(b, ", for ");
		dash_put_duration(b, (double)(time(NULL) - a->since));
		buf_putc(b, '\n');
	}
}

static void
put_mounts(const struct dash_mounts *m, struct buf *b)
{
	size_t i;

	buf_printf(b, "\nmounts (%zu)\n", m->mount_count);
	for (i = 0; i < m->mount_count; i++) {
		const struct dash_mount *x = &m->mounts[i];

		buf_printf(b, "  %-8s %s", dash_mount_state_name(x->state),
		    quoted(x->point));
		if (x->fstype)
			buf_printf(b, " %s", quoted(x->fstype));
		buf_putc(b, '\n');
	}
	buf_printf(b, "\nloop devices (%zu)\n", m->loop_count);
	for (i = 0; i < m->loop_count; i++) {
		const struct dash_loop *x = &m->loops[i];

		buf_printf(b, "  /dev/loop%d %s%s%s\n", x->number,
		    quoted(x->file), x->deleted ? " deleted!" : "",
		    x->mounted ? " mounted" : "");
	}
}

static void
put_events(const struct dash *d, struct buf *b)
{
	size_t i;

	buf_printf(b, "\nerrors and diagnostics (%zu)\n", d->event_count);
	for (i = 0; i < d->event_count; i++) {
		const struct dash_event *e = d->events[i];

		buf_puts(b, "  ");
		dash_put_time(b, e->at);
		buf_putc(b, ' ');
		buf_escape(b, e->source, strlen(e->source));
		if (e->medium) {
			buf_putc(b, ' ');
			buf_escape(b, e->medium, strlen(e->medium));
		}
		buf_putc(b, ' ');
		buf_escape(b, e->what, strlen(e->what));
		buf_puts(b, ": ");
		buf_escape(b, e->text, strlen(e->text));
		if (e->worker) {
			buf_puts(b, " (");
			buf_escape(b, e->worker, strlen(e->worker));
			buf_putc(b, ')');
		}
		buf_putc(b, '\n');
	}
}

void
dash_text(const struct dash *d, struct buf *b)
{
	put_database(d, b);
	if (d->cat) {
		put_totals(d, b);
		put_media(d->cat, b);
		put_workers(d->cat, b);
	}
	put_activities(&d->logs, b);
	put_mounts(&d->mounts, b);
	put_events(d, b);
}
