/*
 * A process that makes an answer, and what came from it so far.
 */
#ifndef NTT_WEB_JOB_H
#define NTT_WEB_JOB_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "reply.h"
#include "request.h"

struct job {
	pid_t pid;		/* 0: it was reaped */
	int fd;			/* -1: it has said all */
	int status;		/* exit status, 128 + n; valid when fd is -1 */
	int64_t deadline;	/* of its head, monotonic_ms(); 0: none */
	int late;		/* it was killed for that */
	struct buf in;		/* head, headers, the beginning of the body */
	size_t taken;		/* of in */
	struct reply_head head;	/* valid when has_head */
	int has_head;
};

/* For a request, or NULL: to count (count.h).  NULL with errno. */
struct job *job_start(const struct request *r, int64_t deadline);
/* Reads what has come of the head: 1 when it is there, or nothing will come. */
int job_listen(struct job *j);
/* A part of the body: its length; 0: nothing yet; -1: the end. */
ssize_t job_read(struct job *j, char *bytes, size_t most);
/* It ended as it should. */
int job_is_good(const struct job *j);
/* A header of the answer after *at, which begins as 0: 1, or 0 at the end. */
int job_header(const struct job *j, size_t *at, const char **name,
	const char **value);
void job_kill(struct job *j);
void job_free(struct job *j);
/* Takes leave of those that were killed. */
void job_reap(void);

#endif
