#define _GNU_SOURCE
#include "line.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/procstat.h"

enum { BLOCK = 256 << 10 };

void
line_init(struct line *l, int fd, int limit_ms)
{
	memset(l, 0, sizeof *l);
	l->fd = fd;
	l->limit_ms = limit_ms;
	l->heard = monotonic_ms();
	l->last = &l->first;
}

static struct line_pending *
shift(struct line *l)
{
	struct line_pending *p = l->first;

	l->first = p->next;
	if (!l->first)
		l->last = &l->first;
	return p;
}

void
line_free(struct line *l)
{
	while (l->first)
		free(shift(l));
	buf_free(&l->out);
	buf_free(&l->in);
}

/* Nobody waits any more; what is asked while this goes on is not told. */
static void
give_up(struct line *l, int err)
{
	struct line_pending *p;
	line_answered *answered;

	for (p = l->first; p; p = p->next) {
		answered = p->answered;
		p->answered = NULL;
		if (answered)
			answered(p->arg, err, "", 0, 1);
	}
}

void
line_end(struct line *l)
{
	l->dead = 1;
	give_up(l, ENOTCONN);
}

void
line_ask(struct line *l, const struct guest_request *request,
    const void *bytes, size_t len, line_answered *answered, void *arg)
{
	struct guest_request r = *request;
	struct line_pending *p;

	if (l->dead || (l->silent && answered)) {
		if (answered)
			answered(arg, l->dead ? ENOTCONN : ETIMEDOUT, "", 0,
			    1);
		return;
	}
	r.id = ++l->last_id;
	r.len = (uint32_t)len;
	buf_put(&l->out, &r, sizeof r);
	buf_put(&l->out, bytes, len);
	if (!answered)
		return;
	/* it starts to be late now */
	if (!l->first)
		l->heard = monotonic_ms();
	p = xcalloc(1, sizeof *p);
	p->id = r.id;
	p->answered = answered;
	p->arg = arg;
	*l->last = p;
	l->last = &p->next;
}

/* 1 when a whole answer was taken, 0 when it has not all come. */
static int
take_answer(struct line *l)
{
	const char *at = l->in.data + l->taken;
	size_t have = l->in.len - l->taken;
	struct line_pending *p = l->first;
	struct guest_answer a;

	if (have < sizeof a)
		return 0;
	memcpy(&a, at, sizeof a);
	if (!p || !guest_answer_ok(&a, p->id)) {
		line_end(l);
		return 0;
	}
	if (have - sizeof a < a.len)
		return 0;
	shift(l);
	l->taken += sizeof a + a.len;
	if (p->answered)
		p->answered(p->arg, guest_errno(a.err), at + sizeof a, a.len,
		    (a.flags & GUEST_END) != 0);
	free(p);
	return 1;
}

static void
take_answers(struct line *l)
{
	while (!l->dead && take_answer(l))
		;
	if (l->taken == l->in.len) {
		buf_reset(&l->in);
		l->taken = 0;
	} else if (l->taken > GUEST_ANSWER_MAX) {
		memmove(l->in.data, l->in.data + l->taken,
		    l->in.len - l->taken);
		l->in.len -= l->taken;
		l->taken = 0;
	}
}

void
line_hear(struct line *l, const char *bytes, size_t len)
{
	if (l->dead)
		return;
	l->silent = 0;
	buf_put(&l->in, bytes, len);
	take_answers(l);
}

static void
hear(struct line *l, long now)
{
	ssize_t n;

	buf_reserve(&l->in, BLOCK);
	n = read(l->fd, l->in.data + l->in.len, BLOCK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		line_end(l);
		return;
	}
	l->heard = now;
	l->silent = 0;
	l->in.len += (size_t)n;
	take_answers(l);
}

static void
tell(struct line *l)
{
	ssize_t n = write(l->fd, l->out.data + l->sent, l->out.len - l->sent);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		line_end(l);
	if (n > 0)
		l->sent += (size_t)n;
	if (l->sent == l->out.len) {
		buf_reset(&l->out);
		l->sent = 0;
	}
}

short
line_events(const struct line *l)
{
	if (l->dead)
		return 0;
	return (short)(POLLIN | (l->out.len ? POLLOUT : 0));
}

int
line_left(const struct line *l, long now)
{
	long left = l->heard + l->limit_ms - now;

	if (!l->first || l->silent || l->dead)
		return -1;
	return left < 0 ? 0 : (int)left;
}

void
line_step(struct line *l, short revents, long now)
{
	if (revents & POLLOUT)
		tell(l);
	if (!l->dead && revents & (POLLIN | POLLHUP | POLLERR))
		hear(l, now);
	if (line_left(l, now) == 0) {
		l->silent = 1;
		give_up(l, ETIMEDOUT);
	}
}
