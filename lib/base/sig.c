#define _GNU_SOURCE
#include "base/sig.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FORWARD = 128, MAX_SOCKETS = 8, GRACE_S = 10 };

static volatile sig_atomic_t first, times, hung_up;
static volatile pid_t forward[MAX_FORWARD];
static volatile int sockets[MAX_SOCKETS];	/* 0: none */

static void
handler(int signo)
{
	int err = errno, i;

	if (!first) {
		first = signo;
		alarm(GRACE_S);
	}
	times++;
	for (i = 0; i < MAX_FORWARD; i++)
		if (forward[i] > 0)
			kill(forward[i], signo);
	errno = err;
}

static void
hang_up(int signo)
{
	int err = errno, i;

	(void)signo;
	hung_up = 1;
	for (i = 0; i < MAX_SOCKETS; i++)
		if (sockets[i] > 0)
			shutdown(sockets[i], SHUT_RDWR);
	errno = err;
}

void
sig_hang_up(int socket)
{
	static int next;
	int i;

	for (i = 0; i < MAX_SOCKETS; i++)
		if (sockets[i] == socket)
			return;
	sockets[next++ % MAX_SOCKETS] = socket;
}

int
sig_hung_up(void)
{
	return hung_up;
}

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

void
sig_block(int wait)
{
	sigset_t set;
	unsigned int i;

	sigemptyset(&set);
	for (i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaddset(&set, signals[i]);
	sigprocmask(wait ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

void
sig_catch(void)
{
	struct sigaction sa = { .sa_handler = handler };
	struct sigaction old;
	unsigned int i;

	sigemptyset(&sa.sa_mask);
	sa.sa_handler = hang_up;
	sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = handler;
	for (i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		/* nohup(1) and background jobs said: ignore it */
		sigaction(signals[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			sigaction(signals[i], &sa, NULL);
	}
}

int
sig_caught(void)
{
	return first;
}

int
sig_count(void)
{
	return times;
}

static void
replace(pid_t from, pid_t to)
{
	int i;

	for (i = 0; i < MAX_FORWARD; i++) {
		if (forward[i] == from) {
			forward[i] = to;
			return;
		}
	}
}

void
sig_forward(pid_t pid)
{
	replace(0, pid);
}

void
sig_unforward(pid_t pid)
{
	replace(pid, 0);
}
