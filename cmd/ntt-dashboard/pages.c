/* The pages of ntt-dashboard. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/diag.h"
#include "base/num.h"
#include "screen.h"
#include "view.h"

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

/* Rows from y to the last but one, which is the footer's. */
static int
rows_below(int y)
{
	return screen_rows() - 1 - y;
}

/* Keeps what is chosen on the screen; the first line to show. */
static int
scroll(int *top, int *chosen, int count, int rows)
{
	if (*chosen >= count)
		*chosen = count > 0 ? count - 1 : 0;
	if (*top > *chosen)
		*top = *chosen;
	if (*chosen >= *top + rows)
		*top = *chosen - rows + 1;
	if (*top > count - rows)
		*top = count > rows ? count - rows : 0;
	return *top;
}

/* ---- overview ---- */

static void
labelled(int *y, const char *label, const char *text)
{
	screen_text(*y, 1, 12, STYLE_DIM, label);
	screen_text((*y)++, 13, screen_columns() - 14, STYLE_PLAIN, text);
}

static void
draw_speed(const struct dash *d, int *y)
{
	double parts[256];
	int width = screen_columns() - 14, height = 3;
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s/s, %s files/s", bytes(d->speed.bytes_now),
	    grouped(d->speed.files_now));
	labelled(y, "now", b.data);
	buf_reset(&b);
	buf_printf(&b, "low %s/s   average %s/s   high %s/s",
	    bytes(d->speed.low), bytes(d->speed.average),
	    bytes(d->speed.high));
	labelled(y, "5 minutes", b.data);
	if (width > 150)
		width = 150;
	if (screen_rows() >= 34)
		height = 5;
	rate_graph(&d->rate, d->cat->now, parts, (size_t)width);
	screen_graph(*y, 13, height, parts, width);
	*y += height;
	buf_free(&b);
}

static void
put_work(struct buf *b, const struct dash_work *w)
{
	buf_reset(b);
	buf_printf(b, "%s files, %s; new contents %s, %s", grouped((double)w->files),
	    bytes((double)w->bytes), grouped((double)w->new),
	    bytes((double)w->new_bytes));
	if (w->errors)
		buf_printf(b, "; %s errors", grouped((double)w->errors));
}

static void
draw_sums(const struct dash *d, int *y)
{
	const struct dash_catalogue *c = d->cat;
	const struct dash_queue *q = &c->queue;
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s inodes, %s in %s ranges; %s claimed",
	    grouped((double)q->inodes_left), bytes((double)q->bytes_left),
	    grouped((double)(q->open + q->claimed + q->waiting)),
	    grouped((double)q->claimed));
	if (q->waiting)
		buf_printf(&b, ", %s wait to be tried again",
		    grouped((double)q->waiting));
	labelled(y, "queue", b.data);
	buf_reset(&b);
	dash_put_duration(&b, dash_seconds_left(d, q));
	buf_printf(&b, "   %zu copiers", c->worker_count);
	if (c->dead_workers)
		buf_printf(&b, ", %d dead", c->dead_workers);
	labelled(y, "time left", b.data);
	put_work(&b, &c->today);
	labelled(y, "today", b.data);
	put_work(&b, &c->total);
	labelled(y, "total", b.data);
	buf_reset(&b);
	buf_printf(&b, "dedup ratio %.2f, %s saved", dash_ratio(&c->total),
	    bytes((double)(c->total.bytes - c->total.new_bytes)));
	labelled(y, "store", b.data);
	buf_reset(&b);
	if (dash_put_copies(&b, &c->copies) == DASH_WARN) {
		screen_text(*y, 1, 12, STYLE_DIM, "copies");
		screen_text((*y)++, 13, screen_columns() - 14, STYLE_WARN,
		    b.data);
	} else if (b.len) {
		labelled(y, "copies", b.data);
	}
	buf_free(&b);
}

