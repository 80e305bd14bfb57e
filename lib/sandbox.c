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

#include "buf.h"
#include "fsutil.h"
#include "mountinfo.h"
#include "procstat.h"
#include "sandbox_relay.h"
#include "sig.h"
#include "spawn.h"

extern const char sandbox_init[];	/* contrib/sandbox-init */

enum { NOBODY = 65534 };
enum { FIRST_LINE_FD = 10, STEP_MS = 20, END_TRIES = 150 };

static const char modules[] = "/usr/lib/uml/modules";
static const char server[] = "/usr/lib/openssh/sftp-server";

const char *
sandbox_missing(void)
{
	static const struct {
		const char *program, *clause;
	} needs[] = {
		{ "linux.uml", "the package user-mode-linux is missing" },
		{ "sshfs", "the package sshfs is missing" },
		{ "fusermount3", "the package fuse3 is missing" },
		{ "modprobe", "the package kmod is missing" },
	};
	size_t i;

	for (i = 0; i < sizeof needs / sizeof needs[0]; i++) {
		char *path = program_path(needs[i].program);
		char *sbin = path_join("/usr/sbin", needs[i].program);
		int there = path != NULL || access(sbin, X_OK) == 0;

		free(path);
		free(sbin);
		if (!there)
			return needs[i].clause;
	}
	if (access(modules, F_OK) < 0)
		return "the package user-mode-linux is missing";
	if (access(server, X_OK) < 0)
		return "the package openssh-sftp-server is missing";
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return "/dev/fuse cannot be used";
	return NULL;
}

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

/* The kernel's command line takes no spaces: a link may have any target. */
static int
write_files(struct sandbox *s)
{
	struct buf plan = BUF_INIT;
	char *image;
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

		buf_printf(&plan, "%zu ", i + 1);
		for (n = 0; n < v->piece_count; n++)
			buf_printf(&plan, "%s%llu:%llu", n ? "+" : "",
			    (unsigned long long)v->pieces[n].start,
			    (unsigned long long)v->pieces[n].size);
		buf_printf(&plan, "%s\n", v->ways);
	}
	image = path_join(s->dir, "image");
	rc = symlink(s->image, image);
	free(image);
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

/* The control line, one for each volume, and the walker's. */
static size_t
lines(const struct sandbox *s)
{
	return s->count + 2;
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
	push(argv, &n, xasprintf("ntt_walker=%zu", s->count + 1));
	push(argv, &n, xasprintf("ubd0r=%s/image", s->dir));
	for (i = 0; i < lines(s); i++)
		push(argv, &n, xasprintf("ssl%zu=fd:%d", i,
		    FIRST_LINE_FD + (int)i));
	return argv;
}

static void __attribute__((noreturn))
become_guest(const struct sandbox *s, const int *ends, char **argv,
    const char *path)
{
	size_t i;
	int null = open("/dev/null", O_RDWR);

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
	close_range(3, FIRST_LINE_FD - 1, 0);
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
high(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_LINE_FD +
	    SANDBOX_VOLUMES + 2);

	close(fd);
	return copy;
}

static int
start_guest(struct sandbox *s)
{
	int ends[SANDBOX_VOLUMES + 2], pair[2];
	char **argv, *path = program_path("linux.uml");
	size_t i;

	for (i = 0; i < lines(s); i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)
		    < 0)
			return -1;
		ends[i] = high(pair[1]);
		if (i == 0)
			s->control = pair[0];
		else if (i <= s->count)
			s->volumes[i - 1].line = pair[0];
		else
			s->walker = pair[0];
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

/* "3 ok NAME" or "3 no REASON" */
static void
take_line(struct sandbox *s, const char *line)
{
	struct sandbox_volume *v;
	unsigned int n;
	int at = 0, known;

	if (sscanf(line, "%u %n", &n, &at) < 1 || n < 1 || n > s->count)
		return;
	v = &s->volumes[n - 1];
	v->ok = !strncmp(line + at, "ok ", 3);
	known = v->ok || !strncmp(line + at, "no ", 3);
	if (v->ok)
		snprintf(v->fstype, sizeof v->fstype, "%s", line + at + 3);
	else
		snprintf(v->reason, sizeof v->reason, "%s", known ?
		    line + at + 3 : "the guest could not mount it");
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

/* ---- sshfs ---- */

static int
is_mounted(const char *point)
{
	struct mountinfo m = MOUNTINFO_INIT;
	const struct mount_entry *e = NULL;
	int yes;

	if (mountinfo_read(&m) == 0)
		e = mountinfo_top(&m, point);
	yes = e && !strcmp(e->fstype, "fuse.sshfs");
	mountinfo_free(&m);
	return yes;
}

static void
show(struct sandbox *s, size_t i)
{
	struct sandbox_volume *v = &s->volumes[i];
	char *source = xasprintf("x:/mnt/%zu", i + 1);
	const char *argv[] = { "sshfs", "-f", "-o", "passive,ro,max_conns=1,"
		"nosuid,nodev,noexec,noatime,kernel_cache,"
		"dcache_timeout=3600,fsname=ntt-sandbox", source, v->point,
		s->everybody ? "-o" : NULL, "allow_other", NULL };
	struct spawn_io io = SPAWN_INHERIT;
	struct child child;
	long end = monotonic_ms() + s->timeout_ms;

	io.in = io.out = v->line;
	io.err = SPAWN_NULL;
	v->ok = spawn(&child, (char *const *)(uintptr_t)argv, &io) == 0;
	close(v->line);
	v->line = -1;
	free(source);
	v->pid = v->ok ? child.pid : 0;
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
		    "sshfs could not show it");
}

int
sandbox_start(struct sandbox *s, const char **why)
{
	size_t i;

	s->control = s->walker = -1;
	s->guest = 0;
	for (i = 0; i < s->count; i++) {
		s->volumes[i].line = -1;
		s->volumes[i].pid = s->volumes[i].ok = 0;
	}
	if (write_files(s) < 0 || start_guest(s) < 0) {
		*why = strerror(errno);
		return -1;
	}
	if (listen_to_guest(s, why) < 0)
		return -1;
	for (i = 0; i < s->count; i++)
		if (s->volumes[i].ok)
			show(s, i);
	return 0;
}

/* ---- the end ---- */

void
sandbox_wait(const struct sandbox *s, struct sandbox_relay *relay)
{
	struct pollfd p[1 + SANDBOX_RELAY_FDS];
	siginfo_t info;
	char c;

	for (;;) {
		info.si_pid = 0;
		if (sig_caught() || waitid(P_ALL, 0, &info, WEXITED | WNOHANG |
		    WNOWAIT) < 0 || info.si_pid)
			return;
		p[0] = (struct pollfd){ .fd = s->control, .events = POLLIN };
		sandbox_relay_poll(relay, p + 1);
		if (poll(p, 1 + SANDBOX_RELAY_FDS, 500) <= 0)
			continue;
		/* the guest says no more here; when it ends the line does */
		if (p[0].revents && read(s->control, &c, 1) <= 0)
			return;
		if (sandbox_relay_step(relay, s, p + 1) < 0)
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
	if (s->control >= 0)
		close(s->control);
	sandbox_remove_files(s);
}
