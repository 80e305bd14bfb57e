#define _GNU_SOURCE
#include "confine.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bubble.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/privilege.h"
#include "base/spawn.h"

enum {
	NOBODY = 65534,
	ROOM = 256 << 20,	/* of /tmp, of /dev/shm, and of a file */
	MORE_PROCESSES = 1024,	/* than the user has already */
	PROBE_MS = 30000
};

static const char content[] = "/content";

static int
is_visible(const char *path)
{
	static const char *const seen[] = { "/usr", "/etc", "/bin", "/sbin",
		"/lib", "/lib64" };
	size_t i;

	for (i = 0; i < sizeof seen / sizeof seen[0]; i++)
		if (path_is_below(path, seen[i]))
			return 1;
	return 0;
}

/*
 * What lies elsewhere is seen under its name.  bwrap makes the directories
 * above it for itself alone, unless it is told.
 */
static void
add_outside(struct words *w, const char *path)
{
	const char *slash = path;

	if (is_visible(path))
		return;
	while ((slash = strchr(slash + 1, '/'))) {
		char *dir = xasprintf("%.*s", (int)(slash - path), path);

		if (strcmp(dir, "/tmp")) {
			words_add(w, "--perms");
			words_add(w, "0755");
			words_add(w, "--dir");
			words_add(w, dir);
		}
		free(dir);
	}
	bubble_bind(w, path, path);
}

static void
add_tmpfs(struct words *w, const char *where)
{
	char *size = xasprintf("%d", ROOM);
	const char *const tmpfs[] = { "--perms", "1777", "--size", size,
		"--tmpfs", where, NULL };

	words_add_all(w, tmpfs);
	free(size);
}

static void
add_sandbox(struct words *w, const struct confine *c,
    const struct confine_program *p, const char *blob)
{
	/* has the address of the catalogue, and maybe a password */
	static const char *const hidden[] = { "--tmpfs", "/etc/ntt",
		"--remount-ro", "/etc/ntt", NULL };
	static const char *const temporary[] = { "--setenv", "TMPDIR", "/tmp",
		"--", NULL };
	size_t i;

	bubble_begin(w, c->nobody);
	bubble_bind(w, "/etc", "/etc");
	if (access("/etc/ntt", F_OK) == 0)
		words_add_all(w, hidden);
	add_tmpfs(w, "/dev/shm");
	add_tmpfs(w, "/tmp");
	add_outside(w, p->path);
	if (p->target)
		add_outside(w, p->target);
	for (i = 0; c->read && i < c->read->count; i++)
		add_outside(w, c->read->values[i]);
	bubble_bind(w, blob, content);
	bubble_end(w, "/tmp", "/usr/local/bin:/usr/bin:/bin:/usr/games");
	words_add_all(w, temporary);
	if (c->nobody)
		bubble_become(w, NOBODY);
}

/* word with the name of the content for each "{}"; 1 if there was one. */
static int
add_word(struct words *w, const char *word, const char *name)
{
	struct buf b = BUF_INIT;
	const char *at;
	int any = 0;

	for (; (at = strstr(word, "{}")); word = at + 2, any = 1) {
		buf_put(&b, word, (size_t)(at - word));
		buf_puts(&b, name);
	}
	buf_puts(&b, word);
	words_add(w, b.data);
	buf_free(&b);
	return any;
}

char **
confine_argv(const struct confine *c, const struct confine_program *p,
    const char *const words[], const char *blob)
{
	const char *name = c->sandbox ? content : blob;
	struct words w = WORDS_INIT;
	int i, any = 0;

	if (c->sandbox)
		add_sandbox(&w, c, p, blob);
	words_add(&w, p->path);
	for (i = 1; words[i]; i++)
		any |= add_word(&w, words[i], name);
	if (!any)
		words_add(&w, name);
	return w.word;
}