/* One program at work: what, how far. */
static void
draw_activity(const struct dash_activity *a, int y)
{
	int width = screen_columns();

	screen_text(y, 1, 17, STYLE_PLAIN, a->prog);
	screen_text(y, 19, 12, STYLE_DIM, a->medium ? a->medium : "");
	screen_text(y, 32, 18, STYLE_PLAIN, a->stage);
	if (!a->unit)
		return;
	if (a->all > 0) {
		double share = (double)a->done / (double)a->all;

		screen_bar(y, 51, 14, share);
		screen_printf(y, 66, 5, STYLE_PLAIN, "%3d %%", share >= 1 ?
		    100 : (int)(share * 100));
	}
	if (!strcmp(a->unit, "bytes"))
		screen_right(y, width - 10, 9, STYLE_DIM,
		    bytes((double)a->done));
	else
		screen_right(y, width - 10, 9, STYLE_DIM,
		    grouped((double)a->done));
}

static void
draw_progress(const struct dash_medium *m, int y, int x, int width)
{
	double share = dash_progress(m);

	screen_bar(y, x, width, share);
	if (share >= 0)
		screen_printf(y, x + width + 1, 5, STYLE_PLAIN, "%3d %%",
		    share >= 1 ? 100 : (int)(share * 100));
}

/* The first media that are being copied, and the programs at work. */
static void
draw_current(const struct dash *d, int y)
{
	const struct dash_catalogue *c = d->cat;
	int last = screen_rows() - 2;
	size_t i;

	for (i = 0; i < d->logs.activity_count && y <= last; i++)
		draw_activity(&d->logs.activities[i], y++);
	for (i = 0; c && i < c->media_count && y <= last; i++) {
		const struct dash_medium *m = &c->media[i];

		if (m->stage != DASH_LOADED)
			continue;
		screen_text(y, 1, 17, m->workers ? STYLE_PLAIN : STYLE_DIM,
		    m->workers ? "copying" : "to copy");
		screen_text(y, 19, 12, STYLE_DIM, m->hash);
		screen_text(y, 32, 18, STYLE_PLAIN, m->name ? m->name : "");
		draw_progress(m, y, 51, 14);
		screen_right(y, screen_columns() - 10, 9, STYLE_DIM,
		    bytes((double)m->queue.bytes_left));
		y++;
	}
}

void
view_overview(struct view *v, const struct dash *d, int y)
{
	(void)v;
	if (d->cat) {
		draw_speed(d, &y);
		y++;
		draw_sums(d, &y);
		y++;
	}
	draw_current(d, y);
}

/* ---- media ---- */

enum { BY_ADDED, BY_NAME, BY_PROGRESS, BY_LEFT, BY_HEALTH, MEDIA_SORTS };
enum { BY_HOST, BY_RATE, BY_FILES, BY_ERRORS, COPIER_SORTS };

static int sort, reversed;	/* of what is being sorted */

static int
health_rank(const struct dash_medium *m)
{
	static const char *const words[] = { "failed", "corrupt",
		"incomplete", "ok" };
	int i;

	for (i = 0; i < 4 && m->health; i++)
		if (!strcmp(m->health, words[i]))
			return i;
	return 4;
}

static int
compare_numbers(double a, double b)
{
	return (a > b) - (a < b);
}

static int
compare_media(const void *a, const void *b)
{
	const struct dash_medium *x = *(const struct dash_medium *const *)a;
	const struct dash_medium *y = *(const struct dash_medium *const *)b;
	int order = 0;

	switch (sort) {
	case BY_NAME:
		order = strcmp(x->name ? x->name : "", y->name ? y->name : "");
		break;
	case BY_PROGRESS:
		order = compare_numbers(dash_progress(x), dash_progress(y));
		break;
	case BY_LEFT:
		order = compare_numbers((double)y->queue.bytes_left,
		    (double)x->queue.bytes_left);
		break;
	case BY_HEALTH:
		order = health_rank(x) - health_rank(y);
		break;
	default:
		break;
	}
	if (order == 0)
		order = compare_numbers((double)y->added, (double)x->added);
	if (order == 0)
		order = strcmp(x->hash, y->hash);
	return reversed ? -order : order;
}

