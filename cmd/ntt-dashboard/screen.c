#define _GNU_SOURCE
#define NCURSES_WIDECHAR 1
#include "screen.h"

#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "base/buf.h"

static SCREEN *screen;
static int is_open, utf8, colours;
static struct termios before;
static char leave[256];		/* what makes the terminal ordinary again */

/* A crash: no ncurses, only what a signal handler may do. */
static void
crashed(int signo)
{
	if (is_open) {
		if (write(STDOUT_FILENO, leave, strlen(leave)) < 0) {
			/* there is nobody to tell */
		}
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	}
	signal(signo, SIG_DFL);
	raise(signo);
}

static void
catch_crashes(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
		SIGABRT, SIGQUIT };
	struct sigaction sa = { .sa_handler = crashed,
		.sa_flags = (int)SA_RESETHAND };
	unsigned int i;

	sigemptyset(&sa.sa_mask);
	for (i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaction(signals[i], &sa, NULL);
}

static void
note_leaving(void)
{
	static const char *const names[] = { "sgr0", "cnorm", "rmkx",
		"rmcup" };
	unsigned int i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *s = tigetstr(names[i]);

		if (s && s != (char *)-1 &&
		    strlen(leave) + strlen(s) < sizeof leave)
			strcat(leave, s);
	}
}

static void
choose_colours(void)
{
	const char *no = getenv("NO_COLOR");

	if ((no && *no) || !has_colors() || start_color() == ERR)
		return;
	colours = 1;
	use_default_colors();
	init_pair(1, COLOR_GREEN, -1);
	init_pair(2, COLOR_YELLOW, -1);
	init_pair(3, COLOR_RED, -1);
	init_pair(4, COLOR_CYAN, -1);
}

int
screen_open(const char **why)
{
	setlocale(LC_CTYPE, "");
	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	*why = "it needs a terminal";
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    tcgetattr(STDIN_FILENO, &before) < 0)
		return -1;
	screen = newterm(NULL, stdout, stdin);
	*why = "the type of this terminal, TERM, is not known";
	if (!screen)
		return -1;
	is_open = 1;
	atexit(screen_close);
	note_leaving();
	catch_crashes();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	choose_colours();
	return 0;
}

void
screen_close(void)
{
	if (!is_open)
		return;
	is_open = 0;
	endwin();
}

int
screen_rows(void)
{
	return LINES;
}

int
screen_columns(void)
{
	return COLS;
}

int
screen_utf8(void)
{
	return utf8;
}

void
screen_begin(void)
{
	erase();
}

void
screen_end(void)
{
	refresh();
}

void
screen_redraw(void)
{
	clearok(curscr, TRUE);
}

/* Without colours what must be noticed is bold, or reversed. */
static attr_t
attribute(enum screen_style style)
{
	static const attr_t plain[STYLES] = {
		[STYLE_DIM] = A_DIM, [STYLE_BOLD] = A_BOLD,
		[STYLE_TITLE] = A_REVERSE, [STYLE_TAB] = A_BOLD,
		[STYLE_CHOSEN] = A_REVERSE, [STYLE_WARN] = A_BOLD,
		[STYLE_ALARM] = A_BOLD | A_REVERSE
	};

	if (colours) {
		switch (style) {
		case STYLE_GOOD:
			return (attr_t)COLOR_PAIR(1);
		case STYLE_WARN:
			return (attr_t)COLOR_PAIR(2) | A_BOLD;
		case STYLE_ALARM:
			return (attr_t)COLOR_PAIR(3) | A_BOLD;
		case STYLE_BOLD:
			return (attr_t)COLOR_PAIR(4) | A_BOLD;
		default:
			break;
		}
	}
	return plain[style];
}

/* Marks that turn the direction of what follows, and other invisible ones. */
static int
is_tricky(wchar_t c)
{
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x61c ||
	    c == 0xad || (c >= 0xfff9 && c <= 0xfffb) ||
	    (c >= 0xe0000 && c <= 0xe0fff);
}

/* Control bytes and what is not UTF-8 as \xNN. */
static void
escape_controls(struct buf *b, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len = strlen(text), i, n;

	for (i = 0; i < len; i += n) {
		n = utf8_char(p + i, len - i);
		if (n == 0 || p[i] < 0x20 || p[i] == 0x7f ||
		    (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0)) {
			buf_printf(b, "\\x%02x", p[i]);
			n = 1;
		} else {
			buf_put(b, p + i, n);
		}
	}
}

/* The text as the terminal may see it; caller frees. */
static wchar_t *
printable(const char *text, size_t *count)
{
	struct buf b = BUF_INIT;
	mbstate_t state = { 0 };
	wchar_t *wide, c;
	size_t i, n, used = 0;

	escape_controls(&b, text);
	wide = xcalloc(b.len + 1, sizeof *wide);
	for (i = 0; i < b.len; i += n) {
		n = mbrtowc(&c, b.data + i, b.len - i, &state);
		if (n == 0 || n > b.len) {
			/* the locale has no such character */
			memset(&state, 0, sizeof state);
			n = utf8_char((const unsigned char *)b.data + i,
			    b.len - i);
			n += n == 0;
			c = L'?';
		}
		wide[used++] = wcwidth(c) < 0 || is_tricky(c) ? L'?' : c;
	}
	buf_free(&b);
	*count = used;
	return wide;
}

