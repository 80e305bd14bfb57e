#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/spawn.h"
#include "base/words.h"
#include "batch.h"
#include "each.h"
#include "magic_pool.h"
#include "pool.h"
#include "sql/statements.h"

enum {
	STEP_MS = 1000,
	MOST = 512 << 10,	/* bytes of a text that are kept */
	MOST_RAW = 4 * MOST	/* of a file; UTF-32 has four for one */
};

/* Which types, who takes their text, and its Debian package. */
static const struct extractor {
	const char *type;	/* a glob */
	const char *words[8];	/* and a NULL */
	const char *package;
	int or_next;		/* if it is missing, the next one does it */
} extractors[] = {
	{ "application/pdf", { "pdftotext", "-q", "-nopgbrk", "-enc", "UTF-8",
		"{}", "-" }, "poppler-utils", 0 },
	{ "application/msword", { "catdoc", "-w", "-d", "utf-8", "{}" },
		"catdoc", 1 },
	{ "application/msword", { "antiword", "-m", "UTF-8.txt", "{}" },
		"antiword", 0 },
	{ "application/vnd.ms-excel", { "xls2csv", "-d", "utf-8", "{}" },
		"catdoc", 0 },
	{ "application/vnd.ms-powerpoint", { "catppt", "-d", "utf-8", "{}" },
		"catdoc", 0 },
	{ "*/rtf", { "unrtf", "--nopict", "--quiet", "--text", "{}" },
		"unrtf", 0 },
	{ "application/vnd.oasis.opendocument.*", { "odt2txt",
		"--encoding=UTF-8", "{}" }, "odt2txt", 0 },
	{ "application/vnd.openxmlformats-officedocument.wordprocessingml.*",
		{ "docx2txt", "{}", "-" }, "docx2txt", 0 },
};

enum { EXTRACTORS = sizeof extractors / sizeof extractors[0] };

/* Text as it is; RTF is not, and comes first. */
static const char *const plain[] = { "text/*", "message/*",
	"application/json", "application/x-ndjson", "application/xml",
	"application/javascript", "application/x-mswinurl",
	"application/mbox", "application/x-wine-extension-ini" };

static struct {
	struct confine_program program;
	int there;
	uint64_t left;		/* contents that were left out without it */
} found[EXTRACTORS];

static struct each *each;
static const struct tool tool = { "text", "" };

struct job {
	struct content content;
	int fd;			/* plain text, -1: an extractor's */
	const char *by;
};

enum how { BY_NONE, BY_PLAIN, BY_PROGRAM };

/* How the text of a type is taken; *which: by which program. */
static enum how
how_for(const char *type, int *which)
{
	size_t i;

	for (*which = 0; *which < EXTRACTORS; ++*which)
		if (fnmatch(extractors[*which].type, type, 0) == 0 &&
		    (found[*which].there || !extractors[*which].or_next))
			return BY_PROGRAM;
	for (i = 0; i < sizeof plain / sizeof plain[0]; i++)
		if (fnmatch(plain[i], type, 0) == 0)
			return BY_PLAIN;
	return BY_NONE;
}

/* ---- bytes to text ---- */

/* UTF-8 and nothing else; a NUL or what is no character is a space. */
static void
put_utf8(struct buf *out, const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *)bytes, *end = p + len;

	while (p < end) {
		size_t n = *p ? utf8_char(p, (size_t)(end - p)) : 0;

		if (out->len + (n ? n : 1) > MOST)
			return;
		if (n)
			buf_put(out, p, n);
		else
			buf_putc(out, ' ');
		p += n ? n : 1;
	}
}

/* The name of libmagic's encoding for iconv(3); NULL: it is UTF-8. */
static const char *
encoding(const char *charset)
{
	static const char *const wide[] = { "utf-16le", "utf-16be",
		"utf-32le", "utf-32be" };
	size_t i;

	if (!charset || !strcmp(charset, "utf-8") ||
	    !strcmp(charset, "us-ascii") || !strcmp(charset, "binary"))
		return NULL;
	for (i = 0; i < sizeof wide / sizeof wide[0]; i++)
		if (!strcmp(charset, wide[i]))
			return wide[i];
	/* what has eight bits is most often Latin-1, as Windows has it */
	return "WINDOWS-1252";
}

