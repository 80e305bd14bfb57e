/*
 * The terminal of ntt-dashboard, through ncursesw.
 *
 * Whatever ends the process but SIGKILL, the terminal is as it was: exit(3),
 * the signals of sig.h by the caller, crashes by a handler of our own.  Texts
 * may hold any byte: what a terminal would obey, or what would change the
 * order of what is beside it, is shown as an escape or "?".
 */
#ifndef NTT_DASH_SCREEN_H
#define NTT_DASH_SCREEN_H

enum screen_style {
	STYLE_PLAIN, STYLE_DIM, STYLE_BOLD, STYLE_TITLE, STYLE_TAB,
	STYLE_CHOSEN, STYLE_GOOD, STYLE_WARN, STYLE_ALARM, STYLES
};

enum screen_key {
	KEYS_NONE = -1,
	KEYS_LEFT = 0x10000, KEYS_RIGHT, KEYS_UP, KEYS_DOWN, KEYS_PAGE_UP,
	KEYS_PAGE_DOWN, KEYS_HOME, KEYS_END, KEYS_ENTER, KEYS_ESCAPE,
	KEYS_RESIZED, KEYS_OTHER
};

enum { SCREEN_ROWS = 24, SCREEN_COLUMNS = 80 };	/* the least that is used */

/* 0, or -1: why it cannot be. */
int screen_open(const char **why);
void screen_close(void);	/* as often as one likes */

int screen_rows(void);
int screen_columns(void);
int screen_utf8(void);

void screen_begin(void);	/* an empty picture */
void screen_end(void);		/* is shown: only what changed is sent */
void screen_redraw(void);	/* everything is sent the next time */

/* At most width columns; an ellipsis where it is cut. */
void screen_text(int y, int x, int width, enum screen_style style,
	const char *text);
/* The same, flush right. */
void screen_right(int y, int x, int width, enum screen_style style,
	const char *text);
void screen_printf(int y, int x, int width, enum screen_style style,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The next lines of it, at most rows; how many it took. */
int screen_wrapped(int y, int x, int width, int rows,
	enum screen_style style, const char *text);
/* A whole line in one style, for what is written on it next. */
void screen_fill(int y, enum screen_style style);
/* share from 0 to 1; less: none. */
void screen_bar(int y, int x, int width, double share);
/* n values side by side, the highest as high as height. */
void screen_graph(int y, int x, int height, const double *values, int n);

/* A character, one of screen_key, or KEYS_NONE: does not wait. */
int screen_key(void);

#endif
