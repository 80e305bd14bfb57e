#define _GNU_SOURCE
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/fsutil.h"
#include "base/procstat.h"

static char *
executable(const char *dir, size_t dir_len, const char *name)
{
	char *path = xasprintf("%.*s/%s", (int)dir_len, dir, name);

	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static char *
beside_self(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self);
	char *slash = n > 0 ? memrchr(self, '/', (size_t)n) : NULL;

	return slash ? executable(self, (size_t)(slash - self), name) : NULL;
}

char *
program_path(const char *name)
{
	const char *dir = getenv("PATH"), *end;
	char *path;

	if (strchr(name, '/'))
		return xstrdup(name);
	path = beside_self(name);
	if (!dir)
		dir = "/usr/local/bin:/usr/bin:/bin";
	for (; !path; dir = end + 1) {
		end = strchrnul(dir, ':');
		if (end > dir)
			path = executable(dir, (size_t)(end - dir), name);
		if (*end == '\0')
			break;
	}
	if (!path)
		errno = ENOENT;
	return path;
}

static void
move_fd(int from, int to)
{
	int flags;

	if (from == -1)
		return;
	if (from == SPAWN_NULL)
		from = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (from == to) {
		flags = fcntl(to, F_GETFD);
		fcntl(to, F_SETFD, flags & ~FD_CLOEXEC);
	} else {
		dup2(from, to);
	}
}

static void __attribute__((noreturn))
child_main(const char *path, char *const argv[], const struct spawn_io *io,
    int report, const sigset_t *mask, pid_t parent)
{
	int signo, err;

	for (signo = 1; signo < NSIG; signo++) {
		struct sigaction sa;

		/* ignored stays ignored, as nohup(1) wants */
		if (sigaction(signo, NULL, &sa) == 0 &&
		    sa.sa_handler != SIG_IGN && sa.sa_handler != SIG_DFL)
			signal(signo, SIG_DFL);
	}
	if (io->detach) {
		setsid();
	} else {
		/* a killed parent leaves nobody working behind its back */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(EXIT_NOPROG);
	}
	if (io->group)
		setpgid(0, io->group == SPAWN_NEW_GROUP ? 0 : io->group);
	if (io->chdir_root && chdir("/") < 0)
		_exit(EXIT_NOPROG);
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	move_fd(io->in, STDIN_FILENO);
	move_fd(io->out, STDOUT_FILENO);
	move_fd(io->err == SPAWN_OUT ? STDOUT_FILENO : io->err,
	    STDERR_FILENO);
	if (io->keep > 0)
		move_fd(io->keep, io->keep);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (!io->prepare || io->prepare(io->arg) == 0)
		execv(path, argv);
	err = errno;
	if (write(report, &err, sizeof err) < 0) {
		/* the parent is gone */
	}
	_exit(EXIT_NOPROG);
}

int
spawn(struct child *child, char *const argv[], const struct spawn_io *io)
{
	static const struct spawn_io inherit = SPAWN_INHERIT;
	char *path = program_path(argv[0]);
	sigset_t all, mask;
	int report[2], err = 0;
	pid_t pid, parent = getpid();

	child->pid = 0;
	child->name = argv[0];
	if (!path)
		return -1;
	if (pipe2(report, O_CLOEXEC) < 0) {
		free(path);
		return -1;
	}
	/* a signal between fork and exec must not run our handlers twice */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	pid = fork();
	if (pid == 0)
		child_main(path, argv, io ? io : &inherit, report[1], &mask,
		    parent);
	err = pid < 0 ? errno : 0;
	sigprocmask(SIG_SETMASK, &mask, NULL);
	close(report[1]);
	free(path);
	if (pid > 0 && read_full(report[0], &err, sizeof err) ==
	    (ssize_t)sizeof err)
		waitpid(pid, NULL, 0);
	close(report[0]);
	if (err) {
		errno = err;
		return -1;
	}
	child->pid = pid;
	return 0;
}

static int
folded(int status)
{
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) :
	    WEXITSTATUS(status);
}

int
child_wait(struct child *child)
{
	int status;

	while (waitpid(child->pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	child->pid = 0;
	return folded(status);
}

/* For poll(2), and never so long that it would be negative. */
static int
left_ms(int64_t until)
{
	int64_t left = until - monotonic_ms();

	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int
child_wait_for(struct child *child, int timeout_ms)
{
	struct pollfd p = { .events = POLLIN };
	int64_t until = monotonic_ms() + timeout_ms;
	int n;

	p.fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (p.fd < 0)
		return -1;
	do
		n = poll(&p, 1, left_ms(until));
	while (n < 0 && errno == EINTR);
	close(p.fd);
	if (n == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	return child_wait(child);
}

int
child_stop(struct child *child, int grace_ms)
{
	int status;

	kill(child->pid, SIGTERM);
	status = child_wait_for(child, grace_ms);
	if (status >= 0)
		return status;
	kill(child->pid, SIGKILL);
	return child_wait(child);
}

static int
status_for_exec(void)
{
	return errno == ENOENT ? EXIT_NOPROG : EXIT_NOEXEC;
}

int
run(char *const argv[], const struct spawn_io *io)
{
	struct child child;

	if (spawn(&child, argv, io) < 0)
		return status_for_exec();
	return child_wait(&child);
}

int
run_capture(char *const argv[], const struct spawn_io *io, struct buf *out,
    size_t max, int timeout_ms)
{
	struct spawn_io own = SPAWN_INHERIT;
	struct child child;
	struct pollfd p = { .events = POLLIN };
	int fds[2], status = -1;
	int64_t until;
	ssize_t n;

	if (io)
		own = *io;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return EXIT_NOEXEC;
	own.out = fds[1];
	n = spawn(&child, argv, &own);
	close(fds[1]);
	if (n < 0) {
		close(fds[0]);
		return status_for_exec();
	}
	p.fd = fds[0];
	until = monotonic_ms() + timeout_ms;
	for (;;) {
		char chunk[8192];
		int left = timeout_ms ? left_ms(until) : -1;

		if (left == 0)
			break;
		n = poll(&p, 1, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			break;
		n = read(fds[0], chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* it closed its output: let it end in its time */
			status = timeout_ms ?
			    child_wait_for(&child, left_ms(until)) :
			    child_wait(&child);
			break;
		}
		if (out->len + (size_t)n <= max)
			buf_put(out, chunk, (size_t)n);
	}
	close(fds[0]);
	if (status < 0) {
		kill(child.pid, SIGKILL);
		/* in uninterruptible sleep it cannot be waited for */
		if (child_wait_for(&child, 1000) < 0)
			child.pid = 0;
		status = EXIT_SIGNAL + SIGKILL;
	}
	buf_put(out, "", 0);
	return status;
}

int
program_installed(const char *name)
{
	char *path = program_path(name), *sbin = path_join("/usr/sbin", name);
	int there = path != NULL || access(sbin, X_OK) == 0;

	free(path);
	free(sbin);
	return there;
}

void
argv_words(struct buf *b, char *const argv[])
{
	int i;

	for (i = 0; argv[i]; i++) {
		if (i > 0)
			buf_putc(b, ' ');
		buf_shell(b, argv[i]);
	}
}
