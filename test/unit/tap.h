/*
 * tap.h - results of a C unit test, in the Test Anything Protocol
 *
 *	tap_ok(n == 3, "three of them");
 *	tap_is_str(got, "want", "name of %s", what);
 *	return tap_done();
 *
 * Each call prints one line and counts one test; the checks return whether
 * they passed.  Values that differ are shown in comment lines.  tap_done()
 * prints the plan and returns the exit status: 0 when nothing failed and
 * something ran, which includes skipped tests, else 1.
 */
#ifndef NTT_TAP_H
#define NTT_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static unsigned int tap_run, tap_failed;

static inline __attribute__((format(printf, 3, 0))) bool
tap_vresult(bool pass, const char *directive, const char *fmt, va_list ap)
{
	tap_run++;
	if (!pass)
		tap_failed++;
	printf("%sok %u %s ", pass ? "" : "not ", tap_run, directive);
	vprintf(fmt, ap);
	putchar('\n');
	/* What a crash leaves behind should end where the crash was. */
	fflush(stdout);
	return pass;
}

static inline __attribute__((format(printf, 2, 3))) bool
tap_ok(bool pass, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_vresult(pass, "-", fmt, ap);
	va_end(ap);
	return pass;
}

static inline __attribute__((format(printf, 3, 4))) bool
tap_is_u64(uint64_t got, uint64_t want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_vresult(got == want, "-", fmt, ap);
	va_end(ap);
	if (got != want)
		printf("#  got %" PRIu64 "\n# want %" PRIu64 "\n", got, want);
	return got == want;
}

/* NULL equals NULL only. */
static inline __attribute__((format(printf, 3, 4))) bool
tap_is_str(const char *got, const char *want, const char *fmt, ...)
{
	va_list ap;
	bool same;

	if (got == NULL || want == NULL)
		same = got == want;
	else
		same = strcmp(got, want) == 0;
	va_start(ap, fmt);
	tap_vresult(same, "-", fmt, ap);
	va_end(ap);
	if (!same)
		printf("#  got \"%s\"\n# want \"%s\"\n",
		    got != NULL ? got : "(null)",
		    want != NULL ? want : "(null)");
	return same;
}

/* The text is the reason. */
static inline __attribute__((format(printf, 1, 2))) void
tap_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_vresult(true, "# SKIP", fmt, ap);
	va_end(ap);
}

static inline int
tap_done(void)
{
	printf("1..%u\n", tap_run);
	if (tap_failed > 0)
		printf("# %u of %u failed\n", tap_failed, tap_run);
	if (fflush(stdout) == EOF || ferror(stdout))
		return 1;
	return tap_failed > 0 || tap_run == 0;
}

#endif
