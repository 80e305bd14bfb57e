#define _GNU_SOURCE
#include "magic_pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/procstat.h"

enum { TIMEOUT_MS = 10000, ANSWER = 256 };

struct magic_slot {
	pid_t pid;		/* 0: not started */
	int fd;
	int busy;
	int64_t until;
	void *job;
};

struct worker {
	magic_t magic;
	int fd;
};

/*
 * A question is its length and its bytes, an answer 256 bytes with a text; the
 * first byte is 0 where there is no answer.
 */
static int
work(void *arg)
{
	const struct worker *w = arg;
	static char head[MIME_HEAD];
	char answer[ANSWER];
	uint32_t len;

	while (read_full(w->fd, &len, sizeof len) == sizeof len) {
		const char *mime;

		if (len > sizeof head ||
		    read_full(w->fd, head, len) != (ssize_t)len)
			return EXIT_FAILED;
		mime = magic_buffer(w->magic, head, len);
		memset(answer, 0, sizeof answer);
		if (mime)
			strncpy(answer, mime, sizeof answer - 1);
		if (write_all(w->fd, answer, sizeof answer) < 0)
			return EXIT_FAILED;
	}
	return EXIT_DONE;
}

void
magic_pool_open(struct magic_pool *p)
{
	const char *why;

	signal(SIGPIPE, SIG_IGN);
	p->magic = mime_open(MAGIC_MIME, &why);
	if (!p->magic)
		die(EXIT_FAILED, "no MIME types: %s", why);
	p->running = 0;
	p->slot = xcalloc(p->slots, sizeof *p->slot);
}

static int
start_worker(struct magic_pool *p, struct magic_slot *s)
{
	struct worker w = { .magic = p->magic };
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	w.fd = fds[1];
	s->pid = bounded_start(work, &w, fds[1], BOUNDED_NONE);
	err = errno;
	close(fds[1]);
	if (s->pid < 0) {
		close(fds[0]);
		s->pid = 0;
		errno = err;
		return -1;
	}
	s->fd = fds[0];
	return 0;
}

/* The signal that ended it, 0: none. */
static int
end_worker(struct magic_slot *s, int force)
{
	int status = 0;

	if (force)
		kill(s->pid, SIGKILL);
	close(s->fd);
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	s->pid = 0;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int
magic_pool_start(struct magic_pool *p, const void *head, size_t len,
    void *job)
{
	struct magic_slot *s = p->slot;
	uint32_t n = (uint32_t)len;

	while (s->busy)
		s++;
	if (!s->pid && start_worker(p, s) < 0)
		return -1;
	s->job = job;
	s->busy = 1;
	s->until = monotonic_ms() + TIMEOUT_MS;
	p->running++;
	/* one that has died is seen when there is no answer */
	if (write_all(s->fd, &n, sizeof n) == 0)
		write_all(s->fd, head, len);
	return 0;
}

static void
finish(struct magic_pool *p, struct magic_slot *s, int timed_out,
    void (*done)(void *job, const struct magic_answer *a))
{
	struct magic_answer a = { .timed_out = timed_out };
	char answer[ANSWER], *charset;

	s->busy = 0;
	p->running--;
	if (timed_out || read_full(s->fd, answer, sizeof answer) !=
	    sizeof answer) {
		a.signal = end_worker(s, timed_out);
		done(s->job, &a);
		return;
	}
	answer[sizeof answer - 1] = '\0';
	charset = strstr(answer, "; charset=");
	if (charset) {
		*charset = '\0';
		a.charset = charset + strlen("; charset=");
	}
	/* what libmagic makes up is text; only a type has a slash */
	if (strchr(answer, '/') && utf8_valid(answer, strlen(answer)))
		a.type = answer;
	done(s->job, &a);
}

void
magic_pool_step(struct magic_pool *p, int timeout_ms,
    void (*done)(void *job, const struct magic_answer *a))
{
	struct pollfd *fds = xcalloc(p->slots, sizeof *fds);
	int64_t now;
	unsigned int i;

	for (i = 0; i < p->slots; i++) {
		fds[i].fd = p->slot[i].busy ? p->slot[i].fd : -1;
		fds[i].events = POLLIN;
	}
	if (poll(fds, p->slots, timeout_ms) >= 0) {
		now = monotonic_ms();
		for (i = 0; i < p->slots; i++) {
			struct magic_slot *s = &p->slot[i];

			if (s->busy && (fds[i].revents || now >= s->until))
				finish(p, s, !fds[i].revents, done);
		}
	}
	free(fds);
}

void
magic_pool_close(struct magic_pool *p)
{
	unsigned int i;

	for (i = 0; p->slot && i < p->slots; i++)
		if (p->slot[i].pid)
			end_worker(&p->slot[i], 1);
	free(p->slot);
	p->slot = NULL;
	if (p->magic)
		magic_close(p->magic);
}
