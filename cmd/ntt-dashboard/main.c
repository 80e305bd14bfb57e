/*
 * ntt-dashboard: what is going on, on a terminal, or once as text or JSON.
 *
 * One loop waits for keys and for the catalogue together, so that neither
 * ever waits for the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/num.h"
#include "base/procstat.h"
#include "base/prog.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "dash.h"
#include "screen.h"
#include "view.h"

enum { CPU_MS = 250 };		/* the least to see how busy a machine is */

static struct {
	int once, json;
	uint64_t interval;
} opt = { .interval = 5 };

static struct dash dash;

static const struct prog_option options[] = {
	{ 0, "once", NULL, "print everything once, as text",
		OPT_FLAG(&opt.once) },
	{ 0, "json", NULL, "print everything once, as one JSON object",
		OPT_FLAG(&opt.json) },
	{ 0, "interval", "S", "seconds between two looks (default 5)",
		OPT_U64(&opt.interval, 1, 3600) },
	OPT_END
};

static const struct prog prog = {
	"ntt-dashboard",
	"[--once] [--json] [--interval S]",
	"Watch the collection, the copiers and this machine"
};

/* Until a key, news of the catalogue, a signal, or so many milliseconds. */
static void
wait_for(int keys, int64_t ms)
{
	struct pollfd p[2] = { { keys, POLLIN, 0 },
		{ feed_fd(&dash.feed), feed_events(&dash.feed), 0 } };
	int most = feed_timeout(&dash.feed);

	if (ms < 0)
		ms = 0;
	if (most >= 0 && most < ms)
		ms = most;
	/* a signal is what we wait for too */
	if (poll(p, 2, (int)ms) < 0 && errno != EINTR)
		die_errno("could not wait for keys: %m");
}

/* Catalogues of another version are no reason to try again. */
static void
connect_first(void)
{
	PGconn *db = db_open();

	if (!db && db_status() != EXIT_AGAIN)
		db_die("could not open the catalogue");
	dash_start(&dash, db, db_error());
}

static int
show_once(void)
{
	int64_t begun = monotonic_ms();
	struct buf out = BUF_INIT;

	connect_first();
	while (!dash.cat && !dash.away_since && !sig_caught()) {
		wait_for(-1, 1000);
		dash_step(&dash);
	}
	while (monotonic_ms() < begun + CPU_MS && !sig_caught())
		poll(NULL, 0, (int)(begun + CPU_MS - monotonic_ms()));
	if (sig_caught())
		return EXIT_SIGNAL + sig_caught();
	dash_look(&dash);
	if (opt.json)
		dash_json(&dash, &out);
	else
		dash_text(&dash, &out);
	if (opt.json)
		buf_putc(&out, '\n');
	fwrite(out.data, 1, out.len, stdout);
	buf_free(&out);
	if (!dash.away_since)
		return EXIT_DONE;
	warn("could not ask the catalogue: %s", dash.feed.error);
	return dash.feed.status;
}

/* All keys that came; 1: quit. */
static int
take_keys(struct view *view)
{
	int key;

	while ((key = screen_key()) != KEYS_NONE)
		if (view_key(view, &dash, key))
			return 1;
	return 0;
}

static int
terminal_is_there(void)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };

	return poll(&p, 1, 0) < 0 || !(p.revents & (POLLHUP | POLLERR |
	    POLLNVAL));
}

static void
watch(struct view *view)
{
	int64_t next = 0, drawn = 0, now;

	while (!sig_caught() && terminal_is_there()) {
		now = monotonic_ms();
		if (!view->paused && now >= next) {
			feed_ask(&dash.feed);
			dash_look(&dash);
			next = now + (int64_t)opt.interval * 1000;
		}
		dash_step(&dash);
		if (take_keys(view))
			return;
		view_draw(view, &dash);
		drawn = monotonic_ms();
		/* the clock in the corner goes on */
		wait_for(STDIN_FILENO, !view->paused && next - drawn < 1000 ?
		    next - drawn : 1000);
	}
}

static int
show_screen(void)
{
	struct view view = { .page = PAGE_OVERVIEW };
	const char *why;

	connect_first();
	if (screen_open(&why) < 0)
		die_usage("cannot show this: %s; --once prints it", why);
	watch(&view);
	screen_close();
	view_close(&view);
	return sig_caught() ? EXIT_SIGNAL + sig_caught() : EXIT_DONE;
}

int
main(int argc, char **argv)
{
	int status;

	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(0, 0);
	prog_config();
	sig_catch();
	status = opt.once || opt.json ? show_once() : show_screen();
	dash_free(&dash);
	return status;
}
