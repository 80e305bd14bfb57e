#define _GNU_SOURCE
#include "log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/json_read.h"
#include "base/log.h"
#include "base/procstat.h"

enum { TAIL = 65536, KEEP_EVENTS = 50, MAX_ACTIVITIES = 256 };

/* Which fields of which stage say how far a program is. */
static const struct {
	enum log_event stage;
	const char *done, *all, *unit;
} measures[] = {
	{ LOG_PROGRESS, "rescued", "size", "bytes" },
	{ LOG_VERIFY_START, "bytes", "chosen_bytes", "bytes" },
	{ LOG_VERIFY_PROGRESS, "bytes", "chosen_bytes", "bytes" },
	{ LOG_RELINK_PROGRESS, "inodes", "expected", "inodes" },
};

/* Stages that are failures although they are not called so. */
static const enum log_event failures[] = { LOG_FINDING, LOG_ENUM_ERROR,
	LOG_LOAD_BLOCKED };

static struct dash_activity *
activity_of(struct dash_logs *l, const char *prog, int pid)
{
	struct dash_activity *a;
	size_t i;

	for (i = 0; i < l->activity_count; i++)
		if (l->activities[i].pid == pid &&
		    !strcmp(l->activities[i].prog, prog))
			return &l->activities[i];
	/* the oldest gives way; those at work write again */
	if (l->activity_count == MAX_ACTIVITIES) {
		a = l->activities;
		free(a->prog);
		free(a->medium);
		free(a->stage);
		memmove(a, a + 1, (MAX_ACTIVITIES - 1) * sizeof *a);
		l->activity_count--;
	}
	l->activities = xrealloc(l->activities, (l->activity_count + 1) *
	    sizeof *l->activities);
	a = &l->activities[l->activity_count++];
	memset(a, 0, sizeof *a);
	a->prog = xstrdup(prog);
	a->pid = pid;
	return a;
}

static void
note_activity(struct dash_logs *l, const json_t *line, const char *prog,
    int pid, const char *stage, int64_t at)
{
	struct dash_activity *a = activity_of(l, prog, pid);
	const char *medium = json_read_text(line, "medium");
	size_t i;

	if (!a->since)
		a->since = at;
	a->at = at;
	free(a->medium);
	a->medium = medium ? xstrdup(medium) : NULL;
	free(a->stage);
	a->stage = xstrdup(stage);
	for (i = 0; i < sizeof measures / sizeof measures[0]; i++) {
		if (strcmp(stage, log_event_name(measures[i].stage)))
			continue;
		a->unit = measures[i].unit;
		a->done = json_read_i64(line, measures[i].done);
		a->all = json_read_i64(line, measures[i].all);
	}
}

static int
is_failure(const char *stage)
{
	static const char suffix[] = "_failed";
	size_t n = strlen(stage), i;

	for (i = 0; i < sizeof failures / sizeof failures[0]; i++)
		if (!strcmp(stage, log_event_name(failures[i])))
			return 1;
	return n >= sizeof suffix && !strcmp(stage + n - sizeof suffix + 1,
	    suffix);
}

/* The path and the reason, whatever they are called. */
static void
put_reason(struct buf *b, const json_t *line)
{
	static const char *const keys[] = { "kind", "path", "path_hex",
		"blobid", "detail", "error", "message" };
	const char *text;
	size_t i;

	for (i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		text = json_read_text(line, keys[i]);
		if (!text || !*text)
			continue;
		if (b->len)
			buf_puts(b, i > 3 ? ": " : " ");
		buf_puts(b, text);
	}
	if (!b->len)
		buf_puts(b, "no reason was logged");
}

static void
note_failure(struct dash_logs *l, const json_t *line, const char *prog,
    int pid, const char *stage, int64_t at)
{
	const char *medium = json_read_text(line, "medium");
	struct dash_event *e;
	struct buf b = BUF_INIT;

	if (!l->events)
		l->events = xcalloc(KEEP_EVENTS, sizeof *l->events);
	/* lines come oldest first within a file, files in any order */
	if (l->event_count == KEEP_EVENTS) {
		size_t oldest = 0, i;

		for (i = 1; i < l->event_count; i++)
			if (l->events[i].at < l->events[oldest].at)
				oldest = i;
		if (l->events[oldest].at > at)
			return;
		e = &l->events[oldest];
		dash_event_free(e);
	} else {
		e = &l->events[l->event_count++];
	}
	put_reason(&b, line);
	*e = (struct dash_event){ at, xstrdup(prog),
		medium ? xstrdup(medium) : NULL, xasprintf("pid %d", pid),
		xstrdup(stage), buf_detach(&b) };
}

