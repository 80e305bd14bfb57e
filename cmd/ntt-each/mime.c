#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/progress.h"
#include "batch.h"
#include "catalogue/db.h"
#include "each.h"
#include "magic_pool.h"
#include "sql/statements.h"

enum { STEP_MS = 1000 };

static struct each *each;
static struct magic_pool pool;

static void
finished(void *job, const struct magic_answer *a)
{
	struct content *c = job;
	struct pool_answer failure = { .exit = EXIT_FAILED };

	each_progress(each, c->size);
	if (a->type) {
		batch_type(c->id, a->type);
		free(c);
		return;
	}
	failure.timed_out = a->timed_out;
	failure.signal = a->signal;
	if (a->signal)
		failure.exit = EXIT_SIGNAL + a->signal;
	progress_hide();
	warn("content %s: libmagic %s", c->id, a->timed_out ? "hung" :
	    a->signal ? "crashed" : "gave no type");
	batch_answer(c->id, &failure);
	each->wrong++;
	free(c);
}

static void
begin(const struct content *c)
{
	static char head[MIME_HEAD];
	int fd = each_open(each, c, 0);
	struct content *job;
	ssize_t n;

	if (fd < 0) {
		each_progress(each, c->size);
		return;
	}
	n = pread_full(fd, head, sizeof head, 0);
	close(fd);
	if (n < 0) {
		progress_hide();
		warn("content %s could not be read: %m", c->id);
		each->unread++;
		each_progress(each, c->size);
		return;
	}
	job = xmalloc(sizeof *job);
	*job = *c;
	if (magic_pool_start(&pool, head, (size_t)n, job) < 0)
		die_errno("could not start a process for libmagic: %m");
}

static void
close_pool(void)
{
	magic_pool_close(&pool);
}

/* A statement on each medium: the number of rows that changed. */
static uint64_t
on_media(const char *statement, const char *param,
    const char *const *media, size_t count)
{
	uint64_t rows = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		char *sql = sql_for(statement, media[i]);
		PGresult *res = db_query_n(each->db, sql, param ? 1 : 0,
		    &param);

		free(sql);
		if (!res)
			db_die("could not set the MIME types of %s", media[i]);
		rows += strtoull(PQcmdTuples(res), NULL, 10);
		PQclear(res);
		each_interrupted(NULL);
	}
	return rows;
}

void
each_mime(struct each *e, const char *const *media, size_t count)
{
	static char number[16];
	const struct tool tool = { "libmagic", number };
	struct content c;
	uint64_t files;
	int more = 1;

	each = e;
	snprintf(number, sizeof number, "%d", magic_version());
	on_media(sql_each_learn, NULL, media, count);
	todo_plan(&e->todo, "mime", &tool, e->failed, e->again);
	batch_tool(&tool);
	pool.slots = e->parallel;
	magic_pool_open(&pool);
	progress_start("MIME types", "contents", PROGRESS_COUNT,
	    e->todo.contents);
	while (more || pool.running > 0) {
		each_interrupted(close_pool);
		if (more && pool.running < pool.slots) {
			more = todo_next(&e->todo, &c);
			if (more)
				begin(&c);
		} else {
			magic_pool_step(&pool, STEP_MS, finished);
		}
		batch_step();
	}
	batch_commit();
	progress_stop();
	close_pool();
	files = on_media(sql_each_teach, e->again ? "t" : "f", media, count);
	say("MIME types: %s contents were looked at (%s), %s were known; %s "
	    "files have theirs now", num_grouped(e->done), num_bytes(e->bytes),
	    num_grouped(e->todo.chosen - e->todo.contents - e->todo.failed),
	    num_grouped(files));
	if (e->wrong || e->todo.failed || e->unread)
		warn("%s contents have no MIME type", num_grouped(e->wrong +
		    e->todo.failed + e->unread));
	e->left += e->todo.failed > 0;
}
