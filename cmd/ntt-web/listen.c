#define _GNU_SOURCE
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/num.h"

enum { FIRST_GIVEN = 3, BACKLOG = 4096 };	/* sd_listen_fds(3) */

static char *made;	/* the name of a Unix socket that is ours */

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static int
is_loopback(const union address *a)
{
	return a->any.sa_family == AF_INET ?
	    ntohl(a->in.sin_addr.s_addr) >> 24 == 127 :
	    a->any.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

/* What an open socket listens to. */
static void
describe(struct listening *l)
{
	union address a;
	socklen_t len = sizeof a;
	char text[INET6_ADDRSTRLEN] = "";

	memset(&a, 0, sizeof a);
	if (getsockname(l->fd, &a.any, &len) < 0)
		die_errno("could not look at the socket: %m");
	l->is_unix = a.any.sa_family == AF_UNIX;
	if (l->is_unix) {
		l->shown = xasprintf("%.*s", (int)sizeof a.un.sun_path,
		    a.un.sun_path);
		return;
	}
	if (!is_loopback(&a))
		die_usage("only the loopback or a Unix socket is listened to: "
		    "others can read what is sent over a network");
	if (a.any.sa_family == AF_INET) {
		l->port = ntohs(a.in.sin_port);
		inet_ntop(AF_INET, &a.in.sin_addr, text, sizeof text);
		l->shown = xasprintf("http://%s:%d", text, l->port);
	} else {
		l->port = ntohs(a.in6.sin6_port);
		l->shown = xasprintf("http://[::1]:%d", l->port);
	}
}

static int
take_given(struct listening *l)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	uint64_t number;

	if (!pid || !n || num_u64(pid, 1, INT32_MAX, &number) < 0 ||
	    (pid_t)number != getpid())
		return 0;
	if (num_u64(n, 1, 1, &number) < 0)
		die_usage("systemd gave %s sockets, and one is needed",
		    quoted(n));
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	l->fd = FIRST_GIVEN;
	l->given = 1;
	if (fcntl(l->fd, F_SETFD, FD_CLOEXEC) < 0)
		die_errno("could not use the socket of systemd: %m");
	return 1;
}

static void
open_loopback(struct listening *l, const char *where)
{
	const char *colon = strrchr(where, ':');
	union address a;
	socklen_t len;
	uint64_t port;
	char *host;
	int one = 1;

	memset(&a, 0, sizeof a);
	if (!colon || num_u64(colon + 1, 0, 65535, &port) < 0)
		die_usage("--listen needs ADDRESS:PORT or unix:PATH, not %s",
		    quoted(where));
	host = xasprintf("%.*s", (int)(colon - where), where);
	if (inet_pton(AF_INET, !strcmp(host, "localhost") ? "127.0.0.1" :
	    host, &a.in.sin_addr) == 1) {
		a.any.sa_family = AF_INET;
		a.in.sin_port = htons((uint16_t)port);
		len = sizeof a.in;
	} else if (!strcmp(host, "[::1]")) {
		a.any.sa_family = AF_INET6;
		a.in6.sin6_addr = in6addr_loopback;
		a.in6.sin6_port = htons((uint16_t)port);
		len = sizeof a.in6;
	} else {
		die_usage("--listen needs an address of the loopback, not %s",
		    quoted(host));
	}
	free(host);
	if (!is_loopback(&a))
		die_usage("--listen needs an address of the loopback, not %s: "
		    "others can read what is sent over a network",
		    quoted(where));
	l->fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one,
	    sizeof one) < 0 || bind(l->fd, &a.any, len) < 0 ||
	    listen(l->fd, BACKLOG) < 0)
		die_errno("could not listen to %s: %m", quoted(where));
}

/* A socket that a killed run left: nobody answers at it. */
static void
remove_stale(const union address *a, socklen_t len, const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return;
	if (!S_ISSOCK(st.st_mode))
		die(EXIT_FAILED, "%s is there and is no socket",
		    quoted(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die_errno("could not make a socket: %m");
	if (connect(fd, &a->any, len) == 0)
		die(EXIT_REFUSED, "somebody listens to %s already",
		    quoted(path));
	if (errno == ECONNREFUSED && unlink(path) < 0)
		die_errno("could not remove %s: %m", quoted(path));
	close(fd);
}

static void
open_unix(struct listening *l, const char *path)
{
	union address a;
	socklen_t len = sizeof a.un;
	mode_t mask;
	int rc;

	memset(&a, 0, sizeof a);
	a.un.sun_family = AF_UNIX;
	if (*path != '/' || strlen(path) >= sizeof a.un.sun_path)
		die_usage("--listen unix: needs an absolute path of at most "
		    "%zu bytes, not %s", sizeof a.un.sun_path - 1,
		    quoted(path));
	strcpy(a.un.sun_path, path);
	remove_stale(&a, len, path);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		die_errno("could not make a socket: %m");
	/* the group is that of the web server in front */
	mask = umask(0117);
	rc = bind(l->fd, &a.any, len);
	umask(mask);
	if (rc < 0 || listen(l->fd, BACKLOG) < 0)
		die_errno("could not listen to %s: %m", quoted(path));
	made = xstrdup(path);
}

void
listen_start(struct listening *l, const char *where)
{
	memset(l, 0, sizeof *l);
	if (where && !strncmp(where, "unix:", 5))
		open_unix(l, where + 5);
	else if (where || !take_given(l))
		open_loopback(l, where ? where : "127.0.0.1:8034");
	describe(l);
	/* whoever is faster must not make the server wait */
	if (fcntl(l->fd, F_SETFL, O_NONBLOCK) < 0)
		die_errno("could not use the socket: %m");
}

void
listen_end(struct listening *l)
{
	close(l->fd);
	if (made)
		unlink(made);
}
