#define _GNU_SOURCE
#include "sig.h"

#include <errno.h>
#include <signal.h>

enum { MAX_FORWARD = 128 };

static volatile sig_atomic_t first, times;
static volatile pid_t forward[MAX_FORWARD];

static void
handler(int signo)
{
	int err = errno, i;

	if (!first)
		first = signo;
	times++;
	for (i = 0; i < MAX_FORWARD; i++)
		if (forward[i] > 0)
			kill(forward[i], signo);
	errno = err;
}

void
sig_catch(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = handler };
	struct sigaction old;
	unsigned int i;

	sigemptyset(&sa.sa_mask);
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
