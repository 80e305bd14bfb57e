#define _GNU_SOURCE
#include "left.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/progress.h"

static const char *of_medium = "";
static uint64_t count;
static struct buf lines;

void
left_medium(const char *medium)
{
	of_medium = medium;
	buf_reset(&lines);
}

static void __attribute__((format(printf, 4, 0)))
name(const char *path, size_t len, const char *what, const char *fmt,
    va_list ap)
{
	struct buf place = BUF_INIT, why = BUF_INIT;

	/* first of all: it may have an errno to tell */
	buf_vprintf(&why, fmt, ap);
	buf_printf(&place, "%s:", of_medium);
	buf_put(&place, path, len);
	progress_hide();
	warn("%s%s: %s", quoted_bytes(place.data, place.len), what, why.data);
	count++;
	buf_printf(&lines, "%s\t%s\n", quoted_bytes(path, len), why.data);
	buf_free(&place);
	buf_free(&why);
}

void
left_out(const char *path, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	name(path, len, " is not restored", fmt, ap);
	va_end(ap);
}

void
left_changed(const char *path, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	name(path, len, "", fmt, ap);
	va_end(ap);
}

struct buf *
left_lines(void)
{
	return &lines;
}

uint64_t
left_count(void)
{
	return count;
}