static const struct dash_medium **
sorted_media(const struct view *v, const struct dash_catalogue *c)
{
	const struct dash_medium **list = xcalloc(c->media_count + 1,
	    sizeof *list);
	size_t i;

	for (i = 0; i < c->media_count; i++)
		list[i] = &c->media[i];
	sort = v->pages[PAGE_MEDIA].sort;
	reversed = v->pages[PAGE_MEDIA].reverse;
	qsort(list, c->media_count, sizeof *list, compare_media);
	return list;
}

static enum screen_style
health_style(const char *health)
{
	switch (dash_level_health(health)) {
	case DASH_ALARM:
		return STYLE_ALARM;
	case DASH_WARN:
		return STYLE_WARN;
	default:
		return STYLE_PLAIN;
	}
}

/* Widths of columns; what a narrow terminal has no room for is 0. */
struct media_columns {
	int hash, name, message, added, size, missing;
};

static int
take_room(int *more, int width, int least)
{
	int n = *more < least ? 0 : *more < width ? *more : width;

	*more -= n;
	return n;
}

static struct media_columns
media_columns(void)
{
	int more = screen_columns() - SCREEN_COLUMNS;
	struct media_columns c = { .hash = 12, .name = 17 };

	c.hash += take_room(&more, 20, 0);
	c.added = take_room(&more, 11, 11);
	c.size = take_room(&more, 10, 10);
	c.missing = take_room(&more, 9, 9);
	c.name += take_room(&more, 15, 0);
	c.message = take_room(&more, more, 12);
	c.name += more;
	return c;
}

static void
draw_medium_line(const struct dash_medium *m, int y, int chosen)
{
	struct media_columns c = media_columns();
	enum screen_style style = chosen ? STYLE_CHOSEN : STYLE_PLAIN;
	struct buf date = BUF_INIT;
	int x = c.hash + 2;

	if (chosen)
		screen_fill(y, STYLE_CHOSEN);
	screen_text(y, 1, c.hash, style, m->hash);
	screen_text(y, x, c.name, style, m->name ? m->name : "");
	x += c.name + 1;
	if (c.message)
		screen_text(y, x, c.message - 1, style, m->message ?
		    m->message : "");
	x += c.message;
	if (c.added) {
		dash_put_time(&date, m->added);
		screen_printf(y, x, c.added - 1, style, "%.10s", date.data);
		buf_free(&date);
	}
	x += c.added;
	if (c.size)
		screen_right(y, x, c.size - 1, style, m->size < 0 ? "-" :
		    bytes((double)m->size));
	x += c.size;
	if (c.missing)
		screen_right(y, x, c.missing - 1, m->missing && !chosen ?
		    STYLE_WARN : style, grouped((double)m->missing));
	x += c.missing;
	screen_text(y, x, 10, m->missing && !chosen ? STYLE_WARN : style,
	    dash_stage_name(m->stage));
	screen_text(y, x + 11, 10, chosen ? style : health_style(m->health),
	    m->health ? m->health : "-");
	draw_progress(m, y, x + 22, 8);
	if (m->queue.bytes_left)
		screen_right(y, screen_columns() - 10, 9, style,
		    bytes((double)m->queue.bytes_left));
}

