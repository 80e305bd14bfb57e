/*
 * ntt-mirror: sends to a place what it lacks, or reads back what it has.
 *
 * The catalogue files and the dump come first, because they describe the rest;
 * then blobs, then archives.  Nothing at a place is deleted but by --compact.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/log.h"
#include "base/num.h"
#include "base/privilege.h"
#include "base/prog.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "catalogue/store_mark.h"
#include "mirror.h"
#include "sql/statements.h"

static int all, check, compacting, yes;
static uint64_t rate, percent = 50;
static PGconn *db;

static const struct prog_option options[] = {
	{ 0, "all", NULL, "all places that are in reach", OPT_FLAG(&all) },
	{ 0, "check", NULL, "read back what the place has, send nothing",
		OPT_FLAG(&check) },
	{ 0, "sample-rate", "N", "with --check: one blob in N (default 1)",
		OPT_U64(&rate, 1, UINT64_MAX) },
	{ 0, "compact", NULL, "delete at the place what nothing uses any more",
		OPT_FLAG(&compacting) },
	{ 0, "dead", "PERCENT",
		"with --compact: leave packs with less of that (default 50)",
		OPT_U64(&percent, 0, 100) },
	{ 0, "yes", NULL, "with --compact: do not ask", OPT_FLAG(&yes) },
	OPT_END
};

static const struct prog prog = {
	"ntt-mirror",
	"[options] NAME\n[options] --all\n--compact [options] NAME",
	"Send copies to a place, or read them back"
};

void
mirror_interrupted(const struct mirror *m)
{
	if (!sig_caught())
		return;
	say("interrupted; what %s has by now is recorded, and the same "
	    "command goes on", m->to->name);
	exit(EXIT_SIGNAL + sig_caught());
}

static void
check_place(struct mirror *m)
{
	blobs_check(m, rate ? rate : 1);
	files_check(m);
	if (rate <= 1 && db_do(db, sql_mirror_checked, m->to->name) < 0)
		db_die("could not record the check");
	say("%s: %s blobs, %s, and %s other files were read, %s are not right"
	    "%s%s", m->to->name, num_grouped(m->blobs), num_bytes(m->bytes),
	    num_grouped(m->files), num_grouped(m->wrong),
	    m->wrong ? "; send them again: ntt-mirror " : "",
	    m->wrong ? m->to->name : "");
}

static void
send_to(struct mirror *m)
{
	files_send_catalogues(m);
	if (!m->full)
		files_send_dump(m);
	if (!m->full)
		blobs_send(m);
	if (!m->full)
		files_send_archives(m);
	if (!m->full && db_do(db, sql_mirror_done, m->to->name) < 0)
		db_die("could not record that");
	say("%s: %s blobs, %s, and %s other files, %s, were sent",
	    m->to->name, num_grouped(m->blobs), num_bytes(m->bytes),
	    num_grouped(m->files), num_bytes(m->file_bytes));
	if (m->full)
		warn("%s is full: what was sent is recorded, the rest is not "
		    "there", quoted(m->to->path));
}

/* For those who show it: whoever counted before knows less now. */
static void
count_copies(void)
{
	uint64_t wanted, contents, bytes;

	if (depot_count_copies(db, &wanted, &contents, &bytes) < 0)
		db_die("could not count the copies");
	if (contents > 0 && wanted > 1)
		say("%s contents, %s, have fewer than %llu copies",
		    num_grouped(contents), num_bytes(bytes),
		    (unsigned long long)wanted);
}

