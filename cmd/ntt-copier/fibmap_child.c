#define _GNU_SOURCE
#include "fibmap_child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/privilege.h"

enum { PLACES_MAX = 1 << 22 };

/* A packet with a descriptor asks; one of this size ends an answer. */
struct question {
	uint64_t size;
};
struct verdict {
	int32_t err;
};

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

static int
answer(void *arg, const struct fibmap_place *places, size_t n)
{
	int to = *(const int *)arg;

	return send(to, places, n * sizeof *places, MSG_NOSIGNAL) < 0;
}

/* 1 and a descriptor, 0 when nobody asks any more. */
static int
receive(int from, struct question *q, int *fd)
{
	struct iovec io = { q, sizeof *q };
	union control control;
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof control };
	const struct cmsghdr *c;

	if (recvmsg(from, &m, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof *q)
		return 0;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return 0;
	memcpy(fd, CMSG_DATA(c), sizeof *fd);
	return 1;
}

static void __attribute__((noreturn))
serve(int socket, const char *user)
{
	struct question q;
	int fd;

	/* it ends with who asks, not with what stops a group of processes */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "ntt-fibmap");
	if (dup2(socket, 0) < 0 || close_range(1, ~0U, 0) < 0 ||
	    privilege_keep(user, CAP_SYS_RAWIO) < 0)
		_exit(1);
	while (receive(0, &q, &fd)) {
		int to = 0;
		struct verdict v = { fibmap_walk(fd, 0, q.size, answer, &to) < 0 ?
			errno : 0 };

		close(fd);
		if (send(0, &v, sizeof v, MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

int
fibmap_start(const char *user)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		serve(ends[1], user);
	close(ends[1]);
	if (pid > 0)
		return ends[0];
	close(ends[0]);
	return -1;
}

/* ---- who asks ---- */

static int
ask(int socket, int fd, uint64_t size)
{
	struct question q = { size };
	struct iovec io = { &q, sizeof q };
	union control control = { .head = { .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd) } };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof control };

	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	return sendmsg(socket, &m, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int
fibmap_ask(int socket, int fd, uint64_t size, struct fibmap_place **places,
    size_t *count)
{
	struct fibmap_place *list = NULL, some[FIBMAP_AT_ONCE];
	struct verdict v;
	size_t n = 0;
	ssize_t got;

	if (ask(socket, fd, size) < 0)
		return -1;
	for (;;) {
		got = recv(socket, some, sizeof some, 0);
		if (got <= (ssize_t)sizeof v)
			break;
		if (n >= PLACES_MAX)
			continue;
		list = xrealloc(list, n * sizeof *list + (size_t)got);
		memcpy(list + n, some, (size_t)got);
		n += (size_t)got / sizeof *list;
	}
	v.err = ECONNRESET;
	if (got == (ssize_t)sizeof v)
		memcpy(&v, some, sizeof v);
	if (v.err == 0 && n >= PLACES_MAX)
		v.err = EFBIG;
	if (v.err == 0) {
		*places = list;
		*count = n;
		return 0;
	}
	free(list);
	errno = v.err;
	return -1;
}