static void
convert(struct buf *out, const struct buf *raw, const char *charset)
{
	const char *from = encoding(charset);
	iconv_t cd = from ? iconv_open("UTF-8", from) : (iconv_t)-1;
	char chunk[4096], *in = raw->data, *to;
	size_t left = raw->len, room, step;

	if (cd == (iconv_t)-1) {
		put_utf8(out, raw->data, raw->len);
		return;
	}
	step = !strncmp(from, "utf-16", 6) ? 2 : !strncmp(from, "utf-32", 6) ?
	    4 : 1;
	while (left > 0 && out->len < MOST) {
		to = chunk;
		room = sizeof chunk;
		if (iconv(cd, &in, &left, &to, &room) == (size_t)-1 &&
		    errno != E2BIG) {
			/* no character: the next one */
			in += step < left ? step : left;
			left -= step < left ? step : left;
			if (room > 0) {
				*to++ = ' ';
				room--;
			}
		}
		put_utf8(out, chunk, sizeof chunk - room);
	}
	iconv_close(cd);
}

/* ---- plain text ---- */

static void
failed(const struct content *c, const struct pool_answer *a, const char *who)
{
	size_t len = a->err.data ? strcspn(a->err.data, "\n") : 0;

	progress_hide();
	if (a->timed_out)
		warn("content %s: %s was stopped, its time was up", c->id,
		    who);
	else
		warn("content %s: %s failed: exit %d%s%s", c->id, who,
		    a->exit, len ? ": " : "",
		    len ? quoted_bytes(a->err.data, len) : "");
	batch_answer(c->id, a);
	each->wrong++;
}

static void
finished_plain(void *arg, const struct magic_answer *a)
{
	struct job *job = arg;
	struct content *c = &job->content;
	struct buf raw = BUF_INIT, text = BUF_INIT;
	struct pool_answer failure = { .exit = EXIT_FAILED };
	ssize_t n;

	each_progress(each, c->size);
	buf_reserve(&raw, MOST_RAW);
	n = pread_full(job->fd, raw.data, MOST_RAW, 0);
	if (n < 0) {
		progress_hide();
		warn("content %s could not be read: %m", c->id);
		each->unread++;
	} else if (a->timed_out || a->signal) {
		failure.timed_out = a->timed_out;
		failure.signal = a->signal;
		failed(c, &failure, "libmagic");
	} else {
		raw.len = (size_t)n;
		buf_puts(&text, "");
		convert(&text, &raw, a->charset);
		batch_text(c->id, "plain", text.data, text.len + 4 > MOST ||
		    c->size > MOST_RAW);
	}
	close(job->fd);
	buf_free(&raw);
	buf_free(&text);
	free(job);
}

static struct job *
new_job(const struct content *c, int fd, const char *by)
{
	struct job *job = xcalloc(1, sizeof *job);

	job->content = *c;
	job->content.mime = NULL;	/* the page's, which goes */
	job->fd = fd;
	job->by = by;
	return job;
}

static void
begin_plain(struct magic_pool *pool, const struct content *c)
{
	static char head[MIME_HEAD];
	int fd = each_open(each, c, 1);
	ssize_t n;

	n = fd < 0 ? 0 : pread_full(fd, head, sizeof head, 0);
	if (fd < 0 || n < 0) {
		each_progress(each, c->size);
		if (fd < 0)
			return;
		progress_hide();
		warn("content %s could not be read: %m", c->id);
		each->unread++;
		close(fd);
		return;
	}
	if (magic_pool_start(pool, head, (size_t)n,
	    new_job(c, fd, "plain")) < 0)
		die_errno("could not start a process for libmagic: %m");
}

/* ---- programs ---- */