/* One place, which is in reach: the exit status of its own. */
static int
do_place(struct depot *to)
{
	struct mirror m = { .db = db, .to = to };
	int locked = depot_lock(db, to);

	if (locked < 0)
		db_die("could not lock %s", to->name);
	if (!locked) {
		warn("another ntt-mirror is at work on %s", to->name);
		return EXIT_AGAIN;
	}
	if (db_do(db, sql_places_seen, to->name) < 0)
		db_die("could not record that %s is there", to->name);
	if (check) {
		check_place(&m);
	} else {
		const char *root = config_get(CONFIG_BYHASH_ROOT);

		if (store_open(&m.home, root) < 0)
			die_errno("could not open the store %s: %m",
			    quoted(root));
		files_tidy(&m);
		if (!to->remote && !files_as_left(&m)) {
			warn("%s is not as ntt-mirror left it: what it has is "
			    "looked at", to->name);
			blobs_look(&m);
		}
		if (compacting)
			compact(&m, (unsigned int)percent, yes);
		else
			send_to(&m);
		store_close(&m.home);
	}
	fflush(stdout);
	return m.full ? EXIT_AGAIN : m.bad ? EXIT_PARTIAL : EXIT_DONE;
}

/* What went wrong with one place is worse than what has to wait, or is left. */
static int
rank(int status)
{
	return status >= EXIT_SIGNAL ? 5 : status == EXIT_DONE ? 0 :
	    status == EXIT_PARTIAL ? 1 : status == EXIT_AGAIN ? 2 : 3;
}

static int
worse(int a, int b)
{
	return rank(b) > rank(a) ? b : a;
}

static void
open_catalogue(void)
{
	db = db_need();
	if (db_script(db, sql_mirror_begin) < 0)
		db_die("could not begin");
}

/* In a process of its own: a place that fails ends none of the others. */
static int
do_place_apart(struct depot *to)
{
	pid_t parent = getpid(), pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die_errno("could not start a process: %m");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(EXIT_AGAIN);
		/* the session of the other process is its own */
		open_catalogue();
		status = do_place(to);
		PQfinish(db);
		exit(status);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno == EINTR && sig_caught())
			kill(pid, sig_caught());
		else if (errno != EINTR)
			die_errno("could not wait for a process: %m");
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    EXIT_SIGNAL + WTERMSIG(status);
}

static int
do_places(struct depots *d)
{
	int status = EXIT_DONE;
	size_t i, reached = 0;

	for (i = 0; i < d->count; i++) {
		char *why = NULL;

		if (!depot_open(&d->list[i], &why)) {
			warn("%s is not in reach: %s", d->list[i].name, why);
			free(why);
			status = worse(status, EXIT_PARTIAL);
			continue;
		}
		reached++;
		status = worse(status, all ? do_place_apart(&d->list[i]) :
		    do_place(&d->list[i]));
		depot_close(&d->list[i]);
		if (sig_caught())
			return EXIT_SIGNAL + sig_caught();
	}
	return reached == 0 ? EXIT_AGAIN : status;
}

static void
need_stores(void)
{
	if (check)
		return;
	store_mark_need(db, CONFIG_BYHASH_ROOT, 0);
	store_mark_need_owner(CONFIG_BYHASH_ROOT);
	store_mark_need(db, CONFIG_ARCHIVE_ROOT, 1);
}

int
main(int argc, char **argv)
{
	const char *name;
	struct depots d;
	int status;

	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(0, 1);
	name = prog_operand(0);
	if ((name != NULL) + all != 1)
		die_usage("one of NAME and --all is needed");
	if (rate && !check)
		die_usage("--sample-rate goes with --check");
	if (compacting && (check || all))
		die_usage("--compact goes with the name of one place, and not "
		    "with --check");
	if (yes && !compacting)
		die_usage("--yes goes with --compact");
	prog_config();
	open_catalogue();
	if (privilege_drop(NULL) < 0)
		die_errno("could not give up root rights: %m");
	if (depots_read(db, name, &d) < 0)
		db_die("could not look for places");
	if (d.count == 0 && name)
		die(EXIT_FAILED, "there is no place %s: ntt-places list",
		    quoted(name));
	if (d.count == 0)
		die(EXIT_REFUSED, "there is no place yet: ntt-places add NAME "
		    "DIRECTORY");
	need_stores();
	sig_catch();
	status = do_places(&d);
	count_copies();
	depots_free(&d);
	PQfinish(db);
	return status;
}