/* What was chosen stays so wherever it is now, unless a key moved. */
void
view_follow(struct view *v, const struct dash *d)
{
	int *chosen = &v->pages[PAGE_MEDIA].chosen;
	const struct dash_medium **list;
	int i, count;

	if (!d->cat)
		return;
	count = (int)d->cat->media_count;
	list = sorted_media(v, d->cat);
	for (i = 0; v->medium && *chosen == v->drawn && i < count; i++) {
		if (strcmp(list[i]->hash, v->medium))
			continue;
		*chosen = v->drawn = i;
		break;
	}
	if (*chosen >= count)
		*chosen = count > 0 ? count - 1 : 0;
	v->drawn = *chosen;
	free(v->medium);
	v->medium = count > 0 ? xstrdup(list[*chosen]->hash) : NULL;
	free(list);
}

void
view_media(struct view *v, const struct dash *d, int y)
{
	const struct dash_medium **list;
	struct media_columns c = media_columns();
	int count, top, row, rows = rows_below(y + 1), x = c.hash + 2;

	if (!d->cat)
		return;
	count = (int)d->cat->media_count;
	view_follow(v, d);
	list = sorted_media(v, d->cat);
	top = scroll(&v->pages[PAGE_MEDIA].top, &v->pages[PAGE_MEDIA].chosen,
	    count, rows);
	screen_text(y, 1, c.hash, STYLE_BOLD, "MEDIUM");
	screen_printf(y, x, c.name, STYLE_BOLD, "NAME (%d)", count);
	x += c.name + 1;
	if (c.message)
		screen_text(y, x, c.message - 1, STYLE_BOLD, "MESSAGE");
	x += c.message;
	if (c.added)
		screen_text(y, x, c.added - 1, STYLE_BOLD, "ADDED");
	x += c.added;
	if (c.size)
		screen_right(y, x, c.size - 1, STYLE_BOLD, "SIZE");
	x += c.size;
	if (c.missing)
		screen_right(y, x, c.missing - 1, STYLE_BOLD, "MISSING");
	x += c.missing;
	screen_text(y, x, 10, STYLE_BOLD, "STATE");
	screen_text(y, x + 11, 10, STYLE_BOLD, "HEALTH");
	screen_text(y, x + 22, 10, STYLE_BOLD, "COPIED");
	screen_right(y, screen_columns() - 10, 9, STYLE_BOLD, "LEFT");
	for (row = 0; row < rows && top + row < count; row++)
		draw_medium_line(list[top + row], y + 1 + row,
		    top + row == v->pages[PAGE_MEDIA].chosen);
	if (count == 0)
		screen_text(y + 2, 1, 60, STYLE_DIM, "no media yet");
	free(list);
}

static void
draw_dates(const struct dash_medium *m, int *y)
{
	const struct {
		const char *label;
		int64_t at;
	} dates[] = { { "added", m->added }, { "imaged", m->imaged },
		{ "loaded", m->loaded }, { "copied", m->copied },
		{ "archived", m->archived } };
	struct buf b = BUF_INIT;
	unsigned int i;

	for (i = 0; i < sizeof dates / sizeof dates[0]; i++) {
		buf_reset(&b);
		dash_put_time(&b, dates[i].at);
		labelled(y, dates[i].label, b.data);
	}
	buf_free(&b);
}

