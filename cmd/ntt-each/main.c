/*
 * ntt-each: runs a program once for each content and keeps its answers.
 *
 * Contents are chosen as ntt-find chooses (find/question.h) and gathered by the
 * server (todo.h); programs run side by side (pool.h), each in a sandbox
 * (confine.h); their answers are committed every second (batch.h).  The
 * built-in programs, for MIME types and words, are in mime.c and text.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/words.h"
#include "batch.h"
#include "catalogue/content.h"
#include "catalogue/db.h"
#include "catalogue/store_mark.h"
#include "each.h"
#include "find/question.h"
#include "pool.h"
#include "sql/statements.h"
#include "store/blob_read.h"

enum { MOST_OUTPUT = 64 << 20, MOST_PARALLEL = 256, STEP_MS = 1000,
	MOST_SECONDS = 30 * 86400 };

static struct question question = { .restricted = 1 };
static struct option_list readable;
static struct each each = {
	.timeout = 60,
	.max_output = 1 << 20,
	.confine = { .sandbox = 1, .read = &readable,
		.max_memory = 4ULL << 30 },
};
static int mime, text, show, no_sandbox;
static const char *name, *version = "";
static char **words;		/* of the program; NULL: none */
static struct confine_program program;
static struct tool tool;
static struct pool pool;
static uint64_t cut;		/* answers that were longer */
static int terminal;
static char **media;		/* that have the contents, in their order */
static size_t media_count;

static const struct prog_option options[] = {
	{ 'P', "parallel", "N", "so many programs at a time (default: CPUs)",
		OPT_UINT(&each.parallel, 1, MOST_PARALLEL) },
	{ 0, "timeout", "TIME", "stop a program after so long (default 60s)",
		OPT_SECONDS(&each.timeout, 1) },
	{ 0, "max-output", "SIZE", "keep so much of an answer (default 1M)",
		OPT_SIZE(&each.max_output) },
	{ 0, "max-memory", "SIZE", "memory of a process (default 4G)",
		OPT_SIZE(&each.confine.max_memory) },
	{ 0, "name", "NAME", "keep answers under this name",
		OPT_TEXT(&name) },
	{ 0, "tool-version", "TEXT", "keep answers as of this version",
		OPT_TEXT(&version) },
	{ 0, "again", NULL, "also what has an answer",
		OPT_FLAG(&each.again) },
	{ 0, "failed", NULL, "also what failed before",
		OPT_FLAG(&each.failed) },
	{ 0, "show", NULL, "run nothing, print the answers that are kept",
		OPT_FLAG(&show) },
	{ 0, "print", NULL, "print the answers", OPT_FLAG(&each.print) },
	{ 0, "json", NULL, "print JSON, one object an answer",
		OPT_FLAG(&each.json) },
	{ 0, "read", "PATH", "the program may read this too",
		OPT_LIST(&readable) },
	{ 0, "no-sandbox", NULL, "run the program without the sandbox",
		OPT_FLAG(&no_sandbox) },
	{ 0, "mime-types", NULL, "fill in missing MIME types",
		OPT_FLAG(&mime) },
	{ 0, "text", NULL, "make words known to ntt-find --words",
		OPT_FLAG(&text) },
	QUESTION_OPTIONS(question),
	OPT_END
};

static const struct prog prog = {
	"ntt-each",
	"[options] [tests] -- PROGRAM [ARGUMENT…]\n"
	"[options] [tests] --mime-types | --text",
	"Run a program once for each content, and keep its answers"
};

/* ---- contents ---- */

char *
each_path(const struct each *e, const struct content *c)
{
	char path[STORE_PATH];

	store_path(path, c->id);
	return path_join(e->root, path);
}

static int
unread(struct each *e, const struct content *c, enum blob_outcome outcome,
    int err)
{
	const char *state = blob_state_name(outcome, err);

	if (outcome == BLOB_STOPPED)
		return -1;
	progress_hide();
	if (outcome == BLOB_UNREADABLE)
		warn("content %s: %s: %s", c->id, blob_why(outcome),
		    strerror(err));
	else
		warn("content %s: %s", c->id, blob_why(outcome));
	if (state && c->has_row)
		content_mark(e->db, c->id, state);
	e->unread++;
	return -1;
}

