#define _GNU_SOURCE
#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"

/* Digits up to *end; -1 with errno EINVAL or ERANGE. */
static int
digits(const char *s, const char **end, uint64_t *out)
{
	uint64_t n = 0;

	if (*s < '0' || *s > '9') {
		errno = EINVAL;
		return -1;
	}
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n)) {
			errno = ERANGE;
			return -1;
		}
	}
	*end = s;
	*out = n;
	return 0;
}

int
num_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *end;
	uint64_t n;

	if (digits(s, &end, &n) < 0)
		return -1;
	if (*end != '\0') {
		errno = EINVAL;
		return -1;
	}
	if (n < min || n > max) {
		errno = ERANGE;
		return -1;
	}
	*out = n;
	return 0;
}

int
num_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	int negative = *s == '-';
	uint64_t n;
	int64_t value;

	if (num_u64(s + negative, 0, (uint64_t)INT64_MAX + negative, &n) < 0)
		return -1;
	value = negative ? (int64_t)(0 - n) : (int64_t)n;
	if (value < min || value > max) {
		errno = ERANGE;
		return -1;
	}
	*out = value;
	return 0;
}

int
num_size(const char *s, uint64_t *out)
{
	static const char suffixes[] = "KMGTP";
	const char *end, *suffix;
	uint64_t n;
	int shift = 0;

	if (digits(s, &end, &n) < 0)
		return -1;
	if (*end != '\0') {
		suffix = strchr(suffixes, *end);
		if (!suffix || end[1] != '\0') {
			errno = EINVAL;
			return -1;
		}
		shift = 10 * (int)(suffix - suffixes + 1);
	}
	if (n > UINT64_MAX >> shift) {
		errno = ERANGE;
		return -1;
	}
	*out = n << shift;
	return 0;
}

int
num_seconds(const char *s, double unit, double *out)
{
	static const char letters[] = "smhd";
	static const int units[] = { 1, 60, 3600, 86400 };
	size_t len = strspn(s, "0123456789.");
	const char *letter;
	char *end;
	double n;

	errno = EINVAL;
	if (len == 0 || len > 15)
		return -1;
	n = strtod(s, &end);
	if (end != s + len)
		return -1;
	if (*end != '\0') {
		letter = strchr(letters, *end);
		if (!letter || end[1] != '\0')
			return -1;
		unit = units[letter - letters];
	}
	if (!(n * unit > 0) || n * unit > 1e9) {
		errno = ERANGE;
		return -1;
	}
	*out = n * unit;
	return 0;
}

uint64_t
num_arg(const char *what, const char *s, uint64_t min, uint64_t max)
{
	uint64_t n;

	if (num_u64(s, min, max, &n) == 0)
		return n;
	if (errno == ERANGE)
		die_usage("%s must be between %llu and %llu, not %s", what,
		    (unsigned long long)min, (unsigned long long)max,
		    quoted(s));
	die_usage("%s needs a number, not %s", what, quoted(s));
}

uint64_t
size_arg(const char *what, const char *s)
{
	uint64_t n;

	if (num_size(s, &n) < 0)
		die_usage("%s needs a size such as 512M, not %s", what,
		    quoted(s));
	return n;
}

double
seconds_arg(const char *what, const char *s, double unit)
{
	double n;

	if (num_seconds(s, unit, &n) < 0)
		die_usage("%s needs a time such as 90s, 10m or 1.5h, not %s",
		    what, quoted(s));
	return n;
}

static char ring[8][32];
static unsigned int ring_next;

const char *
num_bytes(uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB",
		"PB", "EB" };
	char *out = ring[ring_next++ % 8];
	double value = (double)bytes;
	unsigned int unit = 0;

	while (value >= 999.5 && unit < 6) {
		value /= 1000;
		unit++;
	}
	snprintf(out, sizeof ring[0], value < 9.95 && unit > 0 ? "%.1f %s" :
	    "%.0f %s", value, units[unit]);
	return out;
}

const char *
num_grouped(uint64_t n)
{
	char plain[24], *out = ring[ring_next++ % 8], *p = out;
	int len = snprintf(plain, sizeof plain, "%llu", (unsigned long long)n);
	int i;

	for (i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*p++ = ',';
		*p++ = plain[i];
	}
	*p = '\0';
	return out;
}