/* How many of them fit into width columns; they take *taken. */
static size_t
fitting(const wchar_t *wide, size_t n, int width, int *taken)
{
	size_t i;

	*taken = 0;
	for (i = 0; i < n && *taken + wcwidth(wide[i]) <= width; i++)
		*taken += wcwidth(wide[i]);
	return i;
}

static void
put(int y, int x, int width, enum screen_style style, const char *text,
    int right)
{
	size_t n, fit;
	wchar_t *wide;
	int taken;

	if (x + width > COLS)
		width = COLS - x;
	if (y < 0 || y >= LINES || x < 0 || width <= 0)
		return;
	wide = printable(text, &n);
	fit = fitting(wide, n, width, &taken);
	if (fit < n) {
		fit = fitting(wide, n, width - 1, &taken);
		wide[fit++] = utf8 ? L'\u2026' : L'~';
		taken++;
	}
	attrset(attribute(style));
	mvaddnwstr(y, x + (right ? width - taken : 0), wide, (int)fit);
	attrset(A_NORMAL);
	free(wide);
}

void
screen_text(int y, int x, int width, enum screen_style style,
    const char *text)
{
	put(y, x, width, style, text, 0);
}

void
screen_right(int y, int x, int width, enum screen_style style,
    const char *text)
{
	put(y, x, width, style, text, 1);
}

void
screen_printf(int y, int x, int width, enum screen_style style,
    const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	put(y, x, width, style, b.data ? b.data : "", 0);
	buf_free(&b);
}

int
screen_wrapped(int y, int x, int width, int rows, enum screen_style style,
    const char *text)
{
	size_t n, from = 0, fit;
	wchar_t *wide = printable(text, &n);
	int taken, row;

	attrset(attribute(style));
	for (row = 0; row < rows && from < n; row++) {
		fit = fitting(wide + from, n - from, width, &taken);
		if (fit == 0)
			break;
		mvaddnwstr(y + row, x, wide + from, (int)fit);
		from += fit;
	}
	attrset(A_NORMAL);
	free(wide);
	return row;
}

void
screen_fill(int y, enum screen_style style)
{
	attrset(attribute(style));
	mvhline(y, 0, ' ', COLS);
	attrset(A_NORMAL);
}

void
screen_bar(int y, int x, int width, double share)
{
	int full, i;

	if (share < 0)
		return;
	full = share >= 1 ? width : (int)(share * width);
	for (i = 0; i < width; i++) {
		attrset(i < full ? attribute(STYLE_GOOD) : A_DIM);
		mvaddwstr(y, x + i, utf8 ? (i < full ? L"\u2588" : L"\u2591")
		    : (i < full ? L"#" : L"."));
	}
	attrset(A_NORMAL);
}

void
screen_graph(int y, int x, int height, const double *values, int n)
{
	static const wchar_t eighths[] = L" \u2581\u2582\u2583\u2584\u2585"
	    "\u2586\u2587\u2588";
	double max = 0;
	int i, row;

	for (i = 0; i < n; i++)
		if (values[i] > max)
			max = values[i];
	attrset(attribute(STYLE_GOOD));
	for (i = 0; max > 0 && i < n; i++) {
		int level = (int)(values[i] / max * height * 8 + 0.5);

		/* what is little is not nothing */
		if (values[i] > 0 && level == 0)
			level = 1;
		for (row = 0; row < height; row++) {
			int part = level - 8 * (height - 1 - row);
			wchar_t c[2] = { 0 };

			part = part < 0 ? 0 : part > 8 ? 8 : part;
			c[0] = utf8 ? eighths[part] : part == 0 ? L' ' :
			    part < 5 ? L'.' : L'|';
			mvaddwstr(y + row, x + i, c);
		}
	}
	attrset(A_NORMAL);
}

int
screen_key(void)
{
	static const struct {
		int curses, ours;
	} keys[] = {
		{ KEY_LEFT, KEYS_LEFT }, { KEY_RIGHT, KEYS_RIGHT },
		{ KEY_UP, KEYS_UP }, { KEY_DOWN, KEYS_DOWN },
		{ KEY_PPAGE, KEYS_PAGE_UP }, { KEY_NPAGE, KEYS_PAGE_DOWN },
		{ KEY_HOME, KEYS_HOME }, { KEY_END, KEYS_END },
		{ KEY_ENTER, KEYS_ENTER }, { KEY_RESIZE, KEYS_RESIZED },
		{ KEY_BACKSPACE, KEYS_ESCAPE }, { KEY_BTAB, KEYS_LEFT },
		{ '\t', KEYS_RIGHT }, { '\r', KEYS_ENTER },
		{ '\n', KEYS_ENTER }, { 27, KEYS_ESCAPE },
	};
	int c = getch();
	unsigned int i;

	if (c == ERR)
		return KEYS_NONE;
	for (i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (c == keys[i].curses)
			return keys[i].ours;
	return c < 256 ? c : KEYS_OTHER;
}
