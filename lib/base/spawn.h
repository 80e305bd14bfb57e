/*
 * Other programs: argument vectors only, no shell.
 *
 * Every child is reaped by name; a program that could not be executed is
 * reported by the parent with the reason of exec(2), through a pipe.
 */
#ifndef NTT_SPAWN_H
#define NTT_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

struct child {
	pid_t pid;		/* 0: not running */
	const char *name;	/* argv[0] as it was given */
};

/* Where the standard descriptors of a child come from. */
struct spawn_io {
	/* -1: inherited; SPAWN_NULL: /dev/null; err SPAWN_OUT: as out */
	int in, out, err;
	/* a descriptor that keeps its number in the child; 0: none */
	int keep;
	/* a process group to join, or to lead; 0: ours */
	pid_t group;
	unsigned int detach : 1;	/* a session of its own */
	unsigned int chdir_root : 1;	/* in "/", not where we are */
	/* in the child, just before exec: 0, or -1 with errno */
	int (*prepare)(void *arg);
	void *arg;
};

enum { SPAWN_NULL = -2, SPAWN_OUT = -3, SPAWN_NEW_GROUP = -1 };

#define SPAWN_INHERIT { -1, -1, -1, 0, 0, 0, 0, NULL, NULL }

/*
 * argv[0] without a slash is looked for beside this program's own binary and
 * then in PATH.  io NULL: everything inherited.  Descriptors above 2 are
 * closed in the child, but for io->keep; unless it is detached, the child gets
 * SIGTERM when this process dies.  Returns 0, or -1 with errno
 * (ENOENT: not found) and nothing to reap.
 */
int spawn(struct child *child, char *const argv[], const struct spawn_io *io);

/*
 * The exit status, 128 + n for a signal.  EINTR is retried: a caller that
 * wants ^C to reach the child has it in the same process group, or uses
 * sig_forward().
 */
int child_wait(struct child *child);
/* Milliseconds to wait; -1 with errno ETIMEDOUT when it still runs. */
int child_wait_for(struct child *child, int timeout_ms);
/* TERM, then KILL after grace_ms; the exit status as child_wait(). */
int child_stop(struct child *child, int grace_ms);

/* spawn() and child_wait(); EXIT_NOPROG or EXIT_NOEXEC if it could not run. */
int run(char *const argv[], const struct spawn_io *io);
/*
 * run() with standard output appended to out, at most max bytes; killed after
 * timeout_ms (0: none) with EXIT_SIGNAL + SIGKILL.  Standard error goes where
 * io says.
 */
int run_capture(char *const argv[], const struct spawn_io *io,
	struct buf *out, size_t max, int timeout_ms);

/* The path spawn() would execute; caller frees, NULL if there is none. */
char *program_path(const char *name);

/* Is it there for this program, or for root in /usr/sbin? */
int program_installed(const char *name);

/* The words of a command as a person would type it. */
void argv_words(struct buf *b, char *const argv[]);

#endif