static void
parse_line(struct dash_logs *l, const char *text, size_t len)
{
	json_t *line = json_loadb(text, len, 0, NULL);
	const char *prog = json_read_text(line, "prog");
	const char *stage = json_read_text(line, "stage");
	int64_t pid = json_read_i64(line, "pid");
	const char *ts = json_read_text(line, "ts");
	int64_t at = ts ? (int64_t)log_time(ts) : 0;

	if (prog && stage && at > 0 && pid > 0 && pid < 1 << 30) {
		note_activity(l, line, prog, (int)pid, stage, at);
		if (is_failure(stage))
			note_failure(l, line, prog, (int)pid, stage, at);
	}
	json_decref(line);
}

void
dash_logs_parse(struct dash_logs *l, const char *text, size_t len)
{
	const char *end = text + len, *eol;

	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', (size_t)(end - text));
		if (!eol)
			break;		/* being written */
		parse_line(l, text, (size_t)(eol - text));
	}
}

static void
read_tail(struct dash_logs *l, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *first;
	struct stat st;
	char *text;
	ssize_t n;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		off_t from = st.st_size > TAIL ? st.st_size - TAIL : 0;

		text = xmalloc(TAIL);
		n = pread_full(fd, text, TAIL, from);
		/* the first line may have lost its beginning */
		first = from && n > 0 ? memchr(text, '\n', (size_t)n) : text;
		if (n > 0 && first)
			dash_logs_parse(l, first, (size_t)(text + n - first));
		free(text);
	}
	close(fd);
}

/* Seconds since the epoch when the machine was booted. */
static double
boot_time(void)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (double)(real.tv_sec - boot.tv_sec) +
	    (double)(real.tv_nsec - boot.tv_nsec) / 1e9;
}

/* The process that wrote the line, not another with its number. */
static int
is_alive(const struct dash_activity *a)
{
	char path[64], name[32];
	uint64_t start = process_start_time(a->pid);
	ssize_t n = -1;
	int fd;

	if (!start)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/comm", a->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read_full(fd, name, sizeof name - 1);
		close(fd);
	}
	if (n <= 0)
		return 0;
	name[n - (name[n - 1] == '\n')] = '\0';
	/* the kernel keeps 15 bytes of a name */
	return !strncmp(name, a->prog, 15) && boot_time() +
	    (double)start / (double)sysconf(_SC_CLK_TCK) <=
	    (double)a->at + 2;
}

static void
drop_the_gone(struct dash_logs *l)
{
	size_t i, kept = 0;

	for (i = 0; i < l->activity_count; i++) {
		struct dash_activity *a = &l->activities[i];

		if (is_alive(a)) {
			l->activities[kept++] = *a;
			continue;
		}
		free(a->prog);
		free(a->medium);
		free(a->stage);
	}
	l->activity_count = kept;
}

static int
compare_activities(const void *a, const void *b)
{
	const struct dash_activity *x = a, *y = b;

	return x->since != y->since ? (x->since > y->since) -
	    (x->since < y->since) : (x->pid > y->pid) - (x->pid < y->pid);
}

static int
compare_events(const void *a, const void *b)
{
	const struct dash_event *x = a, *y = b;

	return (x->at < y->at) - (x->at > y->at);
}

void
dash_logs_read(struct dash_logs *l, const char *dir)
{
	static const char suffix[] = ".jsonl";
	DIR *d = opendir(dir);
	const struct dirent *e;

	memset(l, 0, sizeof *l);
	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);
		char *path;

		if (n < sizeof suffix ||
		    strcmp(e->d_name + n - sizeof suffix + 1, suffix))
			continue;
		path = path_join(dir, e->d_name);
		read_tail(l, path);
		free(path);
	}
	if (d)
		closedir(d);
	drop_the_gone(l);
	if (l->activity_count > 0)
		qsort(l->activities, l->activity_count, sizeof *l->activities,
		    compare_activities);
	if (l->event_count > 0)
		qsort(l->events, l->event_count, sizeof *l->events,
		    compare_events);
}

void
dash_logs_free(struct dash_logs *l)
{
	size_t i;

	for (i = 0; i < l->activity_count; i++) {
		free(l->activities[i].prog);
		free(l->activities[i].medium);
		free(l->activities[i].stage);
	}
	for (i = 0; i < l->event_count; i++)
		dash_event_free(&l->events[i]);
	free(l->activities);
	free(l->events);
	memset(l, 0, sizeof *l);
}