int
each_open(struct each *e, const struct content *c, int checked)
{
	struct blob_sink sink = { .stop = sig_caught };
	enum blob_outcome outcome;
	int fd = store_read(&e->store, c->id), err;
	struct stat st;

	if (!c->has_row && fd >= 0) {
		close(fd);
		progress_hide();
		warn("content %s is not in the catalogue any more", c->id);
		e->unread++;
		return -1;
	}
	if (fd < 0)
		return unread(e, c, errno == ENOENT || errno == ENOTDIR ?
		    BLOB_MISSING : errno == ELOOP ? BLOB_BAD :
		    BLOB_UNREADABLE, errno);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != c->size) {
		close(fd);
		return unread(e, c, BLOB_BAD, 0);
	}
	if (!confine_can_read(&e->confine, st.st_mode))
		die(EXIT_REFUSED, "the store is private and root's, so the "
		    "programs, which run as nobody, cannot read it; give the "
		    "store to a user, and run this as that one");
	if (!checked || c->trusted)
		return fd;
	sink.buf = xmalloc(BLOB_BLOCK);
	outcome = blob_compare(fd, c->id, &sink);
	err = errno;
	free(sink.buf);
	if (outcome == BLOB_GOOD)
		return fd;
	close(fd);
	return unread(e, c, outcome, err);
}

void
each_progress(struct each *e, uint64_t size)
{
	e->done++;
	e->bytes += size;
	progress_note(num_bytes(e->bytes));
	progress_set(e->done);
}

void
each_interrupted(void (*first)(void))
{
	if (!sig_caught())
		return;
	progress_stop();
	if (first)
		first();
	batch_commit();
	exit(EXIT_SIGNAL + sig_caught());
}

/* ---- choosing ---- */

static void
take(const struct found *e)
{
	if (!e->blob)
		return;
	if (media_count == 0 || strcmp(media[media_count - 1], e->medium)) {
		media = xrealloc(media, (media_count + 1) * sizeof *media);
		media[media_count++] = xstrdup(e->medium);
	}
	todo_choose(&each.todo, e->blob);
}

static void
choose(void)
{
	PGconn *db = db_need();

	/* the target of a link is no document */
	if (!question.types)
		question.types = "f";
	question_read(&question, db);
	each.left += question_ask(&question, db, take);
	PQfinish(db);
	each_interrupted(NULL);
}

/* ---- answers ---- */

static void
print_json(const char *id, const struct pool_answer *a)
{
	struct buf b = BUF_INIT;

	json_begin_object(&b, NULL);
	json_text(&b, "blob", id);
	json_name(&b, "tool", tool.name, strlen(tool.name));
	json_text(&b, "version", tool.version);
	json_i64(&b, "exit", a->exit);
	if (a->signal)
		json_i64(&b, "signal", a->signal);
	json_bool(&b, "timed_out", a->timed_out);
	json_double(&b, "seconds", a->seconds);
	json_u64(&b, "output_bytes", a->out_bytes);
	json_bool(&b, "truncated", a->out_bytes > a->out.len);
	json_name(&b, "output", a->out.data ? a->out.data : "", a->out.len);
	json_name(&b, "errors", a->err.data ? a->err.data : "", a->err.len);
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
}

/* Each line behind the content and a tab. */
static void
print_lines(const char *id, const struct pool_answer *a)
{
	const char *at = a->out.data, *end = at + a->out.len, *line;

	if (a->out.len == 0)
		printf("%s\t\n", id);
	for (; at && at < end; at = line + 1) {
		struct buf b = BUF_INIT;

		line = memchr(at, '\n', (size_t)(end - at));
		if (!line)
			line = end;
		if (terminal)
			buf_escape(&b, at, (size_t)(line - at));
		else
			buf_put(&b, at, (size_t)(line - at));
		printf("%s\t", id);
		fwrite(b.data, 1, b.len, stdout);
		putchar('\n');
		buf_free(&b);
	}
}

static void
print(const char *id, const struct pool_answer *a)
{
	if (!each.print && !each.json)
		return;
	progress_hide();
	if (each.json)
		print_json(id, a);
	else
		print_lines(id, a);
}

static void
say_failure(const char *id, const struct pool_answer *a)
{
	size_t len = a->err.data ? strcspn(a->err.data, "\n") : 0;
	const char *colon = len ? ": " : "";
	const char *why = len ? quoted_bytes(a->err.data, len) : "";

	progress_hide();
	if (a->timed_out)
		warn("content %s: it was stopped after %g s%s%s", id,
		    each.timeout, colon, why);
	else if (a->signal)
		warn("content %s: it was ended by signal %d (%s)%s%s", id,
		    a->signal, strsignal(a->signal), colon, why);
	else
		warn("content %s: exit %d%s%s", id, a->exit, colon, why);
}

/* ---- the program ---- */

