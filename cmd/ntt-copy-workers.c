/*
 * ntt-copy-workers: N copiers of one medium; signals forwarded, every child
 * reaped by name, the worst result reported.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/pidlist.h"
#include "base/procstat.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/rotating.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "sql/statements.h"

enum { MOST_WORKERS = 64, GRACE_SECONDS = 60 };

static uint64_t limit, dry_run;	/* 0: not given */
static unsigned int workers;
static int wait_for_them;
static char *medium;
static struct child children[MOST_WORKERS];
static pid_t group;		/* of all of them, also when the first has ended */
static int running;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 'w', "workers", "N",
		"copiers (default CPUs + 1, at most 4; 1 on a rotating disk)",
		OPT_UINT(&workers, 1, MOST_WORKERS) },
	{ 'l', "limit", "N", "each copier stops after N inodes",
		OPT_U64(&limit, 1, UINT64_MAX) },
	{ 0, "wait", NULL, "stay until they have ended",
		OPT_FLAG(&wait_for_them) },
	{ 0, "dry-run", "N", "show the first N inodes, start nothing",
		OPT_U64(&dry_run, 1, UINT64_MAX) },
	OPT_END
};

static const struct prog prog = {
	"ntt-copy-workers",
	"[-w N] [-l N] [--wait] [--dry-run N] MEDIUM",
	"Copy a medium with several copiers at once"
};

static unsigned int
default_workers(PGconn *db)
{
	enum { USUAL = 4 };
	PGresult *res = db_query(db, sql_copy_workers_source, medium);
	unsigned int most = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN) + 1;
	unsigned int n = USUAL;

	if (!res)
		db_die("could not look at %s", medium);
	if (is_rotating(db_text(res, 0, 0)) == 1)
		n = 1;
	else if (n > most)
		n = most;
	PQclear(res);
	return n;
}

static void
run_dry(void)
{
	char *n = xasprintf("%" PRIu64, dry_run);
	char *argv[] = { (char *)"ntt-copier", (char *)"-m", medium,
		(char *)"--dry-run", (char *)"--limit", n, NULL };

	exit(run(argv, NULL));
}

static void
start(void)
{
	char *argv[] = { (char *)"ntt-copier", (char *)"-m", medium,
		(char *)"--progress=never", NULL, NULL, NULL };
	struct spawn_io io = SPAWN_INHERIT;
	struct pidlist_entry entries[MOST_WORKERS];
	char *path = pidlist_path();
	unsigned int i;

	if (limit) {
		argv[4] = (char *)"--limit";
		argv[5] = xasprintf("%" PRIu64, limit);
	}
	io.in = SPAWN_NULL;
	io.group = SPAWN_NEW_GROUP;
	for (i = 0; i < workers; i++) {
		if (spawn(&children[i], argv, &io) < 0)
			die(EXIT_NOPROG, "could not run ntt-copier: %m");
		io.group = group = children[0].pid;
		running++;
		memset(&entries[i], 0, sizeof entries[i]);
		entries[i].pid = children[i].pid;
		entries[i].start = process_start_time(children[i].pid);
		snprintf(entries[i].medium, sizeof entries[i].medium, "%s",
		    medium);
	}
	if (pidlist_add(path, entries, workers) < 0)
		warn("could not write %s: %m; ntt-stop-workers will not find "
		    "them", quoted(path));
	free(path);
}

/* From best to worst; a signal is worse than any exit. */
static int
worse(int a, int b)
{
	static const int order[] = { EXIT_DONE, EXIT_REFUSED, EXIT_PARTIAL,
		EXIT_AGAIN, EXIT_FAILED };
	int i, rank_a = 9, rank_b = 9;

	for (i = 0; i < (int)(sizeof order / sizeof order[0]); i++) {
		if (a == order[i])
			rank_a = i;
		if (b == order[i])
			rank_b = i;
	}
	return rank_b > rank_a ? b : a;
}

static void
show_progress(PGconn *db)
{
	PGresult *res = db ? db_query(db, sql_copy_workers_progress, medium) :
	    NULL;
	static int started;

	if (!res)
		return;
	if (!started && db_int(res, 0, 1) > 0) {
		progress_start("copying", "", PROGRESS_BYTES,
		    (uint64_t)db_int(res, 0, 1));
		started = 1;
	}
	progress_set((uint64_t)db_int(res, 0, 0));
	PQclear(res);
}

