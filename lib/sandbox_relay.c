#define _GNU_SOURCE
#include "sandbox_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "buf.h"
#include "fsutil.h"
#include "raw.h"
#include "sandbox.h"

enum { BLOCK = 64 << 10, QUEUE = 8, QUESTION_S = 5 };

enum { LISTENER, CLIENT, LINE };

static int
listen_at(struct sandbox_relay *r, int everybody)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s",
	    r->run_dir, r->name);
	unlinkat(r->run_dir, r->name, 0);
	r->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (r->listener < 0 ||
	    bind(r->listener, (struct sockaddr *)&a, sizeof a) < 0 ||
	    fchmodat(r->run_dir, r->name, everybody ? 0666 : 0600, 0) < 0)
		return -1;
	return listen(r->listener, QUEUE);
}

int
sandbox_relay_open(struct sandbox_relay *r, const char *run_dir,
    const char *hash, int line, int everybody)
{
	memset(r, 0, sizeof *r);
	r->listener = r->client = -1;
	r->line = line;
	r->name = sandbox_socket_name(hash);
	r->bytes = xmalloc(BLOCK);
	r->run_dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r->run_dir < 0 ? -1 : listen_at(r, everybody);
}

void
sandbox_relay_close(struct sandbox_relay *r)
{
	if (r->listener >= 0)
		unlinkat(r->run_dir, r->name, 0);
	if (r->listener >= 0)
		close(r->listener);
	if (r->client >= 0)
		close(r->client);
	if (r->run_dir >= 0)
		close(r->run_dir);
	if (r->line >= 0)
		close(r->line);
	r->listener = r->client = r->run_dir = r->line = -1;
	free(r->name);
	free(r->bytes);
}

static void
drop_client(struct sandbox_relay *r)
{
	close(r->client);
	r->client = -1;
	r->from = r->to = 0;
}

/* A string of len bytes from the client; NULL when there is none. */
static char *
receive(int fd, uint32_t len)
{
	char *text = xcalloc((size_t)len + 1, 1);

	if (read_full(fd, text, len) == (ssize_t)len && strlen(text) == len)
		return text;
	free(text);
	return NULL;
}

static uint32_t
volume_at(const struct sandbox *s, const char *point)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (s->volumes[i].ok && !strcmp(s->volumes[i].point, point))
			return (uint32_t)i + 1;
	return 0;
}

/* The question as an order to the walker; 0, or -1 when it is none. */
static int
pass_on(struct sandbox_relay *r, const struct sandbox *s)
{
	struct sandbox_question q;
	struct sandbox_order o = { 0, 0, 0 };
	char *point = NULL, *path = NULL;

	if (read_full(r->client, &q, sizeof q) == (ssize_t)sizeof q &&
	    q.point_len <= RAW_PATH_MAX && q.path_len <= RAW_PATH_MAX &&
	    (point = receive(r->client, q.point_len)) &&
	    (path = receive(r->client, q.path_len))) {
		o.volume = volume_at(s, point);
		o.path_len = q.path_len;
		o.kind = q.kind;
	}
	if (o.volume && (write_all(r->line, &o, sizeof o) < 0 ||
	    write_all(r->line, path, o.path_len) < 0))
		o.volume = 0;
	free(point);
	free(path);
	return o.volume ? 0 : -1;
}

static void
take_client(struct sandbox_relay *r, const struct sandbox *s)
{
	/* who asks asks at once */
	struct timeval limit = { .tv_sec = QUESTION_S };

	r->client = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	if (r->client < 0)
		return;
	setsockopt(r->client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (pass_on(r, s) == 0)
		r->walking = 1;
	else
		drop_client(r);
}

/* Follows the frames in what the walker said, to see the last one end. */
static void
follow(struct sandbox_relay *r, const char *p, size_t n)
{
	size_t part;

	while (n > 0 && r->walking) {
		if (r->frame_have < sizeof r->frame) {
			part = sizeof r->frame - r->frame_have;
			part = part < n ? part : n;
			memcpy((char *)&r->frame + r->frame_have, p, part);
			r->frame_have += part;
			r->frame_left = r->frame.len;
		} else {
			part = r->frame_left < n ? r->frame_left : n;
			r->frame_left -= part;
		}
		p += part;
		n -= part;
		if (r->frame_have < sizeof r->frame || r->frame_left > 0)
			continue;
		r->frame_have = 0;
		r->walking = r->frame.kind != SANDBOX_END;
	}
}

static int
hear_walker(struct sandbox_relay *r)
{
	ssize_t n = read(r->line, r->bytes, BLOCK);

	if (n <= 0)
		return n < 0 && errno == EINTR ? 0 : -1;
	follow(r, r->bytes, (size_t)n);
	r->from = 0;
	r->to = r->client >= 0 ? (size_t)n : 0;
	return 0;
}

static void
tell_client(struct sandbox_relay *r)
{
	ssize_t n = send(r->client, r->bytes + r->from, r->to - r->from,
	    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0)
		r->from += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		drop_client(r);
}

void
sandbox_relay_poll(const struct sandbox_relay *r, struct pollfd *p)
{
	int full = r->from < r->to;

	p[LISTENER] = (struct pollfd){ .events = POLLIN,
		.fd = r->walking || r->client >= 0 ? -1 : r->listener };
	/* its end is always told */
	p[CLIENT] = (struct pollfd){ .fd = r->client,
		.events = full ? POLLOUT : 0 };
	p[LINE] = (struct pollfd){ .fd = full ? -1 : r->line,
		.events = POLLIN };
}

int
sandbox_relay_step(struct sandbox_relay *r, const struct sandbox *s,
    const struct pollfd *p)
{
	if (p[LISTENER].revents & POLLIN)
		take_client(r, s);
	if (r->client >= 0 && p[CLIENT].revents & (POLLHUP | POLLERR))
		drop_client(r);
	else if (r->client >= 0 && p[CLIENT].revents & POLLOUT)
		tell_client(r);
	if (p[LINE].revents && hear_walker(r) < 0)
		return -1;
	if (r->client >= 0 && !r->walking && r->from == r->to)
		drop_client(r);
	return 0;
}
