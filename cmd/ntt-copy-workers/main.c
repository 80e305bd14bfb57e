/*
 * ntt-copy-workers: N copiers of one medium, or of media as they come; signals
 * forwarded, every child reaped by name, the worst result reported.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "any.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/prog.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "crew.h"

static struct crew crew;
static uint64_t dry_run;	/* 0: not given */
static int wait_for_them, any;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 'w', "workers", "N",
		"copiers (default CPUs + 1, at most 4; 1 on a rotating disk)",
		OPT_UINT(&crew.workers, 1, CREW_MOST) },
	{ 'l', "limit", "N", "each copier stops after N inodes",
		OPT_U64(&crew.limit, 1, UINT64_MAX) },
	{ 0, "any", NULL, "copy media as they come, until a signal",
		OPT_FLAG(&any) },
	{ 0, "wait", NULL, "stay until they have ended",
		OPT_FLAG(&wait_for_them) },
	{ 0, "dry-run", "N", "show the first N inodes, start nothing",
		OPT_U64(&dry_run, 1, UINT64_MAX) },
	OPT_END
};

static const struct prog prog = {
	"ntt-copy-workers",
	"[-w N] [-l N] [--wait] [--dry-run N] MEDIUM | --any [-w N]",
	"Copy a medium with several copiers at once"
};

static void
run_dry(void)
{
	char *n = xasprintf("%" PRIu64, dry_run);
	char *argv[] = { (char *)"ntt-copier", (char *)"-m",
		(char *)crew.medium, (char *)"--dry-run", (char *)"--limit", n,
		NULL };

	exit(run(argv, NULL));
}

/* started: told when every copier runs; -1: nobody waits for that. */
static int
supervise(int started)
{
	PGconn *db;
	int worst;

	sig_catch();
	crew_start(&crew);
	if (started >= 0) {
		if (write(started, "", 1) < 0)
			warn("could not tell that the copiers run: %m");
		close(started);
	}
	db = db_open();
	worst = crew_wait(&crew, db);
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
		    "them", crew.workers, crew.medium);
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
	const char *wanted = NULL;
	PGconn *db;

	prog_start(&prog, argc, argv);
	prog_options(options);
	if (!any)
		wanted = prog_need_medium(0, 0);
	else if (prog_medium(0, 0) || crew.limit || dry_run)
		die_usage("--any takes no medium, --limit or --dry-run");
	prog_operands(0, 0);
	prog_config();
	db = db_need();
	if (any) {
		PQfinish(db);
		return copy_any(crew.workers);
	}
	crew.medium = medium_named_hash(db, wanted);
	if (!crew.workers)
		crew.workers = crew_default(db, crew.medium);
	PQfinish(db);
	if (dry_run)
		run_dry();
	return wait_for_them ? supervise(-1) : leave_running();
}