int
confine_prepare(void *arg)
{
	const struct confine *c = arg;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	if (getppid() != c->parent) {
		errno = ECHILD;
		return -1;
	}
	if (bubble_limit(RLIMIT_CORE, 0) < 0 || bubble_limit(RLIMIT_FSIZE, ROOM) < 0 ||
	    bubble_limit(RLIMIT_AS, c->max_memory) < 0 ||
	    bubble_limit(RLIMIT_NPROC, c->processes) < 0)
		return -1;
	if (c->sandbox)
		return 0;
	if (c->nobody && (setgroups(0, NULL) < 0 ||
	    setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int
confine_can_read(const struct confine *c, mode_t mode)
{
	return !c->nobody || (mode & S_IROTH);
}

int
confine_find(struct confine_program *p, const char *name)
{
	char *path = program_path(name);
	struct stat st;

	memset(p, 0, sizeof *p);
	if (!path)
		return -1;
	/* the name stays: programs with several look at theirs */
	p->path = path_absolute(path);
	free(path);
	if (stat(p->path, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) || access(p->path, X_OK) < 0) {
		errno = EACCES;
		return -1;
	}
	p->target = realpath(p->path, NULL);
	if (p->target && (!is_visible(p->path) || is_visible(p->target))) {
		free(p->target);
		p->target = NULL;
	}
	return 0;
}

/* Threads that the user has now, for a limit that counts them all. */
static uint64_t
threads_of(uid_t uid)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;
	uint64_t n = 0;

	while (dir && (e = readdir(dir))) {
		char *task;
		struct stat st;

		if (*e->d_name < '0' || *e->d_name > '9')
			continue;
		task = xasprintf("/proc/%s/task", e->d_name);
		if (stat(task, &st) == 0 && st.st_uid == uid)
			n += (uint64_t)st.st_nlink - 2;
		free(task);
	}
	if (dir)
		closedir(dir);
	return n;
}

static void
become_owner(struct confine *c, const char *root)
{
	struct passwd *pw;
	struct stat st;

	if (geteuid() != 0)
		return;
	if (stat(root, &st) < 0)
		die_errno("could not look at the store %s: %m", quoted(root));
	c->nobody = st.st_uid == 0;
	if (c->nobody)
		return;
	pw = getpwuid(st.st_uid);
	if (!pw)
		die(EXIT_REFUSED, "the store %s belongs to user %u, who has no "
		    "name here; run this as that user", quoted(root),
		    (unsigned int)st.st_uid);
	if (privilege_drop(pw->pw_name) < 0)
		die_errno("could not become %s, who owns the store: %m",
		    quoted(pw->pw_name));
}

/* One sandbox, to see why there are none; does nothing but begin and end. */
static void
probe(const struct confine *c)
{
	static const char *const words[] = { "true", NULL };
	struct confine_program p;
	struct spawn_io io = SPAWN_INHERIT;
	struct buf why = BUF_INIT;
	char **argv;
	int status;

	if (confine_find(&p, "/bin/true") < 0)
		die(EXIT_NOPROG, "there is no /bin/true");
	argv = confine_argv(c, &p, words, "/etc/passwd");
	io.in = SPAWN_NULL;
	io.err = SPAWN_OUT;
	io.prepare = confine_prepare;
	io.arg = (void *)(uintptr_t)c;
	status = run_capture(argv, &io, &why, 4096, PROBE_MS);
	if (status != EXIT_DONE) {
		why.data[strcspn(why.data, "\n")] = '\0';
		die(EXIT_NOEXEC, "no sandbox can be made here (%s); "
		    "--no-sandbox runs the program without one",
		    *why.data ? why.data : "it did not begin");
	}
	words_free(argv);
	free(p.path);
	buf_free(&why);
}

/* Without a sandbox the path of a blob must be one that nobody can walk. */
static void
need_path(const char *root)
{
	struct child child = { .name = "nobody" };

	child.pid = fork();
	if (child.pid == 0)
		_exit(setgroups(0, NULL) == 0 &&
		    setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
		    setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
		    access(root, X_OK) == 0 ? EXIT_DONE : EXIT_FAILED);
	if (child.pid < 0 || child_wait(&child) != EXIT_DONE)
		die(EXIT_REFUSED, "without a sandbox programs of root run as "
		    "nobody, who cannot reach the store %s; run this as "
		    "another user", quoted(root));
}

void
confine_open(struct confine *c, const char *store_root)
{
	char *bwrap;

	become_owner(c, store_root);
	c->parent = getpid();
	c->processes = threads_of(c->nobody ? NOBODY : geteuid()) +
	    MORE_PROCESSES;
	if (!c->sandbox) {
		if (c->nobody)
			need_path(store_root);
		return;
	}
	bwrap = program_path("bwrap");
	if (!bwrap)
		die(EXIT_NOEXEC, "no sandbox can be made: there is no bwrap "
		    "(package bubblewrap); --no-sandbox runs the program "
		    "without one");
	free(bwrap);
	probe(c);
}
