#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/mountinfo.h"
#include "base/procstat.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "client.h"

extern const char sandbox_init[];	/* contrib/sandbox-init */

enum { NOBODY = 65534 };
enum { IMAGE_FD = 9, FIRST_LINE_FD, STEP_MS = 20, END_TRIES = 150 };

static void
pause_a_little(void)
{
	poll(NULL, 0, STEP_MS);
}

/* ---- what the guest finds ---- */

static int
write_file(const char *dir, const char *name, const char *text, size_t len,
    mode_t mode)
{
	char *path = path_join(dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int rc = fd < 0 ? -1 : write_all(fd, text, len);

	if (rc == 0 && geteuid() == 0)
		rc = fchown(fd, NOBODY, NOBODY);
	if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

/*
 * This program, to be of help in the guest: a copy, because user nobody may
 * not be allowed to reach ours.
 */
static int
write_helper(const char *dir)
{
	char *path = path_join(dir, "helper");
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ssize_t n = from < 0 || to < 0 ? -1 : 1;

	while (n > 0)
		n = sendfile(to, from, NULL, 1 << 20);
	if (n == 0 && geteuid() == 0)
		n = fchown(to, NOBODY, NOBODY);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	free(path);
	return (int)n;
}

static char *
view_point(const struct sandbox *s)
{
	return path_join(s->dir, "view");
}

static int
make_view_point(const struct sandbox *s)
{
	char *point = view_point(s);
	int rc = mkdir(point, 0700);

	if (rc == 0 && geteuid() == 0)
		rc = chown(point, NOBODY, NOBODY);
	free(point);
	return rc;
}

static int
write_files(struct sandbox *s)
{
	struct buf plan = BUF_INIT;
	size_t i;
	int rc;

	strcpy(s->dir, "/tmp/ntt-sandbox-XXXXXX");
	if (!mkdtemp(s->dir)) {
		s->dir[0] = '\0';
		return -1;
	}
	if (geteuid() == 0 && chown(s->dir, NOBODY, NOBODY) < 0)
		return -1;
	for (i = 0; i < s->count; i++) {
		const struct sandbox_volume *v = &s->volumes[i];
		size_t n;

		buf_printf(&plan, "%zu %s ", i + 1, v->failing ? "ubdb" :
		    "ubda");
		for (n = 0; n < v->piece_count; n++)
			buf_printf(&plan, "%s%llu:%llu", n ? "+" : "",
			    (unsigned long long)v->pieces[n].start,
			    (unsigned long long)v->pieces[n].size);
		buf_printf(&plan, "%s\n", v->ways);
	}
	rc = s->view ? make_view_point(s) : 0;
	if (rc == 0)
		rc = write_file(s->dir, "plan", plan.data, plan.len, 0600);
	if (rc == 0)
		rc = write_file(s->dir, "init", sandbox_init,
		    strlen(sandbox_init), 0700);
	if (rc == 0)
		rc = write_helper(s->dir);
	buf_free(&plan);
	return rc;
}

void
sandbox_remove_files(struct sandbox *s)
{
	const char *argv[] = { "rm", "-rf", "--", s->dir, NULL };

	/* user-mode-linux keeps a directory of its own there */
	if (s->dir[0])
		run((char *const *)(uintptr_t)argv, NULL);
	s->dir[0] = '\0';
}

/* ---- the guest ---- */

static void
push(char **argv, int *n, char *word)
{
	argv[(*n)++] = word;
}

/* The control line, and one for each volume. */
static size_t
lines(const struct sandbox *s)
{
	return s->count + 1;
}

static char **
guest_argv(const struct sandbox *s)
{
	static const char *const fixed[] = { "linux.uml", "mem=256M",
		"root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
		"con=null", "con0=null,null", "con1=null", "ssl=null",
		"quiet" };
	char **argv = xcalloc(s->count + 32, sizeof *argv);
	int n = 0;
	size_t i;

	for (i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		push(argv, &n, xstrdup(fixed[i]));
	push(argv, &n, xasprintf("uml_dir=%s/", s->dir));
	push(argv, &n, xasprintf("init=%s/init", s->dir));
	push(argv, &n, xasprintf("ntt_dir=%s", s->dir));
	push(argv, &n, s->view ? xasprintf("ubd0r=%s/view/plain", s->dir) :
	    xasprintf("ubd0r=/proc/self/fd/%d", IMAGE_FD));
	if (s->view)
		push(argv, &n, xasprintf("ubd1r=%s/view/image", s->dir));
	for (i = 0; i < lines(s); i++)
		push(argv, &n, xasprintf("ssl%zu=fd:%d", i,
		    FIRST_LINE_FD + (int)i));
	return argv;
}

static int
high(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_LINE_FD +
	    SANDBOX_VOLUMES + 1);

	close(fd);
	return copy;
}

static void __attribute__((noreturn))
become_guest(const struct sandbox *s, const int *ends, char **argv,
    const char *path)
{
	size_t i;
	int null = open("/dev/null", O_RDWR);
	/* user nobody may not walk to it */
	int image = s->view ? -1 : high(open(s->image, O_RDONLY | O_CLOEXEC));

	setpgid(0, 0);
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 ||
	    setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0))
		_exit(126);
	/* not SIGKILL: it has processes of its own to end */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_DFL);
	for (i = 0; i < 3; i++)
		dup2(null, (int)i);
	/* the ends are all above the numbers they are to have */
	for (i = 0; i < lines(s); i++)
		dup2(ends[i], FIRST_LINE_FD + (int)i);
	close_range(3, IMAGE_FD, 0);
	if (image >= 0)
		dup2(image, IMAGE_FD);
	close_range(FIRST_LINE_FD + (unsigned int)lines(s), ~0U, 0);
	clearenv();
	setenv("HOME", s->dir, 1);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("TMPDIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : s->dir,
	    1);
	execv(path, argv);
	_exit(127);
}

