#define _GNU_SOURCE
#include "engine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bubble.h"
#include "base/exits.h"
#include "base/fsutil.h"
#include "base/procstat.h"
#include "base/sig.h"

enum { NOBODY = 65534, STEP_MS = 100, GRACE_MS = 2000 };

#define MEMORY ((uint64_t)4 << 30)

/* The user who may read the files and has the fewest rights. */
static uid_t
reader(const struct engine *e)
{
	uid_t owner = NOBODY;
	struct stat st;
	size_t i;

	for (i = e->count; i-- > 0; )
		if (stat(e->files[i].path, &st) == 0 &&
		    !(st.st_mode & S_IROTH))
			owner = st.st_uid;
	return owner;
}

static char **
engine_argv(const struct engine *e, const char *program,
    const char *const args[])
{
	static const char *const in[] = { "--perms", "0755", "--dir", "/in",
		NULL };
	struct words w = WORDS_INIT;
	char *name;
	size_t i;

	bubble_begin(&w, geteuid() == 0);
	words_add_all(&w, in);
	for (i = 0; i < e->count; i++) {
		name = path_join("/in", e->files[i].as);
		bubble_bind(&w, e->files[i].path, name);
		free(name);
	}
	if (e->out) {
		words_add(&w, "--bind");
		words_add(&w, e->out);
		words_add(&w, "/out");
	}
	bubble_end(&w, "/in", "/usr/bin:/bin");
	words_add(&w, "--");
	if (geteuid() == 0)
		bubble_become(&w, e->uid);
	words_add(&w, program);
	words_add_all(&w, args);
	return w.word;
}

static int
prepare(void *arg)
{
	const struct engine *e = arg;

	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    bubble_limit(RLIMIT_CORE, 0) < 0 || bubble_limit(RLIMIT_FSIZE, e->most) < 0 ||
	    bubble_limit(RLIMIT_AS, MEMORY) < 0 ||
	    bubble_limit(RLIMIT_CPU, e->seconds) < 0 ? -1 : 0;
}

int
engine_there(const char *program, const char **package)
{
	char *path = program_path(program), *bwrap = program_path("bwrap");
	int there = path && bwrap;

	/* the caller knows that of the program */
	if (path && !bwrap)
		*package = "bubblewrap";
	free(path);
	free(bwrap);
	return there;
}

int
engine_start(struct engine *e, const char *const args[], int out,
    struct child *child)
{
	struct spawn_io io = SPAWN_INHERIT;
	char *program = program_path(e->program), **argv;
	int rc = -1, err = ENOENT;

	e->errors = -1;
	if (!program)
		goto out;
	e->uid = reader(e);
	e->errors = memfd_create("errors", MFD_CLOEXEC);
	if (e->errors < 0 || (e->out && geteuid() == 0 &&
	    chown(e->out, e->uid, (gid_t)-1) < 0)) {
		err = errno;
		goto out;
	}
	argv = engine_argv(e, program, args);
	io.in = SPAWN_NULL;
	io.out = out;
	io.err = e->errors;
	io.group = SPAWN_NEW_GROUP;
	io.prepare = prepare;
	io.arg = e;
	rc = spawn(child, argv, &io);
	err = errno;
	words_free(argv);
out:
	free(program);
	if (rc < 0 && e->errors >= 0) {
		close(e->errors);
		e->errors = -1;
	}
	errno = err;
	return rc;
}

/* Names in the sandbox are none that a person knows. */
static const char *
without_names(const char *line)
{
	static const char *const names[] = { "Could not open 'driver=",
		"Could not open '/in/", "/in/" };
	const char *end;
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++)
		if (!strncmp(line, names[i], strlen(names[i])) &&
		    (end = strstr(line, ": ")))
			line = end + 2;
	return line;
}

void
engine_said(struct engine *e, struct buf *why)
{
	char text[4096], *line, *end, *name;
	const char *rest;
	struct stat st;
	off_t from;
	ssize_t n;

	if (e->out && geteuid() == 0 && chown(e->out, 0, (gid_t)-1) < 0)
		buf_puts(why, "its output has another owner: ");
	if (e->errors < 0)
		return;
	from = fstat(e->errors, &st) == 0 && st.st_size > 4000 ?
	    st.st_size - 4000 : 0;
	n = pread_full(e->errors, text, sizeof text - 1, from);
	close(e->errors);
	e->errors = -1;
	if (n <= 0)
		return;
	text[n] = '\0';
	for (end = text + strlen(text); end > text && end[-1] <= ' '; )
		*--end = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	/* "/usr/bin/xz: …" */
	name = xasprintf("%s: ", e->program);
	if ((end = strstr(line, name)) && (end == line || end[-1] == '/'))
		line = end + strlen(name);
	free(name);
	rest = without_names(line);
	buf_escape(why, rest, strlen(rest));
}

int
engine_capture(struct engine *e, const char *const args[], struct buf *out,
    size_t max, int timeout_ms, struct buf *why)
{
	int fd = memfd_create("output", MFD_CLOEXEC), status = EXIT_FAILED;
	int64_t end = monotonic_ms() + timeout_ms;
	struct child child;
	struct stat st;
	char *bytes;
	ssize_t n;

	if (fd < 0 || engine_start(e, args, fd, &child) < 0) {
		buf_puts(why, strerror(errno));
		goto out;
	}
	while ((status = child_wait_for(&child, STEP_MS)) < 0)
		if (monotonic_ms() > end || sig_caught()) {
			child_stop(&child, GRACE_MS);
			status = EXIT_SIGNAL + SIGKILL;
			break;
		}
	engine_said(e, why);
	if (status == EXIT_SIGNAL + SIGKILL && !why->len)
		buf_puts(why, "it took too long");
	if (out && fstat(fd, &st) == 0 && st.st_size > 0) {
		n = (ssize_t)(st.st_size > (off_t)max ? (off_t)max :
		    st.st_size);
		bytes = xmalloc((size_t)n);
		n = pread_full(fd, bytes, (size_t)n, 0);
		if (n > 0)
			buf_put(out, bytes, (size_t)n);
		free(bytes);
	}
out:
	if (fd >= 0)
		close(fd);
	return status;
}
