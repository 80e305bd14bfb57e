#define _GNU_SOURCE
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fsutil.h"
#include "json.h"

enum { LINE_MAX_BYTES = 4096 };

static int fd = -1;
static int failure;
static char *prog, *medium;
static size_t common_len;

int
log_open(const char *dir, const char *name, const char *of_medium)
{
	char *path = xasprintf("%s/%s.jsonl", dir, name);

	free(prog);
	prog = xstrdup(name);
	log_medium(of_medium);
	if (fd >= 0)
		close(fd);
	fd = -1;
	if (make_dirs(dir) == 0)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
		    0644);
	free(path);
	failure = fd < 0 ? errno : 0;
	return fd < 0 ? -1 : 0;
}

void
log_medium(const char *of_medium)
{
	free(medium);
	medium = of_medium ? xstrdup(of_medium) : NULL;
}

static void
put_time(struct buf *b)
{
	char text[32];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b, "{\"ts\":\"%s.%03ldZ\"", text, now.tv_nsec / 1000000);
}

void
log_begin(struct buf *event, const char *stage)
{
	buf_reset(event);
	put_time(event);
	json_text(event, "prog", prog);
	json_i64(event, "pid", getpid());
	json_text(event, "medium", medium);
	json_text(event, "stage", stage);
	common_len = event->len;
}

void
log_end(struct buf *event)
{
	if (event->len + 2 > LINE_MAX_BYTES) {
		event->len = common_len;
		json_bool(event, "truncated", 1);
	}
	buf_puts(event, "}\n");
	if (fd >= 0 && write_all(fd, event->data, event->len) < 0 && !failure)
		failure = errno;
	buf_reset(event);
}

int
log_failed(void)
{
	return failure;
}