static void
draw_medium(const struct dash *d, const struct dash_medium *m, int y)
{
	struct buf b = BUF_INIT;

	screen_text(y++, 1, screen_columns() - 2, STYLE_BOLD, m->hash);
	labelled(&y, "name", m->name ? m->name : "-");
	labelled(&y, "message", m->message ? m->message : "-");
	if (m->inventory)
		labelled(&y, "inventory", m->inventory);
	buf_printf(&b, "%s %s", m->kind ? m->kind : "-",
	    m->source ? quoted(m->source) : "");
	labelled(&y, "source", b.data);
	buf_reset(&b);
	buf_printf(&b, "%s, %s inodes, %s paths", m->size < 0 ? "-" :
	    bytes((double)m->size), m->inodes < 0 ? "-" :
	    grouped((double)m->inodes), m->paths < 0 ? "-" :
	    grouped((double)m->paths));
	labelled(&y, "size", b.data);
	labelled(&y, "state", dash_stage_name(m->stage));
	screen_text(y, 1, 12, STYLE_DIM, "health");
	screen_text(y++, 13, 20, health_style(m->health), m->health ?
	    m->health : "-");
	if (m->missing) {
		buf_reset(&b);
		buf_printf(&b, "%s; ntt-recover-failed list-omissions",
		    grouped((double)m->missing));
		screen_text(y, 1, 12, STYLE_DIM, "missing");
		screen_text(y++, 13, screen_columns() - 14, STYLE_WARN,
		    b.data);
	}
	draw_dates(m, &y);
	screen_text(y, 1, 12, STYLE_DIM, "progress");
	draw_progress(m, y, 13, 30);
	y++;
	buf_reset(&b);
	buf_printf(&b, "%s inodes, %s; %d copiers; time left ",
	    grouped((double)m->queue.inodes_left),
	    bytes((double)m->queue.bytes_left), m->workers);
	dash_put_duration(&b, dash_seconds_left(d, &m->queue));
	labelled(&y, "left", b.data);
	put_work(&b, &m->today);
	labelled(&y, "today", b.data);
	put_work(&b, &m->total);
	labelled(&y, "total", b.data);
	screen_text(y, 1, 12, STYLE_DIM, "problems");
	screen_wrapped(y, 13, screen_columns() - 14, rows_below(y),
	    m->problems ? STYLE_WARN : STYLE_PLAIN,
	    m->problems ? m->problems : "-");
	buf_free(&b);
}

void
view_medium(struct view *v, const struct dash *d, int y)
{
	size_t i;

	for (i = 0; d->cat && i < d->cat->media_count; i++)
		if (v->medium && !strcmp(d->cat->media[i].hash, v->medium))
			draw_medium(d, &d->cat->media[i], y);
}

/* ---- copiers ---- */

static int
compare_copiers(const void *a, const void *b)
{
	const struct dash_worker *x = *(const struct dash_worker *const *)a;
	const struct dash_worker *y = *(const struct dash_worker *const *)b;
	int order = 0;

	switch (sort) {
	case BY_RATE:
		order = compare_numbers(y->bytes_rate, x->bytes_rate);
		break;
	case BY_FILES:
		order = compare_numbers((double)y->files, (double)x->files);
		break;
	case BY_ERRORS:
		order = compare_numbers((double)y->errors, (double)x->errors);
		break;
	default:
		order = strcmp(x->host, y->host);
		break;
	}
	if (order == 0)
		order = x->id - y->id;
	return reversed ? -order : order;
}

static void
draw_copier(const struct dash_catalogue *c, const struct dash_worker *w,
    int y, enum screen_style style)
{
	int more = screen_columns() - SCREEN_COLUMNS;
	int x = 14 + (more > 20 ? 20 : more);
	double silent = c->now - (double)w->heartbeat;
	struct buf b = BUF_INIT;

	if (style == STYLE_CHOSEN)
		screen_fill(y, style);
	screen_text(y, 1, x - 2, style, w->host);
	screen_printf(y, x, 8, style, "%d", w->pid);
	screen_text(y, x + 8, 12, style, w->medium);
	screen_right(y, x + 21, 9, style, grouped((double)w->files));
	screen_right(y, x + 31, 8, style, bytes((double)w->bytes));
	screen_right(y, x + 40, 8, style, w->bytes_rate < 0 ? "-" :
	    bytes(w->bytes_rate));
	screen_right(y, x + 49, 6, w->errors && style != STYLE_CHOSEN ?
	    STYLE_WARN : style, grouped((double)w->errors));
	dash_put_duration(&b, silent);
	screen_right(y, x + 56, 9, silent > 60 && style != STYLE_CHOSEN ?
	    STYLE_WARN : style, b.data);
	buf_free(&b);
}

