#define _GNU_SOURCE
#include "base/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/num.h"

static enum { AUTO, ALWAYS, NEVER } when;

static struct {
	int active, shown;
	const char *label, *noun;
	enum progress_unit unit;
	uint64_t total, from;
	int64_t started, drawn;		/* ns */
	char note[80];
} line;

enum { FIRST_NS = 1000000000, EVERY_NS = 200000000 };

int
progress_when(const char *word)
{
	if (!strcmp(word, "auto"))
		when = AUTO;
	else if (!strcmp(word, "always"))
		when = ALWAYS;
	else if (!strcmp(word, "never"))
		when = NEVER;
	else
		return -1;
	return 0;
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
progress_start(const char *label, const char *noun, enum progress_unit unit,
    uint64_t total)
{
	memset(&line, 0, sizeof line);
	line.active = diag_verbosity >= 0 && when != NEVER &&
	    (when == ALWAYS || isatty(STDERR_FILENO));
	line.label = label;
	line.noun = noun;
	line.unit = unit;
	line.total = total;
	line.started = now_ns();
	line.drawn = when == ALWAYS ? 0 : line.started + FIRST_NS - EVERY_NS;
}

void
progress_from(uint64_t done)
{
	line.from = done;
}

static const char *
amount(uint64_t n)
{
	return line.unit == PROGRESS_BYTES ? num_bytes(n) : num_grouped(n);
}

static void
draw(uint64_t done, int64_t now)
{
	struct buf b = BUF_INIT;
	double seconds = (double)(now - line.started) / 1e9;
	uint64_t own = done > line.from ? done - line.from : 0;
	double rate = seconds > 0 ? (double)own / seconds : 0;

	buf_printf(&b, "\r%s: %s", line.label, amount(done));
	if (line.total)
		buf_printf(&b, " of %s", amount(line.total));
	if (line.unit == PROGRESS_COUNT)
		buf_printf(&b, " %s", line.noun);
	if (line.total && done <= line.total)
		buf_printf(&b, " (%d %%)",
		    (int)((double)done * 100 / (double)line.total));
	if (rate > 0)
		buf_printf(&b, ", %s/s", amount((uint64_t)rate));
	if (rate > 0 && line.total > done) {
		uint64_t left = (uint64_t)((double)(line.total - done) / rate);

		buf_printf(&b, ", %llu:%02llu left",
		    (unsigned long long)(left / 60),
		    (unsigned long long)(left % 60));
	}
	if (line.note[0])
		buf_printf(&b, ", %s", line.note);
	buf_puts(&b, "\033[K");
	if (write(STDERR_FILENO, b.data, b.len) < 0)
		line.active = 0;
	buf_free(&b);
	line.drawn = now;
	line.shown = 1;
}

void
progress_set(uint64_t done)
{
	int64_t now;

	if (!line.active)
		return;
	now = now_ns();
	if (now - line.drawn >= EVERY_NS)
		draw(done, now);
}

void
progress_note(const char *note)
{
	snprintf(line.note, sizeof line.note, "%s", note);
}

void
progress_hide(void)
{
	static const char erase[] = "\r\033[K";

	if (line.shown && write(STDERR_FILENO, erase, sizeof erase - 1) < 0) {
		/* a terminal that went away needs no cleaning */
	}
	line.shown = 0;
}

void
progress_stop(void)
{
	progress_hide();
	line.active = 0;
}
