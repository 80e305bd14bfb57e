#define _GNU_SOURCE
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/json.h"

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
		fd = open_regular(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
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

static const char *const names[LOG_EVENTS] = {
	[LOG_ACCEPTED] = "accepted",
	[LOG_ARCHIVE_COMPLETE] = "archive_complete",
	[LOG_ARCHIVE_ERROR] = "archive_error",
	[LOG_ARCHIVE_PROVEN] = "archive_proven",
	[LOG_ARCHIVE_START] = "archive_start",
	[LOG_ARCHIVE_WRITTEN] = "archive_written",
	[LOG_CLEANUP] = "cleanup",
	[LOG_DUPLICATE_PATH] = "duplicate_path",
	[LOG_ENUM_BEGIN] = "enum_begin",
	[LOG_ENUM_CRAWL] = "enum_crawl",
	[LOG_ENUM_DONE] = "enum_done",
	[LOG_ENUM_ERROR] = "enum_error",
	[LOG_ENUM_FAILED] = "enum_failed",
	[LOG_ENUM_OMISSION] = "enum_omission",
	[LOG_ENUM_STALL] = "enum_stall",
	[LOG_EXCLUDED] = "excluded",
	[LOG_EXTRACTION_START] = "extraction_start",
	[LOG_FINDING] = "finding",
	[LOG_HEALED] = "healed",
	[LOG_IMAGE_END] = "image_end",
	[LOG_IMG_FOUND] = "img_found",
	[LOG_INCLUDED] = "included",
	[LOG_INODE_FAILED] = "inode_failed",
	[LOG_LOAD_BEGIN] = "load_begin",
	[LOG_LOAD_BLOCKED] = "load_blocked",
	[LOG_LOAD_DONE] = "load_done",
	[LOG_LOAD_DROPPED] = "load_dropped",
	[LOG_LOAD_FAILED] = "load_failed",
	[LOG_LOAD_PATTERN] = "load_pattern",
	[LOG_PARTITION_CHECK] = "partition_check",
	[LOG_PHASE_END] = "phase_end",
	[LOG_PHASE_START] = "phase_start",
	[LOG_PROGRESS] = "progress",
	[LOG_RELINK_DONE] = "relink_done",
	[LOG_RELINK_FAILED] = "relink_failed",
	[LOG_RELINK_PROGRESS] = "relink_progress",
	[LOG_RESET_FAILURES] = "reset_failures",
	[LOG_SCRIPT_COMPLETE] = "script_complete",
	[LOG_SCRIPT_START] = "script_start",
	[LOG_SOURCE_REMOVED] = "source_removed",
	[LOG_STAGE_END] = "stage_end",
	[LOG_STAGE_START] = "stage_start",
	[LOG_VERIFY_COMPLETE] = "verify_complete",
	[LOG_VERIFY_PROGRESS] = "verify_progress",
	[LOG_VERIFY_START] = "verify_start",
};

const char *
log_event_name(enum log_event e)
{
	return names[e];
}

void
log_begin(struct buf *event, enum log_event stage)
{
	buf_reset(event);
	put_time(event);
	json_text(event, "prog", prog);
	json_i64(event, "pid", getpid());
	json_text(event, "medium", medium);
	json_text(event, "stage", names[stage]);
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

double
log_time(const char *ts)
{
	struct tm tm = { 0 };
	const char *rest = strptime(ts, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!rest)
		return -1;
	return (double)timegm(&tm) + (*rest == '.' ? strtod(rest, NULL) : 0);
}
