#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/procstat.h"
#include "base/spawn.h"

enum { OUT, ERR, END, FDS, GRACE_MS = 2000, CHUNK = 65536, CHUNKS = 16 };

/* In the environment of a program without a sandbox: which one it is. */
#define MARK "NTT_EACH"

struct pool_slot {
	struct child child;
	int fd[FDS];		/* stdout, stderr, pidfd; -1: closed */
	void *job;
	int64_t started, until;
	unsigned int serial;	/* of the program, in its environment */
	int stage;		/* 0 runs, 1 got SIGTERM, 2 SIGKILL */
	struct pool_answer answer;
};

void
pool_open(struct pool *p)
{
	p->slot = xcalloc(p->slots, sizeof *p->slot);
	p->running = 0;
	/* without a pid namespace, what a program leaves behind comes to us */
	if (!p->confine->sandbox)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static struct pool_slot *
free_slot(struct pool *p)
{
	unsigned int i;

	for (i = 0; i < p->slots; i++)
		if (!p->slot[i].child.pid)
			return &p->slot[i];
	abort();
}

static void
close_fd(struct pool_slot *s, int which)
{
	if (s->fd[which] >= 0)
		close(s->fd[which]);
	s->fd[which] = -1;
}

static int
open_pipe(struct pool_slot *s, int which, int *child_end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	s->fd[which] = fds[0];
	*child_end = fds[1];
	return fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

int
pool_start(struct pool *p, char *const argv[], void *job)
{
	struct pool_slot *s = free_slot(p);
	struct spawn_io io = SPAWN_INHERIT;
	int out = -1, err = -1, rc = -1, saved;
	char serial[16];

	memset(s, 0, sizeof *s);
	s->fd[OUT] = s->fd[ERR] = s->fd[END] = -1;
	if (open_pipe(s, OUT, &out) == 0 && open_pipe(s, ERR, &err) == 0) {
		io.in = SPAWN_NULL;
		io.out = out;
		io.err = err;
		io.detach = 1;
		io.chdir_root = 1;
		io.prepare = confine_prepare;
		io.arg = p->confine;
		s->serial = ++p->serial;
		snprintf(serial, sizeof serial, "%u", s->serial);
		setenv(MARK, serial, 1);
		rc = spawn(&s->child, argv, &io);
	}
	saved = errno;
	if (out >= 0)
		close(out);
	if (err >= 0)
		close(err);
	if (rc == 0) {
		s->fd[END] = (int)syscall(SYS_pidfd_open, s->child.pid, 0);
		saved = errno;
		if (s->fd[END] < 0) {
			kill(-s->child.pid, SIGKILL);
			child_wait(&s->child);
			rc = -1;
		}
	}
	if (rc < 0) {
		close_fd(s, OUT);
		close_fd(s, ERR);
		errno = saved;
		return -1;
	}
	s->job = job;
	s->started = monotonic_ms();
	s->until = s->started + (int64_t)(p->timeout * 1000);
	p->running++;
	return 0;
}

/*
 * Takes what there is, a few chunks at most: whoever writes without end must
 * not keep us from the others.
 */
static void
drain(struct pool *p, struct pool_slot *s, int which, int chunks)
{
	static char chunk[CHUNK];
	struct buf *b = which == OUT ? &s->answer.out : &s->answer.err;
	uint64_t most = which == OUT ? p->max_output : POOL_ERRORS;

	while (s->fd[which] >= 0 && chunks-- > 0) {
		ssize_t n = read(s->fd[which], chunk, sizeof chunk);
		size_t room;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			close_fd(s, which);
			return;
		}
		if (which == OUT)
			s->answer.out_bytes += (uint64_t)n;
		room = most > b->len ? (size_t)(most - b->len) : 0;
		buf_put(b, chunk, (size_t)n < room ? (size_t)n : room);
	}
}

/* The serial in the environment of a process; 0: it has none. */
static unsigned int
serial_of(pid_t pid)
{
	char *path = xasprintf("/proc/%d/environ", (int)pid), *at;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf b = BUF_INIT;
	unsigned int serial = 0;
	ssize_t n = fd < 0 ? -1 : 1;

	free(path);
	while (n > 0 && b.len < 1 << 20) {
		buf_reserve(&b, CHUNK);
		n = read(fd, b.data + b.len, CHUNK);
		b.len += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	buf_putc(&b, '\0');
	for (at = b.data; at < b.data + b.len; at += strlen(at) + 1)
		if (!strncmp(at, MARK "=", sizeof MARK))
			serial = (unsigned int)strtoul(at + sizeof MARK, NULL,
			    10);
	buf_free(&b);
	return serial;
}

/* Is it a program that runs, or a process that one of those started? */
static int
is_running(const struct pool *p, pid_t pid)
{
	unsigned int serial = 0, i;

	for (i = 0; i < p->slots; i++)
		if (p->slot[i].child.pid == pid)
			return 1;
	serial = serial_of(pid);
	for (i = 0; i < p->slots; i++)
		if (p->slot[i].child.pid && p->slot[i].serial == serial)
			return 1;
	return 0;
}

/* Kills our children that no running program started: 1 if there were any. */
static int
kill_left(const struct pool *p)
{
	struct buf b = BUF_INIT;
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	int any = 0;
	char *at, *end;
	ssize_t n = fd < 0 ? 0 : 1;

	while (n > 0) {
		buf_reserve(&b, CHUNK);
		n = read(fd, b.data + b.len, CHUNK);
		b.len += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	buf_putc(&b, '\0');
	for (at = b.data; *at; at = end) {
		pid_t pid = (pid_t)strtol(at, &end, 10);

		if (end == at)
			break;
		if (pid <= 0 || is_running(p, pid))
			continue;
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		any = 1;
	}
	buf_free(&b);
	return any;
}

static void
finish(struct pool *p, struct pool_slot *s,
    void (*done)(void *job, const struct pool_answer *a))
{
	pid_t pid = s->child.pid;
	int which;

	s->answer.exit = child_wait(&s->child);
	s->answer.seconds = (double)(monotonic_ms() - s->started) / 1000;
	if (s->answer.exit > EXIT_SIGNAL && s->answer.exit <= EXIT_SIGNAL +
	    SIGRTMAX)
		s->answer.signal = s->answer.exit - EXIT_SIGNAL;
	/* who ends well when told to has not said all */
	if (s->answer.timed_out && s->answer.exit == 0)
		s->answer.exit = EXIT_SIGNAL + SIGTERM;
	/* without a sandbox, who left its session came to us */
	kill(-pid, SIGKILL);
	while (!p->confine->sandbox && kill_left(p))
		continue;
	for (which = OUT; which <= ERR; which++)
		drain(p, s, which, CHUNKS * 64);
	p->running--;
	for (which = 0; which < FDS; which++)
		close_fd(s, which);
	if (done)
		done(s->job, &s->answer);
	buf_free(&s->answer.out);
	buf_free(&s->answer.err);
}

/* Its time is up: SIGTERM, and after a while SIGKILL. */
static void
stop(struct pool_slot *s, int64_t now)
{
	if (s->stage == 0)
		s->answer.timed_out = 1;
	kill(-s->child.pid, s->stage == 0 ? SIGTERM : SIGKILL);
	s->stage = s->stage == 0 ? 1 : 2;
	s->until = now + GRACE_MS;
}

void
pool_step(struct pool *p, int timeout_ms,
    void (*done)(void *job, const struct pool_answer *a))
{
	struct pollfd *fds = xcalloc((size_t)p->slots * FDS, sizeof *fds);
	int64_t now = monotonic_ms(), until = now + timeout_ms;
	unsigned int i;
	int which;

	for (i = 0; i < p->slots; i++) {
		struct pool_slot *s = &p->slot[i];

		for (which = 0; which < FDS; which++) {
			fds[i * FDS + (unsigned int)which].fd = s->child.pid ?
			    s->fd[which] : -1;
			fds[i * FDS + (unsigned int)which].events = POLLIN;
		}
		if (s->child.pid && s->until < until)
			until = s->until;
	}
	if (poll(fds, (nfds_t)p->slots * FDS, until > now ?
	    (int)(until - now) : 0) < 0) {
		free(fds);
		return;
	}
	now = monotonic_ms();
	for (i = 0; i < p->slots; i++) {
		struct pool_slot *s = &p->slot[i];
		const struct pollfd *f = &fds[i * FDS];

		if (!s->child.pid)
			continue;
		for (which = OUT; which <= ERR; which++)
			if (f[which].revents)
				drain(p, s, which, CHUNKS);
		if (f[END].revents)
			finish(p, s, done);
		else if (now >= s->until)
			stop(s, now);
	}
	free(fds);
}

void
pool_close(struct pool *p)
{
	unsigned int i;

	for (i = 0; p->slot && i < p->slots; i++)
		if (p->slot[i].child.pid)
			kill(-p->slot[i].child.pid, SIGKILL);
	for (i = 0; p->slot && i < p->slots; i++)
		if (p->slot[i].child.pid)
			finish(p, &p->slot[i], NULL);
	free(p->slot);
	p->slot = NULL;
}