/* A sandbox that could not be made has said nothing about the content. */
static int
no_answer(const struct pool_answer *a)
{
	static const char from[] = "bwrap: ";

	return each.confine.sandbox && a->exit == 1 && a->err.data &&
	    !strncmp(a->err.data, from, sizeof from - 1);
}

static void
finished(void *job, const struct pool_answer *a)
{
	struct content *c = job;

	each_progress(&each, c->size);
	if (no_answer(a)) {
		progress_hide();
		warn("content %s: the program could not be run: %s", c->id,
		    quoted_bytes(a->err.data, strcspn(a->err.data, "\n")));
		each.unread++;
	} else {
		batch_answer(c->id, a);
		print(c->id, a);
		cut += a->out_bytes > a->out.len;
		if (a->exit != 0) {
			say_failure(c->id, a);
			each.wrong++;
		}
	}
	free(c);
}

static void
begin(const struct content *c)
{
	struct content *job;
	char *path, **argv;
	int fd = each_open(&each, c, 1);

	if (fd < 0) {
		each_progress(&each, c->size);
		return;
	}
	close(fd);
	job = xmalloc(sizeof *job);
	*job = *c;
	path = each_path(&each, c);
	argv = confine_argv(&each.confine, &program,
	    (const char *const *)words, path);
	if (pool_start(&pool, argv, job) < 0)
		die_errno("could not run %s: %m", quoted(argv[0]));
	words_free(argv);
	free(path);
}

static void
close_pool(void)
{
	pool_close(&pool);
}

static void
run_program(void)
{
	struct content c;
	int more = 1;

	todo_plan(&each.todo, "", &tool, each.failed, each.again);
	batch_tool(&tool);
	pool.confine = &each.confine;
	pool.timeout = each.timeout;
	pool.max_output = each.max_output;
	pool.slots = each.parallel;
	pool_open(&pool);
	progress_start("running", "contents", PROGRESS_COUNT,
	    each.todo.contents);
	while (more || pool.running > 0) {
		each_interrupted(close_pool);
		if (more && pool.running < pool.slots) {
			more = todo_next(&each.todo, &c);
			if (more)
				begin(&c);
		} else {
			pool_step(&pool, STEP_MS, finished);
		}
		batch_step();
	}
	batch_commit();
	progress_stop();
	close_pool();
}

static void
sum_up(void)
{
	if (each.todo.chosen == 0)
		warn("no content was chosen");
	say("%s contents were done (%s), %s had an answer before",
	    num_grouped(each.done), num_bytes(each.bytes),
	    num_grouped(each.todo.chosen - each.todo.contents));
	if (cut)
		say("%s answers were longer than %s, and their ends are not "
		    "kept", num_grouped(cut), num_bytes(each.max_output));
	if (each.wrong)
		warn("%s contents failed", num_grouped(each.wrong));
	if (each.todo.failed)
		warn("%s contents failed in a run before; --failed tries them "
		    "again", num_grouped(each.todo.failed));
	if (each.unread)
		warn("%s contents could not be given to the program",
		    num_grouped(each.unread));
}

static int
outcome(void)
{
	return each.wrong || each.unread || each.todo.failed || each.left ?
	    EXIT_PARTIAL : EXIT_DONE;
}

/* ---- answers that are kept ---- */

static void
answer_of(PGresult *res, int row, struct pool_answer *a)
{
	memset(a, 0, sizeof *a);
	a->exit = (int)db_int(res, row, 1);
	a->signal = (int)db_int(res, row, 2);
	a->timed_out = db_bool(res, row, 3);
	a->seconds = strtod(db_text(res, row, 4), NULL);
	a->out_bytes = (uint64_t)db_int(res, row, 5);
	if (db_bytea_value(res, row, 6, &a->out) < 0 ||
	    db_bytea_value(res, row, 7, &a->err) < 0)
		die(EXIT_FAILED, "could not read an answer of %s",
		    db_text(res, row, 0));
}

static int
show_answers(void)
{
	char last[STORE_ID + 1] = "";
	uint64_t shown = 0, none;
	PGresult *res;
	int rows, row;

	todo_plan(&each.todo, "", &tool, 0, 0);
	each.print = 1;
	do {
		res = db_query(each.db, sql_each_show, tool.name,
		    tool.version, last);
		if (!res)
			db_die("could not read the answers");
		rows = PQntuples(res);
		for (row = 0; row < rows; row++) {
			struct pool_answer a;

			answer_of(res, row, &a);
			strcpy(last, "");
			strncat(last, db_text(res, row, 0), STORE_ID);
			print(last, &a);
			buf_free(&a.out);
			buf_free(&a.err);
			shown++;
		}
		PQclear(res);
	} while (rows > 0 && !sig_caught());
	each_interrupted(NULL);
	none = each.todo.chosen - shown;
	if (none)
		warn("%s contents have no answer of %s yet", num_grouped(none),
		    quoted(tool.name));
	return none || each.left ? EXIT_PARTIAL : shown ? EXIT_DONE :
	    EXIT_FAILED;
}