static void
finished_program(void *arg, const struct pool_answer *a)
{
	struct job *job = arg;
	struct buf text = BUF_INIT;

	each_progress(each, job->content.size);
	if (a->exit != 0) {
		struct pool_answer failure = *a;

		/* half a text is none */
		memset(&failure.out, 0, sizeof failure.out);
		failure.out_bytes = 0;
		failed(&job->content, &failure, job->by);
	} else {
		buf_puts(&text, "");
		if (a->out.data)
			put_utf8(&text, a->out.data, a->out.len);
		batch_text(job->content.id, job->by, text.data,
		    a->out_bytes > MOST);
	}
	buf_free(&text);
	free(job);
}

static void
begin_program(struct pool *pool, const struct content *c, int which)
{
	const struct extractor *x = &extractors[which];
	int fd = each_open(each, c, 1);
	char *path, **argv;

	if (fd < 0) {
		each_progress(each, c->size);
		return;
	}
	close(fd);
	path = each_path(each, c);
	argv = confine_argv(&each->confine, &found[which].program,
	    x->words, path);
	if (pool_start(pool, argv, new_job(c, -1, x->words[0])) < 0)
		die_errno("could not run %s: %m", x->words[0]);
	words_free(argv);
	free(path);
}

/* ---- all of them ---- */

static struct magic_pool magics;
static struct pool programs;

static void
close_pools(void)
{
	magic_pool_close(&magics);
	pool_close(&programs);
}

static void
begin(const struct content *c)
{
	int which;

	/* without a type it was named before */
	if (!c->mime) {
		each_progress(each, c->size);
		return;
	}
	switch (how_for(c->mime, &which)) {
	case BY_NONE:
		batch_text(c->id, "none", NULL, 0);
		each_progress(each, c->size);
		return;
	case BY_PLAIN:
		begin_plain(&magics, c);
		return;
	case BY_PROGRAM:
		if (found[which].there) {
			begin_program(&programs, c, which);
			return;
		}
		found[which].left++;
		each_progress(each, c->size);
	}
}

static void
step(void)
{
	/* whoever has a free place must not wait for the other */
	if (magics.running && programs.running) {
		magic_pool_step(&magics, 10, finished_plain);
		pool_step(&programs, 10, finished_program);
	} else if (magics.running) {
		magic_pool_step(&magics, STEP_MS, finished_plain);
	} else {
		pool_step(&programs, STEP_MS, finished_program);
	}
}

static void
find_programs(void)
{
	int i;

	for (i = 0; i < EXTRACTORS; i++)
		found[i].there = confine_find(&found[i].program,
		    extractors[i].words[0]) == 0;
}

static void
say_left(void)
{
	int i;

	for (i = 0; i < EXTRACTORS; i++) {
		if (!found[i].left)
			continue;
		warn("%s contents of type %s were left out: there is no %s "
		    "(package %s)", num_grouped(found[i].left),
		    extractors[i].type, extractors[i].words[0],
		    extractors[i].package);
		each->left++;
	}
}

void
each_text(struct each *e)
{
	struct content c;
	uint64_t wrong = e->wrong;
	int more = 1;

	each = e;
	e->done = e->bytes = 0;
	find_programs();
	todo_plan(&e->todo, "text", &tool, e->failed, e->again);
	batch_tool(&tool);
	magics.slots = programs.slots = e->parallel;
	programs.confine = &e->confine;
	programs.timeout = e->timeout;
	programs.max_output = MOST;
	magic_pool_open(&magics);
	pool_open(&programs);
	progress_start("texts", "contents", PROGRESS_COUNT, e->todo.contents);
	while (more || magics.running || programs.running) {
		each_interrupted(close_pools);
		if (more && magics.running < magics.slots &&
		    programs.running < programs.slots) {
			more = todo_next(&e->todo, &c);
			if (more)
				begin(&c);
		} else {
			step();
		}
		batch_step();
	}
	batch_commit();
	progress_stop();
	close_pools();
	say("texts: %s contents were looked at (%s), %s were known",
	    num_grouped(e->done), num_bytes(e->bytes),
	    num_grouped(e->todo.chosen - e->todo.contents - e->todo.failed));
	say_left();
	if (e->wrong > wrong || e->todo.failed)
		warn("the texts of %s contents could not be taken; --failed "
		    "tries those of earlier runs again",
		    num_grouped(e->wrong - wrong + e->todo.failed));
}
