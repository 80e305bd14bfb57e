/* The frame of ntt-dashboard: titles, the line below, keys. */
#include "view.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "screen.h"

static const char *const page_names[PAGES] = { "Overview", "Media",
	"Copiers", "Events", "Mounts" };

static void
draw_tabs(const struct view *v)
{
	char clock[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	int page, x = 1;

	screen_fill(0, STYLE_TITLE);
	for (page = 0; page < PAGES; page++) {
		int here = v->page == (enum view_page)page;
		int width = (int)strlen(page_names[page]) + 4;

		screen_printf(0, x, width, here ? STYLE_TAB : STYLE_TITLE,
		    " %d %s ", page + 1, page_names[page]);
		x += width + 1;
	}
	if (localtime_r(&now, &tm))
		strftime(clock, sizeof clock, "%H:%M:%S ", &tm);
	screen_right(0, screen_columns() - 10, 10, STYLE_TITLE, clock);
}

static void
draw_strip(const struct dash *d)
{
	const struct dash_system *s = &d->system;
	enum dash_level level = dash_level_load(s), others[] = {
		dash_level_busy(s), dash_level_iowait(s),
		dash_level_memory(s), dash_level_heat(s) };
	struct buf b = BUF_INIT;
	unsigned int i;

	for (i = 0; i < sizeof others / sizeof others[0]; i++)
		if (others[i] > level)
			level = others[i];
	dash_put_system(&b, s);
	screen_text(1, 1, screen_columns() - 2, level == DASH_ALARM ?
	    STYLE_ALARM : level == DASH_WARN ? STYLE_WARN : STYLE_DIM,
	    b.data);
	buf_free(&b);
}

/* Nothing is shown as new that is not. */
static void
draw_banner(const struct dash *d)
{
	struct buf b = BUF_INIT;

	if (!d->away_since && d->cat)
		return;
	if (!d->away_since) {
		screen_text(2, 1, screen_columns() - 2, STYLE_DIM,
		    "asking the database");
		return;
	}
	buf_puts(&b, "database away since ");
	dash_put_time(&b, d->away_since);
	buf_printf(&b, ": %s", d->feed.error ? d->feed.error : "connecting");
	screen_text(2, 1, screen_columns() - 2, STYLE_ALARM, b.data);
	buf_free(&b);
}

static void
draw_footer(const struct view *v, const struct dash *d)
{
	int y = screen_rows() - 1;
	struct buf b = BUF_INIT;

	buf_puts(&b, v->help || v->detail ? "q quit  Esc back" :
	    "q quit  ? help  p pause");
	if (!v->help && !v->detail && view_sorts(v->page) > 0)
		buf_printf(&b, "  s sort: %s%s  r reverse",
		    view_sort_name(v->page, v->pages[v->page].sort),
		    v->pages[v->page].reverse ? " -" : "");
	if (!v->help && !v->detail && v->page == PAGE_MEDIA)
		buf_puts(&b, "  Enter more");
	else if (!v->help && !v->detail && view_sorts(v->page) == 0)
		buf_puts(&b, "  1 to 5 another page");
	screen_text(y, 1, screen_columns() - 20, STYLE_DIM, b.data);
	buf_reset(&b);
	if (v->paused)
		buf_puts(&b, "paused");
	else if (d->cat && !d->away_since)
		buf_printf(&b, "database %.0f ms", d->milliseconds);
	else
		buf_puts(&b, "no database");
	screen_right(y, screen_columns() - 18, 17, v->paused ? STYLE_WARN :
	    STYLE_DIM, b.data);
	buf_free(&b);
}

static void
draw_page(struct view *v, const struct dash *d, int y)
{
	static void (*const pages[PAGES])(struct view *, const struct dash *,
	    int) = { view_overview, view_media, view_copiers, view_events,
	    view_mounts };

	/* what is chosen is so under the detail of it too */
	if (v->detail)
		view_follow(v, d);
	if (v->help)
		view_help(y);
	else if (v->detail)
		view_medium(v, d, y);
	else
		pages[v->page](v, d, y);
}

void
view_draw(struct view *v, const struct dash *d)
{
	screen_begin();
	if (screen_rows() < SCREEN_ROWS || screen_columns() < SCREEN_COLUMNS) {
		screen_printf(0, 0, screen_columns(), STYLE_PLAIN,
		    "needs %d columns and %d lines, has %d and %d; q quits",
		    SCREEN_COLUMNS, SCREEN_ROWS, screen_columns(),
		    screen_rows());
	} else {
		draw_tabs(v);
		draw_strip(d);
		draw_banner(d);
		draw_page(v, d, 4);
		draw_footer(v, d);
	}
	screen_end();
}

static void
turn_to(struct view *v, int page)
{
	v->page = (enum view_page)((page + PAGES) % PAGES);
	v->detail = v->help = 0;
}

static void
move(struct view *v, int lines)
{
	int *line = &v->pages[v->page].chosen;

	/* the far end is found when it is drawn */
	*line += lines;
	if (*line < 0)
		*line = 0;
}

static void
set_order(struct view *v, int sort)
{
	if (view_sorts(v->page) > 0)
		v->pages[v->page].sort = sort % view_sorts(v->page);
}

static void
move_key(struct view *v, int key)
{
	int page = screen_rows() - 8;

	switch (key) {
	case KEYS_UP: case 'k':
		move(v, -1);
		break;
	case KEYS_DOWN: case 'j':
		move(v, 1);
		break;
	case KEYS_PAGE_UP:
		move(v, -page);
		break;
	case KEYS_PAGE_DOWN: case ' ':
		move(v, page);
		break;
	case KEYS_HOME: case 'g':
		move(v, -(1 << 24));
		break;
	case KEYS_END: case 'G':
		move(v, 1 << 24);
		break;
	default:
		break;
	}
}

int
view_key(struct view *v, const struct dash *d, int key)
{
	switch (key) {
	case 'q': case 'Q':
		return 1;
	case '?': case 'h':
		v->help = !v->help;
		break;
	case KEYS_ESCAPE:
		v->help = v->detail = 0;
		break;
	case KEYS_ENTER:
		view_follow(v, d);
		v->detail = !v->help && !v->detail && v->medium &&
		    v->page == PAGE_MEDIA;
		break;
	case KEYS_LEFT:
		turn_to(v, (int)v->page - 1);
		break;
	case KEYS_RIGHT:
		turn_to(v, (int)v->page + 1);
		break;
	case 'p':
		v->paused = !v->paused;
		break;
	case 's':
		set_order(v, v->pages[v->page].sort + 1);
		break;
	case 'r':
		v->pages[v->page].reverse = !v->pages[v->page].reverse;
		break;
	case 'L' & 0x1f: case KEYS_RESIZED:
		screen_redraw();
		break;
	default:
		if (key >= '1' && key < '1' + PAGES)
			turn_to(v, key - '1');
		else
			move_key(v, key);
	}
	return 0;
}

void
view_close(struct view *v)
{
	free(v->medium);
}
