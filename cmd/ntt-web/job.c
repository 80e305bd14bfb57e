#define _GNU_SOURCE
#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exits.h"
#include "answer.h"
#include "count.h"

/* Heads are small; what comes behind them waits in the pipe. */
enum { HEAD_MOST = 65536, PIPE_SIZE = 1 << 20 };

/* Killed, and not gone yet: a process may have to wait for a disk. */
static struct {
	pid_t *pids;
	size_t count, room;
} leaving;

static void __attribute__((noreturn))
be_child(const struct request *r, int fd, pid_t parent)
{
	static const int defaults[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM };
	size_t i;

	for (i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
		signal(defaults[i], SIG_DFL);
	/* what else is open belongs to other visitors */
	if (dup2(fd, STDERR_FILENO + 1) < 0 ||
	    close_range(STDERR_FILENO + 2, ~0U, 0) < 0 ||
	    fcntl(STDERR_FILENO + 1, F_SETFD, FD_CLOEXEC) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(EXIT_FAILED);
	if (r)
		answer(r, STDERR_FILENO + 1);
	count_all(STDERR_FILENO + 1);
}

struct job *
job_start(const struct request *r, int64_t deadline)
{
	struct job *j = xcalloc(1, sizeof *j);
	pid_t parent = getpid();
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		free(j);
		return NULL;
	}
	j->pid = fork();
	if (j->pid == 0)
		be_child(r, fds[1], parent);
	err = errno;
	close(fds[1]);
	/* the child of a killed one may still write, and fills the pipe */
	if (j->pid < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
		close(fds[0]);
		free(j);
		errno = err;
		return NULL;
	}
	fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE);
	j->fd = fds[0];
	j->deadline = deadline;
	return j;
}

/* It has closed its end, so it is about to end. */
static void
end(struct job *j)
{
	int status = 0;

	close(j->fd);
	j->fd = -1;
	if (j->pid > 0) {
		while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
			;
		j->pid = 0;
		j->status = WIFEXITED(status) ? WEXITSTATUS(status) :
		    EXIT_SIGNAL + WTERMSIG(status);
	}
}

/* n bytes and more; 0 as long as they may still come. */
static int
listen_for(struct job *j, size_t n)
{
	while (j->in.len < n && j->fd >= 0) {
		ssize_t got;

		buf_reserve(&j->in, n);
		got = read(j->fd, j->in.data + j->in.len, n - j->in.len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got <= 0) {
			end(j);
			break;
		}
		j->in.len += (size_t)got;
	}
	return 1;
}

int
job_listen(struct job *j)
{
	if (j->has_head)
		return 1;
	if (!listen_for(j, sizeof j->head))
		return 0;
	if (j->in.len < sizeof j->head)
		return 1;
	memcpy(&j->head, j->in.data, sizeof j->head);
	if (j->head.magic != REPLY_MAGIC || j->head.headers > HEAD_MOST)
		return 1;
	if (!listen_for(j, sizeof j->head + j->head.headers))
		return 0;
	if (j->in.len < sizeof j->head + j->head.headers)
		return 1;
	j->taken = sizeof j->head + j->head.headers;
	j->has_head = 1;
	return 1;
}

ssize_t
job_read(struct job *j, char *bytes, size_t most)
{
	ssize_t n;

	if (j->fd < 0)
		return -1;
	do
		n = read(j->fd, bytes, most);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n < 0 && errno == EAGAIN)
		return 0;
	end(j);
	return -1;
}

int
job_is_good(const struct job *j)
{
	return j->fd < 0 && j->status == EXIT_DONE && !j->late;
}

int
job_header(const struct job *j, size_t *at, const char **name,
    const char **value)
{
	const char *from = j->in.data + sizeof j->head;
	const char *end_of = from + j->head.headers, *middle, *last;

	from += *at;
	middle = from < end_of ? memchr(from, '\0', (size_t)(end_of - from)) :
	    NULL;
	last = middle ? memchr(middle + 1, '\0', (size_t)(end_of - middle -
	    1)) : NULL;
	if (!last)
		return 0;
	*name = from;
	*value = middle + 1;
	*at += (size_t)(last + 1 - from);
	return 1;
}

void
job_kill(struct job *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
	if (j->pid <= 0)
		return;
	kill(j->pid, SIGKILL);
	if (leaving.count == leaving.room) {
		leaving.room = leaving.room ? 2 * leaving.room : 16;
		leaving.pids = xrealloc(leaving.pids, leaving.room *
		    sizeof *leaving.pids);
	}
	leaving.pids[leaving.count++] = j->pid;
	j->pid = 0;
	j->status = EXIT_SIGNAL + SIGKILL;
}

void
job_reap(void)
{
	size_t i = 0;

	while (i < leaving.count) {
		if (waitpid(leaving.pids[i], NULL, WNOHANG) != 0)
			leaving.pids[i] = leaving.pids[--leaving.count];
		else
			i++;
	}
}

void
job_free(struct job *j)
{
	if (!j)
		return;
	job_kill(j);
	buf_free(&j->in);
	free(j);
}