static void
forward(time_t *deadline)
{
	static int told;

	if (!running)
		return;
	if (sig_count() > told) {
		told = sig_count();
		kill(-group, SIGTERM);
		if (!*deadline)
			*deadline = time(NULL) + GRACE_SECONDS;
	} else if (*deadline && time(NULL) > *deadline) {
		warn("the copiers did not stop in %d seconds: killed",
		    GRACE_SECONDS);
		kill(-group, SIGKILL);
		*deadline = time(NULL) + GRACE_SECONDS;
	}
}

static void
report(int i, pid_t pid, int status)
{
	if (status > EXIT_SIGNAL && !sig_caught())
		warn("copier %d (pid %ld) was ended by signal %d", i + 1,
		    (long)pid, status - EXIT_SIGNAL);
	else if (status != EXIT_DONE && !sig_caught())
		detail("copier %d (pid %ld) ended with status %d", i + 1,
		    (long)pid, status);
}

/* Until each has ended, by name; the worst of their results. */
static int
reap(PGconn *db)
{
	enum { LOOK_MS = 200 };
	time_t deadline = 0;
	int i, status, worst = EXIT_DONE, all = (int)workers;

	while (running > 0) {
		for (i = 0; i < all; i++) {
			pid_t pid = children[i].pid;

			if (!pid)
				continue;
			status = child_wait_for(&children[i],
			    LOOK_MS / all);
			if (status < 0)
				continue;
			running--;
			report(i, pid, status);
			worst = worse(worst, status);
		}
		forward(&deadline);
		show_progress(db);
	}
	progress_stop();
	return worst;
}

/* Work that is left is a failure, whatever the copiers said. */
static int
check_queue(PGconn *db, int worst)
{
	PGresult *res;
	int left;

	if (worst != EXIT_DONE && worst != EXIT_PARTIAL)
		return worst;
	if (limit)
		return worst;
	res = db ? db_query(db,
	    "SELECT copy_done IS NULL FROM medium WHERE medium_hash = $1",
	    medium) : NULL;
	if (!res) {
		warn("could not ask the catalogue whether work is left");
		return EXIT_AGAIN;
	}
	left = PQntuples(res) == 0 || db_bool(res, 0, 0);
	PQclear(res);
	if (left)
		warn("every copier ended, but work of %s is left", medium);
	return left ? EXIT_FAILED : worst;
}

/* started: told when every copier runs; -1: nobody waits for that. */
static int
supervise(int started)
{
	PGconn *db;
	int worst;

	sig_catch();
	start();
	if (started >= 0) {
		if (write(started, "", 1) < 0)
			warn("could not tell that the copiers run: %m");
		close(started);
	}
	db = db_open();
	worst = check_queue(db, reap(db));
	PQfinish(db);
	return sig_caught() ? EXIT_SIGNAL + sig_caught() : worst;
}

static int
open_log(void)
{
	char *path = path_join(config_get(CONFIG_LOG_DIR), "ntt-copier.log");
	int fd = -1;

	if (make_dirs(config_get(CONFIG_LOG_DIR)) == 0)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
		    0644);
	if (fd < 0)
		die_errno("could not open %s: %m", quoted(path));
	free(path);
	return fd;
}

/* A supervisor of its own session stays behind and reaps them. */
static int
leave_running(void)
{
	int err = open_log(), started[2];
	pid_t pid;
	char byte;

	if (pipe2(started, O_CLOEXEC) < 0)
		die_errno("could not make a pipe: %m");
	pid = fork();
	if (pid < 0)
		die_errno("could not fork: %m");
	if (pid > 0) {
		close(started[1]);
		if (read(started[0], &byte, 1) != 1)
			die(EXIT_FAILED, "the copiers did not start; see "
			    "ntt-copier.log in %s",
			    quoted(config_get(CONFIG_LOG_DIR)));
		say("%u copiers of %s are running; ntt-stop-workers stops "
		    "them", workers, medium);
		return EXIT_DONE;
	}
	setsid();
	dup2(err, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(STDIN_FILENO);
	open("/dev/null", O_RDONLY);
	return supervise(started[1]);
}

int
main(int argc, char **argv)
{
	const char *wanted;
	PGconn *db;

	prog_start(&prog, argc, argv);
	prog_options(options);
	wanted = prog_need_medium(0, 0);
	prog_operands(0, 0);
	prog_config();
	db = db_need();
	medium = medium_named_hash(db, wanted);
	if (!workers)
		workers = default_workers(db);
	PQfinish(db);
	if (dry_run)
		run_dry();
	return wait_for_them ? supervise(-1) : leave_running();
}