void
view_copiers(struct view *v, const struct dash *d, int y)
{
	const struct dash_worker **list;
	int more = screen_columns() - SCREEN_COLUMNS, count, top, row;
	int x = 14 + (more > 20 ? 20 : more), rows = rows_below(y + 1);
	int *chosen = &v->pages[PAGE_COPIERS].chosen;

	if (!d->cat)
		return;
	count = (int)d->cat->worker_count;
	list = xcalloc((size_t)count + 1, sizeof *list);
	for (row = 0; row < count; row++)
		list[row] = &d->cat->workers[row];
	sort = v->pages[PAGE_COPIERS].sort;
	reversed = v->pages[PAGE_COPIERS].reverse;
	qsort(list, (size_t)count, sizeof *list, compare_copiers);
	screen_printf(y, 1, x - 2, STYLE_BOLD, "HOST (%d)", count);
	screen_text(y, x, 8, STYLE_BOLD, "PID");
	screen_text(y, x + 8, 12, STYLE_BOLD, "MEDIUM");
	screen_right(y, x + 21, 9, STYLE_BOLD, "FILES");
	screen_right(y, x + 31, 8, STYLE_BOLD, "BYTES");
	screen_right(y, x + 40, 8, STYLE_BOLD, "PER S");
	screen_right(y, x + 49, 6, STYLE_BOLD, "ERRORS");
	screen_right(y, x + 56, 9, STYLE_BOLD, "SILENT");
	top = scroll(&v->pages[PAGE_COPIERS].top, chosen, count, rows);
	for (row = 0; row < rows && top + row < count; row++)
		draw_copier(d->cat, list[top + row], y + 1 + row,
		    top + row == *chosen ? STYLE_CHOSEN : STYLE_PLAIN);
	if (count == 0)
		screen_text(y + 2, 1, 60, STYLE_DIM, "no copier is running");
	if (d->cat->dead_workers)
		screen_printf(screen_rows() - 2, 1, 70, STYLE_WARN,
		    "%d dead: their work is free again",
		    d->cat->dead_workers);
	free(list);
}

/* ---- events ---- */

static void
draw_event(const struct dash_event *e, int y, enum screen_style style)
{
	struct buf b = BUF_INIT;

	if (style == STYLE_CHOSEN)
		screen_fill(y, style);
	dash_put_time(&b, e->at);
	screen_text(y, 1, 19, style, b.data);
	screen_text(y, 21, 12, style, e->source);
	screen_text(y, 34, 8, style, e->medium ? e->medium : "");
	screen_text(y, 43, 13, style, e->what);
	screen_text(y, 57, screen_columns() - 58, style, e->text);
	buf_free(&b);
}

void
view_events(struct view *v, const struct dash *d, int y)
{
	enum { DETAIL = 4 };	/* lines for the whole of one */
	int count = (int)d->event_count, rows = rows_below(y + 1) - DETAIL;
	int *chosen = &v->pages[PAGE_EVENTS].chosen, top, row;

	top = scroll(&v->pages[PAGE_EVENTS].top, chosen, count, rows);
	screen_text(y, 1, 19, STYLE_BOLD, "TIME");
	screen_text(y, 21, 12, STYLE_BOLD, "FROM");
	screen_text(y, 34, 8, STYLE_BOLD, "MEDIUM");
	screen_text(y, 43, 13, STYLE_BOLD, "WHAT");
	screen_printf(y, 57, 20, STYLE_BOLD, "WHY (%d)", count);
	for (row = 0; row < rows && top + row < count; row++)
		draw_event(d->events[top + row], y + 1 + row,
		    top + row == *chosen ? STYLE_CHOSEN : STYLE_PLAIN);
	if (count > 0) {
		const struct dash_event *e = d->events[*chosen];
		struct buf b = BUF_INIT;

		buf_printf(&b, "%s %s %s: %s%s%s", e->source, e->medium ?
		    e->medium : "", e->what, e->text, e->worker ? "; " : "",
		    e->worker ? e->worker : "");
		screen_wrapped(screen_rows() - DETAIL, 1,
		    screen_columns() - 2, DETAIL - 1, STYLE_DIM, b.data);
		buf_free(&b);
	} else {
		screen_text(y + 2, 1, 60, STYLE_DIM, "nothing happened");
	}
}

