#define _GNU_SOURCE
#include "base/bounded.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/spawn.h"

enum { NOBODY = 65534, LAST_WAIT_MS = 1000 };

#if defined(__x86_64__)
enum { NATIVE = (int)AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { NATIVE = (int)AUDIT_ARCH_AARCH64 };
#else
enum { NATIVE = 0 };
#endif

/* What reading a descriptor, memory and a sanitizer's report need. */
static const int allowed[] = {
	SYS_read, SYS_pread64, SYS_lseek, SYS_fstat, SYS_newfstatat,
	SYS_close, SYS_write, SYS_ioctl, SYS_fadvise64,
	SYS_memfd_create, SYS_ftruncate,
	SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise,
	SYS_futex, SYS_getrandom, SYS_clock_gettime, SYS_sched_yield,
	SYS_getpid, SYS_gettid, SYS_tgkill, SYS_sigaltstack,
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_exit, SYS_exit_group
};

enum { CALLS = sizeof allowed / sizeof allowed[0], HEAD = 4 };

/* Every other call fails with EPERM; opening, sending, executing, all. */
static int
allow_few_calls(void)
{
	struct sock_filter code[HEAD + CALLS + 2];
	struct sock_fprog program = {
		.len = sizeof code / sizeof code[0], .filter = code
	};
	unsigned short i;

	if (!NATIVE)
		return 0;
	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, arch));
	code[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
	    (unsigned int)NATIVE, 1, 0);
	code[2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_KILL_PROCESS);
	code[3] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, nr));
	for (i = 0; i < CALLS; i++)
		code[HEAD + i] = (struct sock_filter)BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)allowed[i],
		    (unsigned char)(CALLS - i), 0);
	code[HEAD + CALLS] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ERRNO | EPERM);
	code[HEAD + CALLS + 1] = (struct sock_filter)BPF_STMT(
	    BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int
become_nobody(void)
{
	return setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0 ? -1 : 0;
}

static int
give_up_rights(void)
{
	static const struct rlimit none = { 0, 0 };
	int still_root = 0;

	if (setrlimit(RLIMIT_CORE, &none) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	if (geteuid() == 0 && become_nobody() < 0) {
		/* it has no rights, but who gave them up keeps his number */
		still_root = errno == EPERM;
		if (!still_root || !NATIVE)
			return -1;
	}
	/* a kernel without seccomp still has everything above */
	if (allow_few_calls() < 0 && (still_root ||
	    (errno != EINVAL && errno != ENOSYS)))
		return -1;
	return 0;
}

static int held = -1;

void
bounded_hold(int lock)
{
	held = lock;
}

static void
close_all_but(int one, int other)
{
	int null = open("/dev/null", O_RDWR), fd;
	int low = one < other ? one : other, high = one < other ? other : one;
	unsigned int from = STDERR_FILENO + 1;

	for (fd = 0; fd <= STDERR_FILENO; fd++)
		if (null >= 0)
			dup2(null, fd);
	if (low > STDERR_FILENO) {
		if ((unsigned int)low > from)
			close_range(from, (unsigned int)low - 1, 0);
		from = (unsigned int)low + 1;
	}
	if (high > STDERR_FILENO && high != low) {
		if ((unsigned int)high > from)
			close_range(from, (unsigned int)high - 1, 0);
		from = (unsigned int)high + 1;
	}
	close_range(from, ~0U, 0);
}

static void __attribute__((noreturn))
child_main(int (*work)(void *arg), void *arg, int keep,
    enum bounded_rights rights, pid_t parent)
{
	/* nothing is mounted behind the back of who comes after a kill */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILED);
	signal(SIGINT, SIG_IGN);	/* the parent decides */
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	close_all_but(keep, rights == BOUNDED_SAME ? held : -1);
	if (rights == BOUNDED_NONE && give_up_rights() < 0)
		abort();
	_exit(work(arg));
}

pid_t
bounded_start(int (*work)(void *arg), void *arg, int keep,
    enum bounded_rights rights)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		child_main(work, arg, keep, rights, parent);
	return pid;
}

int
bounded_run(int (*work)(void *arg), void *arg, int keep, int timeout_ms,
    enum bounded_rights rights)
{
	struct child child = { .name = "bounded" };
	int status, err;

	child.pid = bounded_start(work, arg, keep, rights);
	if (child.pid < 0)
		return -1;
	status = child_wait_for(&child, timeout_ms);
	if (status < 0) {
		err = errno;
		kill(child.pid, SIGKILL);
		/* one in uninterruptible sleep is left to init */
		child_wait_for(&child, LAST_WAIT_MS);
		errno = err;
		return -1;
	}
	if (status > EXIT_SIGNAL) {
		errno = EBADMSG;
		return -1;
	}
	return status;
}
