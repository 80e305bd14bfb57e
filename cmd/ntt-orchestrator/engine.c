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

#include "base/exits.h"
#include "base/fsutil.h"
#include "base/procstat.h"
#include "base/sig.h"

enum { NOBODY = 65534, STEP_MS = 100, GRACE_MS = 2000 };

#define MEMORY ((uint64_t)4 << 30)

struct words {
	char **word;
	size_t count;
};

static void
add(struct words *w, const char *word)
{
	w->word = xrealloc(w->word, (w->count + 2) * sizeof *w->word);
	w->word[w->count++] = xstrdup(word);
	w->word[w->count] = NULL;
}

static void
add_all(struct words *w, const char *const list[])
{
	for (; *list; list++)
		add(w, *list);
}

/* /bin and its kin are links into /usr, or directories of their own. */
static void
add_system(struct words *w)
{
	static const char *const dirs[] = { "/bin", "/sbin", "/lib", "/lib32",
		"/lib64", "/libx32" };
	static const char *const usr[] = { "--ro-bind", "/usr", "/usr", NULL };
	char target[4096];
	struct stat st;
	size_t i;
	ssize_t n;

	add_all(w, usr);
	for (i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
		n = readlink(dirs[i], target, sizeof target - 1);
		if (n > 0) {
			target[n] = '\0';
			add(w, "--symlink");
			add(w, target);
			add(w, dirs[i]);
		} else if (stat(dirs[i], &st) == 0) {
			add(w, "--ro-bind");
			add(w, dirs[i]);
			add(w, dirs[i]);
		}
	}
}

/* Who may read the files, and has as few rights as can be. */
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
	static const char *const begin[] = { "bwrap", "--die-with-parent",
		"--unshare-ipc", "--unshare-pid", "--unshare-net",
		"--unshare-uts", "--unshare-cgroup-try", NULL };
	/* what setpriv needs, and gives up */
	static const char *const caps[] = { "--cap-add", "CAP_SETUID",
		"--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP", NULL };
	static const char *const user[] = { "--unshare-user",
		"--disable-userns", NULL };
	static const char *const devices[] = { "--proc", "/proc", "--dev",
		"/dev", "--remount-ro", "/dev", "--perms", "0755", "--dir",
		"/in", NULL };
	static const char *const end[] = { "--remount-ro", "/", "--chdir",
		"/in", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin",
		"--setenv", "HOME", "/in", "--setenv", "LC_ALL", "C.UTF-8",
		"--", NULL };
	static const char *const bare[] = { "--clear-groups", "--inh-caps",
		"-all", "--bounding-set", "-all", "--no-new-privs", "--",
		NULL };
	struct words w = { NULL, 0 };
	char number[24], *name;
	size_t i;

	add_all(&w, begin);
	add_all(&w, geteuid() == 0 ? caps : user);
	add_system(&w);
	add_all(&w, devices);
	for (i = 0; i < e->count; i++) {
		name = path_join("/in", e->files[i].as);
		add(&w, "--ro-bind");
		add(&w, e->files[i].path);
		add(&w, name);
		free(name);
	}
	if (e->out) {
		add(&w, "--bind");
		add(&w, e->out);
		add(&w, "/out");
	}
	add_all(&w, end);
	if (geteuid() == 0) {
		snprintf(number, sizeof number, "%u", (unsigned int)e->uid);
		add(&w, "setpriv");
		add(&w, "--reuid");
		add(&w, number);
		add(&w, "--regid");
		add(&w, "65534");
		add_all(&w, bare);
	}
	add(&w, program);
	add_all(&w, args);
	return w.word;
}

static int
limit(int resource, uint64_t most)
{
	struct rlimit now, l;

	if (getrlimit(resource, &now) < 0)
		return -1;
	if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most)
		most = now.rlim_max;
	l.rlim_cur = l.rlim_max = most;
	return setrlimit(resource, &l);
}

static int
prepare(void *arg)
{
	const struct engine *e = arg;

	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_FSIZE, e->most) < 0 ||
	    limit(RLIMIT_AS, MEMORY) < 0 ||
	    limit(RLIMIT_CPU, e->seconds) < 0 ? -1 : 0;
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
	size_t i;
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
	for (i = 0; argv[i]; i++)
		free(argv[i]);
	free(argv);
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
