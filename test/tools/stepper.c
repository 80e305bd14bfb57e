/*
 * stepper kill|term|ERRNO|once:ERRNO N COMMAND...: runs a command and, at its
 * Nth system call that changes something outside of it, kills it, or sends it
 * SIGTERM, or makes that call (once) or that and every one like it after it
 * fail with ERRNO.
 *
 * stepper count FILE COMMAND...: writes the number of such calls to FILE.
 *
 * Counted in the main thread: writes to other files than standard error and
 * output, truncations, syncs, creations, links, renames, removals.  "send"
 * (to the database) is counted for kill, term and count alone.  Exit status:
 * that of the command; 137 killed; 99 it ended before its Nth call.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <linux/ptrace.h>
#include <unistd.h>

enum { NEVER_REACHED = 99 };

/* 1 changes something, 2 takes room on a disk too */
static int
weight(const struct ptrace_syscall_info *i)
{
	switch (i->entry.nr) {
	case SYS_write:
	case SYS_pwrite64:
	case SYS_writev:
		return i->entry.args[0] > 2 ? 2 : 0;
	case SYS_openat:
		return i->entry.args[2] & O_CREAT ? 2 : 0;
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_syncfs:
	case SYS_ftruncate:
	case SYS_renameat:
	case SYS_renameat2:
	case SYS_linkat:
	case SYS_mkdirat:
#ifdef SYS_rename
	case SYS_rename:
	case SYS_link:
	case SYS_mkdir:
#endif
		return 2;
	case SYS_unlinkat:
#ifdef SYS_unlink
	case SYS_unlink:
#endif
	case SYS_sendto:
		return 1;
	default:
		return 0;
	}
}

#ifdef __x86_64__
static void
fail_call(pid_t pid, long result, int entering)
{
	struct user_regs_struct r;

	ptrace(PTRACE_GETREGS, pid, NULL, &r);
	if (entering)
		r.orig_rax = (unsigned long long)-1;
	else
		r.rax = (unsigned long long)result;
	ptrace(PTRACE_SETREGS, pid, NULL, &r);
}
#else
static void
fail_call(pid_t pid, long result, int entering)
{
	(void)pid, (void)result, (void)entering;
	errx(1, "making calls fail is for x86-64 only");
}
#endif

static long seen;

static int
follow(pid_t pid, int error, int once, long n, int term)
{
	struct ptrace_syscall_info info;
	int status, deliver = 0, failing = 0;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, (long)deliver) < 0 ||
		    waitpid(pid, &status, 0) < 0)
			err(1, "ptrace");
		if (WIFSIGNALED(status))
			return 128 + WTERMSIG(status);
		if (WIFEXITED(status))
			return seen < n ? NEVER_REACHED : WEXITSTATUS(status);
		deliver = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 :
		    WSTOPSIG(status);
		if (deliver == SIGTRAP)
			deliver = 0;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
		if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
			if (failing)
				fail_call(pid, -error, 0);
			failing = 0;
			continue;
		}
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY ||
		    weight(&info) < (error ? 2 : 1) || ++seen < n ||
		    (once && seen > n))
			continue;
		if (!error && term) {
			if (seen == n)
				kill(pid, SIGTERM);
			continue;
		}
		if (!error) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return 128 + SIGKILL;
		}
		failing = 1;
		fail_call(pid, 0, 1);
	}
}

static void
write_count(const char *file)
{
	FILE *f = fopen(file, "w");

	if (!f || fprintf(f, "%ld\n", seen) < 0 || fclose(f) == EOF)
		err(1, "%s", file);
}

int
main(int argc, char **argv)
{
	int status, error = 0, once, count, term;
	pid_t pid;

	if (argc < 4)
		errx(64, "usage: stepper kill|term|ERRNO|once:ERRNO N "
		    "COMMAND...\n       stepper count FILE COMMAND...");
	count = !strcmp(argv[1], "count");
	term = !strcmp(argv[1], "term");
	once = !strncmp(argv[1], "once:", 5);
	if (strcmp(argv[1], "kill") && !term && !count)
		error = atoi(argv[1] + (once ? 5 : 0));
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execvp(argv[3], argv + 3);
		err(127, "%s", argv[3]);
	}
	waitpid(pid, &status, 0);
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD |
	    PTRACE_O_EXITKILL) < 0)
		err(1, "ptrace");
	status = follow(pid, error, once, count ? LONG_MAX : atol(argv[2]),
	    term);
	if (count)
		write_count(argv[2]);
	return status;
}
