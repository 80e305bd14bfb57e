#define _GNU_SOURCE
#include "image/refused.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsutil.h"

enum { POS_DIGITS = 20, SIZE_DIGITS = 10 };

int64_t
refused_count(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : st.st_size / REFUSED_LINE;
}

static int
digits(const char *p, size_t n, uint64_t *out)
{
	for (*out = 0; n > 0; n--, p++) {
		if (*p < '0' || *p > '9')
			return -1;
		*out = *out * 10 + (uint64_t)(*p - '0');
	}
	return 0;
}

int
refused_get(int fd, uint64_t n, struct refused_read *r)
{
	char line[REFUSED_LINE];
	ssize_t got = pread_full(fd, line, sizeof line,
	    (off_t)(n * REFUSED_LINE));

	if (got != sizeof line) {
		errno = got < 0 ? errno : ENODATA;
		return -1;
	}
	if (digits(line, POS_DIGITS, &r->pos) < 0 ||
	    digits(line + POS_DIGITS + 1, SIZE_DIGITS, &r->size) < 0)
		r->pos = r->size = 0;
	return 0;
}

int
refused_add(int fd, uint64_t pos, uint64_t size)
{
	char line[REFUSED_LINE + 1];
	int64_t n = refused_count(fd);
	off_t at = (off_t)n * REFUSED_LINE;

	if (n < 0)
		return -1;
	snprintf(line, sizeof line, "%020llu %010llu\n",
	    (unsigned long long)pos,
	    (unsigned long long)(size > UINT32_MAX ? UINT32_MAX : size));
	if (pwrite(fd, line, REFUSED_LINE, at) == REFUSED_LINE)
		return 0;
	return ftruncate(fd, at + REFUSED_LINE);
}
