/*
 * ntt-stop-workers: stops the copiers that ntt-copy-workers started, and
 * nothing else that happens to have their numbers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/pidlist.h"
#include "base/procstat.h"
#include "base/prog.h"

enum { GRACE_MS = 15000 };

static const char *pidfile;
static int force;

static const struct prog_option options[] = {
	{ 0, "pidfile", "FILE", "instead of NTT_RUN_DIR/workers.pids",
		OPT_TEXT(&pidfile) },
	{ 0, "force", NULL, "kill at once, without asking first",
		OPT_FLAG(&force) },
	OPT_END
};

static const struct prog prog = {
	"ntt-stop-workers",
	"[--pidfile FILE] [--force]",
	"Stop running copiers"
};

static int
is_copier(pid_t pid)
{
	char *link = xasprintf("/proc/%ld/exe", (long)pid);
	char target[4096];
	ssize_t n = readlink(link, target, sizeof target - 1);
	char *base;

	free(link);
	if (n <= 0)
		return 0;
	target[n] = '\0';
	base = strrchr(target, '/');
	/* a binary that was replaced while it ran */
	return base && (!strcmp(base, "/ntt-copier") ||
	    !strcmp(base, "/ntt-copier (deleted)"));
}

/*
 * A descriptor that is this copier and no other process; the start time is
 * compared after the descriptor is open, when the number cannot move on.
 */
static int
open_copier(const struct pidlist_entry *e)
{
	int fd = (int)syscall(SYS_pidfd_open, e->pid, 0);

	if (fd < 0)
		return -1;
	if (process_start_time(e->pid) == e->start && is_copier(e->pid))
		return fd;
	close(fd);
	return -1;
}

static int
tell(int fd, const struct pidlist_entry *e, int signo)
{
	if (syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) == 0 ||
	    errno == ESRCH)
		return 0;
	warn("could not signal copier %ld of %s: %m", (long)e->pid,
	    e->medium);
	return -1;
}

/* 1 when the process behind fd has ended, within ms. */
static int
ended(int fd, long ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms > 0 ? (int)ms : 0) == 1;
}

static int
stop_all(const struct pidlist_entry *entries, size_t count)
{
	int *fds = xcalloc(count, sizeof *fds), status = EXIT_DONE;
	int found = 0;
	long deadline;
	size_t i;

	for (i = 0; i < count; i++) {
		fds[i] = open_copier(&entries[i]);
		if (fds[i] < 0)
			continue;
		found++;
		if (tell(fds[i], &entries[i], force ? SIGKILL : SIGTERM) < 0)
			status = EXIT_FAILED;
	}
	deadline = monotonic_ms() + GRACE_MS;
	for (i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		if (!ended(fds[i], deadline - monotonic_ms())) {
			say("copier %ld of %s did not stop in time: killed",
			    (long)entries[i].pid, entries[i].medium);
			tell(fds[i], &entries[i], SIGKILL);
			if (!ended(fds[i], GRACE_MS)) {
				warn("copier %ld of %s does not end",
				    (long)entries[i].pid, entries[i].medium);
				status = EXIT_FAILED;
			}
		}
		close(fds[i]);
	}
	free(fds);
	if (!found) {
		say("no copier is running");
		return EXIT_REFUSED;
	}
	if (status == EXIT_DONE)
		say("%d copiers stopped", found);
	return status;
}

int
main(int argc, char **argv)
{
	struct pidlist_entry *entries;
	char *path;
	int status;
	size_t count;

	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(0, 0);
	prog_config();
	path = pidfile ? xstrdup(pidfile) : pidlist_path();
	/* without one, no copier was started; one that was named should be */
	if (pidfile && access(pidfile, F_OK) < 0)
		die_errno("could not read %s: %m", quoted(pidfile));
	if (pidlist_read(path, &entries, &count) < 0) {
		if (errno == EBADMSG)
			die(EXIT_FAILED, "cannot read %s: it is no list of "
			    "copiers", quoted(path));
		die_errno("could not read %s: %m", quoted(path));
	}
	status = stop_all(entries, count);
	free(entries);
	free(path);
	return status;
}
