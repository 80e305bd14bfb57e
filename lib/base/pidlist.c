#define _GNU_SOURCE
#include "base/pidlist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/fsutil.h"
#include "base/lock.h"
#include "base/procstat.h"
#include "base/tempfile.h"

char *
pidlist_path(void)
{
	return path_join(config_get(CONFIG_RUN_DIR), "workers.pids");
}

static int
runs(const struct pidlist_entry *e)
{
	return e->start != 0 && process_start_time(e->pid) == e->start;
}

static int
parse_line(const char *line, struct pidlist_entry *e)
{
	unsigned long long start;
	long pid;

	memset(e, 0, sizeof *e);
	if (sscanf(line, "%ld %llu %55s", &pid, &start, e->medium) != 3 ||
	    pid <= 1 || !medium_valid(e->medium))
		return -1;
	e->pid = (pid_t)pid;
	e->start = start;
	return 0;
}

int
pidlist_read(const char *path, struct pidlist_entry **entries, size_t *count)
{
	struct pidlist_entry e;
	char *line = NULL;
	size_t size = 0;
	int fd, rc = 0;
	FILE *f;

	*entries = NULL;
	*count = 0;
	fd = open_regular(path, O_RDONLY, 0);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	f = fdopen(fd, "r");
	if (!f)
		out_of_memory();
	while (rc == 0 && getline(&line, &size, f) >= 0) {
		if (parse_line(line, &e) < 0) {
			errno = EBADMSG;
			rc = -1;
		} else if (runs(&e)) {
			*entries = xrealloc(*entries,
			    (*count + 1) * sizeof **entries);
			(*entries)[(*count)++] = e;
		}
	}
	free(line);
	fclose(f);
	return rc;
}

static void
put(struct buf *b, const struct pidlist_entry *entries, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		buf_printf(b, "%ld %llu %s\n", (long)entries[i].pid,
		    (unsigned long long)entries[i].start, entries[i].medium);
}

int
pidlist_add(const char *path, const struct pidlist_entry *entries,
    size_t count)
{
	struct pidlist_entry *old = NULL;
	struct buf text = BUF_INIT;
	struct tempfile t = { .fd = -1 };
	size_t old_count = 0;
	int rc = -1;
	int lock = lock_wait(config_get(CONFIG_RUN_DIR), "workers.lock",
	    LOCK_EXCLUSIVE);

	if (lock < 0)
		return -1;
	if (pidlist_read(path, &old, &old_count) < 0 && errno != EBADMSG)
		goto out;
	put(&text, old, old_count);
	put(&text, entries, count);
	if (tempfile_open(&t, path) < 0 ||
	    write_all(t.fd, text.data, text.len) < 0)
		goto out;
	rc = tempfile_commit(&t);
out:
	tempfile_abort(&t);
	lock_release(lock);
	free(old);
	buf_free(&text);
	return rc;
}
