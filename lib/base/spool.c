#define _GNU_SOURCE
#include "base/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/fsutil.h"
#include "base/tempfile.h"

enum { SPOOL_BUFFER = 256 << 10 };

void
spool_init(struct spool *s)
{
	memset(s, 0, sizeof *s);
	s->fd = -1;
}

static int
open_file(struct spool *s)
{
	const char *dir = getenv("TMPDIR");

	if (dir && *dir) {
		s->fd = tempfile_unnamed(dir);
		return s->fd < 0 ? -1 : 0;
	}
	dir = config_get(CONFIG_RAW_ROOT);
	if (dir)
		s->fd = tempfile_unnamed(dir);
	if (s->fd < 0)
		s->fd = tempfile_unnamed("/var/tmp");
	return s->fd < 0 ? -1 : 0;
}

static int
flush(struct spool *s)
{
	if (s->fd < 0 && open_file(s) < 0)
		return -1;
	if (write_all(s->fd, s->buf, s->end) < 0)
		return -1;
	s->end = 0;
	return 0;
}

int
spool_put(struct spool *s, const void *bytes, size_t len)
{
	if (!s->buf)
		s->buf = xmalloc(SPOOL_BUFFER);
	if (len > SPOOL_BUFFER - s->end && flush(s) < 0)
		return -1;
	s->bytes += len;
	if (len > SPOOL_BUFFER)
		return write_all(s->fd, bytes, len);
	memcpy(s->buf + s->end, bytes, len);
	s->end += len;
	return 0;
}

int
spool_rewind(struct spool *s)
{
	int written = s->reading;

	s->reading = 1;
	s->start = 0;
	if (s->fd < 0)
		return 0;
	if (!written && flush(s) < 0)
		return -1;
	if (lseek(s->fd, 0, SEEK_SET) < 0)
		return -1;
	s->end = 0;
	s->left = s->bytes;
	return 0;
}

long
spool_some(struct spool *s, void *bytes, size_t max)
{
	ssize_t n;

	if (s->start == s->end && s->left > 0) {
		n = read_full(s->fd, s->buf, s->left < SPOOL_BUFFER ?
		    (size_t)s->left : SPOOL_BUFFER);
		if (n <= 0) {
			errno = n < 0 ? errno : EIO;
			return -1;
		}
		s->start = 0;
		s->end = (size_t)n;
		s->left -= (uint64_t)n;
	}
	if (max > s->end - s->start)
		max = s->end - s->start;
	if (max > 0)
		memcpy(bytes, s->buf + s->start, max);
	s->start += max;
	return (long)max;
}

int
spool_get(struct spool *s, void *bytes, size_t len)
{
	size_t got = 0;
	long n;

	while (got < len) {
		n = spool_some(s, (char *)bytes + got, len - got);
		if (n < 0)
			return -1;
		if (n == 0 && got == 0)
			return 0;
		if (n == 0) {
			errno = EIO;
			return -1;
		}
		got += (size_t)n;
	}
	return 1;
}

void
spool_free(struct spool *s)
{
	free(s->buf);
	if (s->fd >= 0)
		close(s->fd);
	spool_init(s);
}