static int
start_guest(struct sandbox *s)
{
	int ends[SANDBOX_VOLUMES + 1], pair[2];
	char **argv, *path = program_path("linux.uml");
	size_t i;

	for (i = 0; i < lines(s); i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)
		    < 0)
			return -1;
		ends[i] = high(pair[1]);
		if (i == 0)
			s->control = pair[0];
		else
			s->volumes[i - 1].line = pair[0];
	}
	argv = guest_argv(s);
	s->guest = fork();
	if (s->guest == 0)
		become_guest(s, ends, argv, path);
	for (i = 0; i < lines(s); i++)
		close(ends[i]);
	for (i = 0; argv[i]; i++)
		free(argv[i]);
	free(argv);
	free(path);
	return s->guest < 0 ? -1 : 0;
}

/* "3 ok NAME DRIVER", "3 none REASON" or "3 no REASON" */
static void
take_line(struct sandbox *s, const char *line)
{
	struct sandbox_volume *v;
	char driver[24] = "", word[8] = "";
	unsigned int n;
	int at = 0;

	if (sscanf(line, "%u %7s %n", &n, word, &at) < 2 || n < 1 ||
	    n > s->count || at == 0)
		return;
	v = &s->volumes[n - 1];
	v->ok = !strcmp(word, "ok") && sscanf(line + at, "%23s %23s",
	    v->fstype, driver) == 2;
	v->unknown = !strcmp(word, "none");
	if (v->ok && strcmp(driver, "kernel"))
		snprintf(v->by, sizeof v->by, "%s in the guest", driver);
	else if (v->ok)
		strcpy(v->by, "the guest's kernel");
	else if (v->unknown || !strcmp(word, "no"))
		snprintf(v->reason, sizeof v->reason, "%s", line + at);
	else
		strcpy(v->reason, "the guest could not mount it");
}

/* Reads line 0 until "ready".  0, or -1 with why. */
static int
listen_to_guest(struct sandbox *s, const char **why)
{
	struct pollfd p = { .fd = s->control, .events = POLLIN };
	long end = monotonic_ms() + s->timeout_ms, left;
	char line[1024], c;
	size_t n = 0;

	*why = "the guest did not answer in time";
	while ((left = end - monotonic_ms()) > 0 && !sig_caught()) {
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		if (read(s->control, &c, 1) != 1) {
			*why = "the guest ended before it was ready";
			return -1;
		}
		if (c != '\n') {
			if (n < sizeof line - 1)
				line[n++] = c;
			continue;
		}
		line[n] = '\0';
		n = 0;
		if (!strcmp(line, "ready"))
			return 0;
		take_line(s, line);
	}
	return -1;
}

/* ---- the view ---- */

static int
is_mounted_as(const char *point, const char *type)
{
	struct mountinfo m = MOUNTINFO_INIT;
	const struct mount_entry *e = NULL;
	int yes;

	if (mountinfo_read(&m) == 0)
		e = mountinfo_top(&m, point);
	yes = e && !strcmp(e->fstype, type);
	mountinfo_free(&m);
	return yes;
}

static void __attribute__((noreturn))
become_viewer(const struct sandbox *s, int spec, const char *point,
    const char *path)
{
	enum { FIRST_FD = 3, FDS = 3 };
	static char name[] = "ntt-view", spec_option[] = "--spec=4",
	    log_option[] = "--log=5", image_name[] = "/dev/fd/3";
	char *argv[] = { name, spec_option, log_option, image_name,
		(char *)(uintptr_t)point, NULL };
	int from[FDS] = { s->file, spec, s->log };
	int null = open("/dev/null", O_RDWR), i;

	for (i = 0; i < FDS; i++)
		from[i] = fcntl(from[i], F_DUPFD, FIRST_FD + FDS);
	for (i = 0; i < FIRST_FD; i++)
		dup2(null, i);
	for (i = 0; i < FDS; i++)
		if (dup2(from[i], FIRST_FD + i) < 0)
			_exit(126);
	close_range(FIRST_FD + FDS, ~0U, 0);
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 ||
	    setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	execv(path, argv);
	_exit(127);
}