/* ---- beginning ---- */

/*
 * What follows the first "--" is the program's.  "--mime" without a type is
 * what is built in.
 */
static int
split(int argc, char **argv)
{
	static char builtin[] = "--mime-types";
	int i, end = argc;

	for (i = 1; i < end; i++)
		if (!strcmp(argv[i], "--"))
			end = i;
	if (end < argc) {
		words = argv + end + 1;
		argv[end] = NULL;
	}
	for (i = 1; i < end; i++)
		if (!strcmp(argv[i], "--mime") &&
		    (i + 1 == end || argv[i + 1][0] == '-'))
			argv[i] = builtin;
	return end;
}

static void
check_options(void)
{
	size_t i;

	if (words && !*words)
		die_usage("the program is missing behind \"--\"");
	if (words && (mime || text))
		die_usage("--mime-types and --text run no program");
	if (!words && !mime && !text && !(show && name))
		die_usage(question.mime ? "the program is missing: \"-- "
		    "PROGRAM\" (--mime-types fills in what is missing)" :
		    "the program is missing: \"-- PROGRAM\"");
	if (show && (mime || text))
		die_usage("--show needs a program, or its --name");
	if (each.timeout > MOST_SECONDS)
		die_usage("--timeout is at most 30d");
	if (each.max_output > MOST_OUTPUT)
		die_usage("--max-output is at most 64M");
	if (name && (!*name || strchr(name, '=')))
		die_usage("--name needs a name without \"=\", not %s",
		    quoted(name));
	for (i = 0; i < readable.count; i++)
		if (*readable.values[i] != '/' ||
		    access(readable.values[i], F_OK) < 0)
			die_usage("--read needs an absolute path that is "
			    "there, not %s", quoted(readable.values[i]));
}

/* The words as they would be typed, "{}" too. */
static void
put_words(struct buf *b)
{
	int i;

	for (i = 0; words[i]; i++) {
		if (i > 0)
			buf_putc(b, ' ');
		if (!strcmp(words[i], "{}"))
			buf_puts(b, words[i]);
		else
			buf_shell(b, words[i]);
	}
}

static void
name_tool(void)
{
	struct buf b = BUF_INIT;

	if (!name) {
		put_words(&b);
		if (!utf8_valid(b.data, b.len))
			die_usage("the arguments are not UTF-8: give --name");
		name = b.data;
	}
	tool.name = name;
	tool.version = version;
}

/* Before anything else: without its program nothing is done. */
static void
find_program(void)
{
	if (confine_find(&program, words[0]) == 0)
		return;
	if (errno == ENOENT || errno == ENOTDIR)
		die(EXIT_NOPROG, "there is no program %s", quoted(words[0]));
	die(EXIT_NOEXEC, "cannot run %s: %m", quoted(words[0]));
}

static void
open_all(void)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);

	each.db = db_need();
	store_mark_need(each.db, CONFIG_BYHASH_ROOT, 0);
	each.root = path_absolute(root);
	if (store_open_read(&each.store, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
	batch_open(each.db);
	todo_open(&each.todo, each.db);
}

int
main(int argc, char **argv)
{
	int status;

	argc = split(argc, argv);
	prog_start(&prog, argc, argv);
	prog_options(options);
	question_options(&question);
	check_options();
	prog_config();
	setlocale(LC_CTYPE, "C.UTF-8");
	each.confine.sandbox = !no_sandbox;
	if (each.parallel == 0)
		each.parallel = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	if (words && !show)
		find_program();
	sig_catch();
	terminal = isatty(STDOUT_FILENO);
	open_all();
	choose();
	if (words || show)
		name_tool();
	if (show)
		return show_answers();
	if (words || text)
		confine_open(&each.confine, each.root);
	if (words) {
		run_program();
		sum_up();
		return each.todo.chosen ? outcome() : EXIT_FAILED;
	}
	each_mime(&each, (const char *const *)media, media_count);
	if (text)
		each_text(&each);
	status = outcome();
	todo_close(&each.todo);
	PQfinish(each.db);
	return status;
}