/* ---- mounts ---- */

static void
draw_mount(const struct dash_mount *m, int y, enum screen_style style)
{
	if (style == STYLE_CHOSEN)
		screen_fill(y, style);
	screen_text(y, 1, 9, style == STYLE_PLAIN && m->state !=
	    DASH_MOUNTED ? STYLE_WARN : style,
	    dash_mount_state_name(m->state));
	screen_text(y, 11, 12, style, m->fstype ? m->fstype : "-");
	screen_text(y, 24, screen_columns() - 25, style, m->point);
}

static void
draw_loop(const struct dash_loop *l, int y, enum screen_style style)
{
	if (style == STYLE_CHOSEN)
		screen_fill(y, style);
	screen_text(y, 1, 9, style == STYLE_PLAIN && l->deleted ?
	    STYLE_ALARM : style, l->deleted ? "deleted" : l->mounted ?
	    "mounted" : "in use");
	screen_printf(y, 11, 12, style, "/dev/loop%d", l->number);
	screen_text(y, 24, screen_columns() - 25, style, l->file);
}

void
view_mounts(struct view *v, const struct dash *d, int y)
{
	const struct dash_mounts *m = &d->mounts;
	int mounts = (int)m->mount_count, count = mounts + (int)m->loop_count;
	int rows = rows_below(y + 1), row, top;
	int *chosen = &v->pages[PAGE_MOUNTS].chosen;

	top = scroll(&v->pages[PAGE_MOUNTS].top, chosen, count, rows);
	screen_text(y, 1, 9, STYLE_BOLD, "STATE");
	screen_text(y, 11, 12, STYLE_BOLD, "TYPE");
	screen_text(y, 24, 40, STYLE_BOLD, "WHERE");
	for (row = 0; row < rows && top + row < count; row++) {
		int i = top + row;
		enum screen_style style = i == *chosen ? STYLE_CHOSEN :
		    STYLE_PLAIN;

		if (i < mounts)
			draw_mount(&m->mounts[i], y + 1 + row, style);
		else
			draw_loop(&m->loops[i - mounts], y + 1 + row, style);
	}
	if (count == 0)
		screen_text(y + 2, 1, 60, STYLE_DIM, "nothing is mounted");
}

/* ---- help ---- */

void
view_help(int y)
{
	static const char *const lines[] = {
		"1 to 5, Tab, left, right   another page",
		"up, down, k, j             choose a line",
		"PgUp, PgDn, Home, End      go far",
		"Enter                      more of the medium that is chosen",
		"Esc                        back",
		"s                          sort by something else",
		"r                          in the other direction",
		"p                          pause: nothing is asked any more",
		"Ctrl-L                     draw everything again",
		"? or h                     this help",
		"q                          quit",
		"",
		"COPIED is the share of the bytes that were to be copied; ! and !!",
		"mark what should be looked at.  The man page says more:",
		"ntt help dashboard",
	};
	unsigned int i;

	for (i = 0; i < sizeof lines / sizeof lines[0]; i++)
		screen_text(y + (int)i, 3, screen_columns() - 4, STYLE_PLAIN,
		    lines[i]);
}

int
view_sorts(enum view_page page)
{
	return page == PAGE_MEDIA ? MEDIA_SORTS :
	    page == PAGE_COPIERS ? COPIER_SORTS : 0;
}

const char *
view_sort_name(enum view_page page, int order)
{
	static const char *const media[] = { "added", "name", "progress",
		"left", "health" };
	static const char *const copiers[] = { "host", "rate", "files",
		"errors" };

	return page == PAGE_MEDIA ? media[order] : copiers[order];
}
