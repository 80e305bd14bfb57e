/*
 * Linked into what is measured: counts of processes that leave without
 * exit(3), that a signal ends, that another of ours kills, that may open no
 * file, or whose calls are made to fail (preload/fault.c).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int);
_Noreturn void __wrap__exit(int);
_Noreturn void __real_abort(void);
_Noreturn void __wrap_abort(void);
int __real_prctl(int, ...);
int __wrap_prctl(int, ...);
sighandler_t __real_signal(int, sighandler_t);
sighandler_t __wrap_signal(int, sighandler_t);
int __real_kill(pid_t, int);
int __wrap_kill(pid_t, int);

/* Sent before SIGKILL: the counts are written, then it kills itself. */
#define LAST_WORDS (SIGRTMAX - 3)
enum { PATIENCE = 200 };	/* milliseconds */

static volatile sig_atomic_t leaving;

/* From here on no call fails: those of the counts are not the program's. */
static void
leave(void)
{
	void (*over)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "fault_over");

	leaving = 1;
	if (over)
		over();
}

static void
dump(void)
{
	if (leaving)
		return;
	leave();
	__gcov_dump();
}

_Noreturn void
__wrap__exit(int status)
{
	dump();
	__real__exit(status);
}

_Noreturn void
__wrap_abort(void)
{
	dump();
	__real_abort();
}

/* Who is leaving already does so once. */
static void
ended(int signo)
{
	if (leaving)
		return;
	dump();
	__real_signal(signo, SIG_DFL);
	raise(signo);
}

/* What ends a process by default. */
sighandler_t
__wrap_signal(int signo, sighandler_t handler)
{
	sighandler_t old;

	if (handler == SIG_DFL && (signo == SIGTERM || signo == SIGHUP ||
	    signo == SIGINT))
		handler = ended;
	old = __real_signal(signo, handler);
	return old == ended ? SIG_DFL : old;
}

static void
killed(int signo)
{
	(void)signo;
	dump();
	__real_kill(getpid(), SIGKILL);
}

static void __attribute__((constructor))
start(void)
{
	struct sigaction sa;

	atexit(leave);
	if (sigaction(SIGTERM, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL)
		__real_signal(SIGTERM, ended);
	__real_signal(LAST_WORDS, killed);
}

/* A line of /proc/PID/status, or "". */
static void
status_of(pid_t pid, const char *field, char *line, size_t size)
{
	char name[40];
	FILE *f;

	snprintf(name, sizeof name, "/proc/%d/status", (int)pid);
	f = fopen(name, "re");
	while (f && fgets(line, (int)size, f))
		if (!strncmp(line, field, strlen(field))) {
			fclose(f);
			return;
		}
	if (f)
		fclose(f);
	*line = '\0';
}

/* It is one of ours and will listen. */
static int
listens(pid_t pid)
{
	char line[200];

	status_of(pid, "SigCgt:", line, sizeof line);
	return *line && strtoull(line + strlen("SigCgt:"), NULL, 16) >>
	    (LAST_WORDS - 1) & 1;
}

int
__wrap_kill(pid_t pid, int signo)
{
	char line[200];
	int i;

	if (signo == SIGKILL && pid > 0 && !leaving && listens(pid) &&
	    __real_kill(pid, LAST_WORDS) == 0)
		for (i = 0; i < PATIENCE; i++) {
			status_of(pid, "State:", line, sizeof line);
			if (!*line || strchr(line, 'Z'))
				break;
			usleep(1000);
		}
	return __real_kill(pid, signo);
}

int
__wrap_prctl(int what, ...)
{
	unsigned long a[4];
	va_list ap;
	int i;

	if (what == PR_SET_SECCOMP)
		return 0;
	va_start(ap, what);
	for (i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	return __real_prctl(what, a[0], a[1], a[2], a[3]);
}