static int
start_viewer(struct sandbox *s, const char **why)
{
	char *point = view_point(s), *path = program_path("ntt-view");
	int64_t end = monotonic_ms() + s->timeout_ms;
	int spec = view_file(s->view), rc = -1;

	*why = "ntt-view could not be run";
	s->viewer = path && spec >= 0 ? fork() : -1;
	if (s->viewer == 0)
		become_viewer(s, spec, point, path);
	while (s->viewer > 0 && rc < 0 && monotonic_ms() < end &&
	    !sig_caught()) {
		if (is_mounted_as(point, "fuse.ntt-view"))
			rc = 0;
		else if (waitpid(s->viewer, NULL, WNOHANG) == s->viewer)
			s->viewer = 0;
		else
			pause_a_little();
	}
	if (spec >= 0)
		close(spec);
	free(point);
	free(path);
	return rc;
}

/* The guest has its files open, and nobody else is to see them. */
static void
hide_view(const struct sandbox *s)
{
	char *point = view_point(s);

	sandbox_unmount(point, 1);
	free(point);
}

/* ---- the clients ---- */

static int
is_mounted(const char *point)
{
	return is_mounted_as(point, "fuse.ntt-guest");
}

/* With nothing open but its line. */
static void __attribute__((noreturn))
become_client(const struct sandbox *s, const struct sandbox_volume *v)
{
	struct client_options o = { .line = v->line, .point = v->point,
		.limit_ms = s->timeout_ms, .alone = v->failing,
		.everybody = s->everybody,
		.user = geteuid() == 0 ? NOBODY : 0 };

	close_range(3, (unsigned int)v->line - 1, 0);
	close_range((unsigned int)v->line + 1, ~0U, 0);
	_exit(client_run(&o));
}

static void
show(struct sandbox *s, size_t i)
{
	struct sandbox_volume *v = &s->volumes[i];
	int64_t end = monotonic_ms() + s->timeout_ms;

	v->pid = fork();
	if (v->pid == 0)
		become_client(s, v);
	close(v->line);
	v->line = -1;
	v->ok = v->pid > 0;
	while (v->ok && !is_mounted(v->point)) {
		if (waitpid(v->pid, NULL, WNOHANG) == v->pid)
			v->ok = v->pid = 0;
		else if (monotonic_ms() > end || sig_caught())
			v->ok = 0;
		else
			pause_a_little();
	}
	if (!v->ok)
		snprintf(v->reason, sizeof v->reason,
		    "the guest mounted it and could not show it");
}

int
sandbox_start(struct sandbox *s, const char **why)
{
	size_t i;

	s->control = -1;
	s->guest = s->viewer = 0;
	for (i = 0; i < s->count; i++) {
		s->volumes[i].line = -1;
		s->volumes[i].pid = s->volumes[i].ok = 0;
	}
	if (write_files(s) < 0) {
		*why = strerror(errno);
		return -1;
	}
	if (s->view && start_viewer(s, why) < 0)
		return -1;
	if (start_guest(s) < 0) {
		*why = strerror(errno);
		return -1;
	}
	if (listen_to_guest(s, why) < 0)
		return -1;
	if (s->view)
		hide_view(s);
	for (i = 0; i < s->count; i++)
		if (s->volumes[i].ok)
			show(s, i);
	return 0;
}

/* ---- the end ---- */

void
sandbox_wait(const struct sandbox *s)
{
	struct pollfd p = { .fd = s->control, .events = POLLIN };
	siginfo_t info;
	char c;

	for (;;) {
		info.si_pid = 0;
		if (sig_caught() || waitid(P_ALL, 0, &info, WEXITED | WNOHANG |
		    WNOWAIT) < 0 || info.si_pid)
			return;
		/* the guest says no more here; when it ends the line does */
		if (poll(&p, 1, 500) > 0 && read(s->control, &c, 1) <= 0)
			return;
	}
}

int
sandbox_unmount(const char *point, int lazy)
{
	const char *argv[] = { "fusermount3", "-q", lazy ? "-uz" : "-u",
		"--", point, NULL };
	struct spawn_io io = SPAWN_INHERIT;

	io.out = io.err = SPAWN_NULL;
	return run((char *const *)(uintptr_t)argv, &io) == 0 ? 0 : -1;
}

static void
reap(int pid, int group)
{
	int tries;

	for (tries = 0; pid > 0 && tries < END_TRIES; tries++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			break;
		if (tries == END_TRIES - 1)
			kill(group ? -pid : pid, SIGKILL);
		pause_a_little();
	}
}

void
sandbox_end(struct sandbox *s)
{
	size_t i;

	/* nothing that is still read hangs once the guest is gone */
	if (s->guest > 0)
		kill(-s->guest, SIGKILL);
	for (i = 0; i < s->count; i++) {
		struct sandbox_volume *v = &s->volumes[i];

		if (v->line >= 0)
			close(v->line);
		if (v->pid > 0)
			kill(v->pid, SIGTERM);
		reap(v->pid, 0);
		if (is_mounted(v->point))
			sandbox_unmount(v->point, 1);
	}
	reap(s->guest, 1);
	if (s->view && s->dir[0])
		hide_view(s);
	if (s->viewer > 0)
		kill(s->viewer, SIGTERM);
	reap(s->viewer, 0);
	if (s->control >= 0)
		close(s->control);
	sandbox_remove_files(s);
}
