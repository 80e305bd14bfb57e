/*
 * Programs of others that read a container.  They run in a sandbox of
 * bubblewrap: no network, no rights, nothing to see but /usr and the files of
 * the container below /in, read-only, and limits on memory, time and what they
 * write.
 */
#ifndef NTT_RUN_ENGINE_H
#define NTT_RUN_ENGINE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/spawn.h"

struct engine_file {
	char *path;
	char *as;		/* its name below /in */
};

struct engine {
	const char *program;
	const struct engine_file *files;
	size_t count;
	const char *out;	/* a file that is /out there, or NULL */
	uint64_t most;		/* bytes of a file it writes */
	uint64_t seconds;	/* of CPU */
	/* private */
	int errors;
	uid_t uid;
};

/* 1 the program and bwrap are there; 0 and *package: Debian's of the lacking. */
int engine_there(const char *program, const char **package);

/*
 * Runs it; standard output goes to out (SPAWN_NULL: nowhere).  args is
 * NULL-terminated, without the program.  The caller waits for the child and
 * then calls engine_said(), which appends the last line of its standard error,
 * without the name of the program.  0, or -1 with errno.
 */
int engine_start(struct engine *e, const char *const args[], int out,
	struct child *child);
void engine_said(struct engine *e, struct buf *why);

/*
 * All of it within timeout_ms, or until a signal comes; output appended to out
 * (NULL: dropped), at most max bytes.  The exit status.
 */
int engine_capture(struct engine *e, const char *const args[],
	struct buf *out, size_t max, int timeout_ms, struct buf *why);

#endif
