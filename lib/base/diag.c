#define _GNU_SOURCE
#include "base/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

int diag_verbosity;
const char *diag_prog = "ntt";

int
exit_for_errno(int err)
{
	switch (err) {
	case ENOSPC:
	case EDQUOT:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EAGAIN:
		return EXIT_AGAIN;
	default:
		return EXIT_FAILED;
	}
}

/* One write(2) a message, so that lines of several processes stay whole. */
static void __attribute__((format(printf, 1, 0)))
vspeak(const char *fmt, va_list ap)
{
	struct buf line = BUF_INIT;
	int err = errno;

	buf_printf(&line, "%s: ", diag_prog);
	errno = err;
	buf_vprintf(&line, fmt, ap);
	buf_putc(&line, '\n');
	fflush(stdout);
	if (write(STDERR_FILENO, line.data, line.len) < 0) {
		/* there is nowhere left to complain */
	}
	buf_free(&line);
	errno = err;
}

void
warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vspeak(fmt, ap);
	va_end(ap);
}

void
say(const char *fmt, ...)
{
	va_list ap;

	if (diag_verbosity < 0)
		return;
	va_start(ap, fmt);
	vspeak(fmt, ap);
	va_end(ap);
}

void
detail(const char *fmt, ...)
{
	va_list ap;

	if (diag_verbosity < 1)
		return;
	va_start(ap, fmt);
	vspeak(fmt, ap);
	va_end(ap);
}

void
die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vspeak(fmt, ap);
	va_end(ap);
	exit(status);
}

void
die_errno(const char *fmt, ...)
{
	va_list ap;
	int status = exit_for_errno(errno);

	va_start(ap, fmt);
	vspeak(fmt, ap);
	va_end(ap);
	exit(status);
}

void
die_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vspeak(fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try '%s --help' for more information.\n", diag_prog);
	exit(EXIT_USAGE);
}

const char *
quoted_bytes(const void *name, size_t len)
{
	static struct buf ring[8];
	static unsigned int next;
	struct buf *b = &ring[next++ % 8];
	int err = errno;

	buf_reset(b);
	buf_putc(b, '"');
	buf_escape(b, name, len);
	buf_putc(b, '"');
	errno = err;
	return b->data;
}

const char *
quoted(const char *name)
{
	return quoted_bytes(name, strlen(name));
}
