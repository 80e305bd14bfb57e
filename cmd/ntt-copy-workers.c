/*
 * ntt-copy-workers: N copiers of one medium; signals forwarded, every child
 * reaped by name, the worst result reported.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "catalogue.h"
#include "config.h"
#include "db.h"
#include "diag.h"
#include "fsutil.h"
#include "num.h"
#include "pidlist.h"
#include "procstat.h"
#include "prog.h"
#include "progress.h"
#include "rotating.h"
#include "sig.h"
#include "spawn.h"

enum { MOST_WORKERS = 64, GRACE_SECONDS = 60 };

static const char *limit, *dry_run;
static int workers;
static char *medium;
static struct child children[MOST_WORKERS];
static int running;

static const struct option_help options[] = {
	{ 'm', "medium", "HASH", "the medium to copy" },
	{ 'w', "workers", "N",
		"copiers (default CPUs + 1, at most 4; 1 on a rotating disk)" },
	{ 'l', "limit", "N", "each copier stops after N inodes" },
	{ 0, "wait", NULL, "stay until they have ended" },
	{ 0, "dry-run", "N", "show the first N inodes, start nothing" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-copy-workers",
	"-m HASH [-w N] [-l N] [--wait] [--dry-run N]",
	"Copy a medium with several copiers at once",
	options
};

static int
default_workers(PGconn *db)
{
	enum { USUAL = 4 };
	PGresult *res = db_query(db, "SELECT coalesce(image_path, source_path)"
	    " FROM medium WHERE medium_hash = $1", medium);
	int most = (int)sysconf(_SC_NPROCESSORS_ONLN) + 1, n = USUAL;

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
	char *argv[] = { (char *)"ntt-copier", (char *)"-m", medium,
		(char *)"--dry-run", (char *)"--limit",
		(char *)(uintptr_t)dry_run, NULL };

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
	int i;

	if (limit) {
		argv[4] = (char *)"--limit";
		argv[5] = (char *)(uintptr_t)limit;
	}
	io.in = SPAWN_NULL;
	io.group = SPAWN_NEW_GROUP;
	for (i = 0; i < workers; i++) {
		if (spawn(&children[i], argv, &io) < 0)
			die(EXIT_NOPROG, "could not run ntt-copier: %m");
		io.group = children[0].pid;
		running++;
		memset(&entries[i], 0, sizeof entries[i]);
		entries[i].pid = children[i].pid;
		entries[i].start = process_start_time(children[i].pid);
		snprintf(entries[i].medium, sizeof entries[i].medium, "%s",
		    medium);
	}
	if (pidlist_add(path, entries, (size_t)workers) < 0)
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
	PGresult *res = db ? db_query(db, "SELECT coalesce(sum(bytes) FILTER "
	    "(WHERE done), 0), coalesce(sum(bytes), 0) FROM work_range WHERE "
	    "medium_hash = $1", medium) : NULL;
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
		kill(-children[0].pid, SIGTERM);
		if (!*deadline)
			*deadline = time(NULL) + GRACE_SECONDS;
	} else if (*deadline && time(NULL) > *deadline) {
		warn("the copiers did not stop in %d seconds: killed",
		    GRACE_SECONDS);
		kill(-children[0].pid, SIGKILL);
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
	int i, status, worst = EXIT_DONE;

	while (running > 0) {
		for (i = 0; i < workers; i++) {
			pid_t pid = children[i].pid;

			if (!pid)
				continue;
			status = child_wait_for(&children[i],
			    LOOK_MS / workers);
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
	res = db ? db_query(db, "SELECT copy_done IS NULL FROM medium "
	    "WHERE medium_hash = $1", medium) : NULL;
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
		say("%d copiers of %s are running; ntt-stop-workers stops "
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
	const char *name, *value, *wanted = NULL;
	int wait = 0;
	PGconn *db;

	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value))) {
		if (!strcmp(name, "medium"))
			wanted = value;
		else if (!strcmp(name, "workers"))
			workers = (int)num_arg("--workers", value, 1,
			    MOST_WORKERS);
		else if (!strcmp(name, "wait"))
			wait = 1;
		else if (!strcmp(name, "dry-run"))
			dry_run = value;
		else
			limit = value;
	}
	if (dry_run)
		num_arg("--dry-run", dry_run, 1, UINT64_MAX);
	if (limit)
		num_arg("--limit", limit, 1, UINT64_MAX);
	prog_operands(0, 0);
	if (!wanted)
		die_usage("-m HASH is missing");
	prog_config();
	db = db_open();
	if (!db)
		db_die("could not open the catalogue");
	medium = catalogue_medium_or_die(db, wanted);
	if (!workers)
		workers = default_workers(db);
	PQfinish(db);
	if (dry_run)
		run_dry();
	return wait ? supervise(-1) : leave_running();
}
