#define _GNU_SOURCE
#include "crew.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/num.h"
#include "base/pidlist.h"
#include "base/procstat.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/rotating.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "sql/statements.h"

enum { GRACE_SECONDS = 60 };

unsigned int
crew_default(PGconn *db, const char *medium)
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

void
crew_start(struct crew *c)
{
	char *argv[] = { (char *)"ntt-copier", (char *)"-m", (char *)c->medium,
		(char *)"--progress=never", NULL, NULL, NULL };
	struct spawn_io io = SPAWN_INHERIT;
	struct pidlist_entry entries[CREW_MOST];
	char *path = pidlist_path();
	unsigned int i;

	if (c->limit) {
		argv[4] = (char *)"--limit";
		argv[5] = xasprintf("%" PRIu64, c->limit);
	}
	io.in = SPAWN_NULL;
	io.group = SPAWN_NEW_GROUP;
	for (i = 0; i < c->workers; i++) {
		if (spawn(&c->children[i], argv, &io) < 0)
			die(EXIT_NOPROG, "could not run ntt-copier: %m");
		io.group = c->group = c->children[0].pid;
		c->running++;
		memset(&entries[i], 0, sizeof entries[i]);
		entries[i].pid = c->children[i].pid;
		entries[i].start = process_start_time(c->children[i].pid);
		snprintf(entries[i].medium, sizeof entries[i].medium, "%s",
		    c->medium);
	}
	if (pidlist_add(path, entries, c->workers) < 0)
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
show_progress(const struct crew *c, PGconn *db, int *started)
{
	PGresult *res = db ? db_query(db, sql_copy_workers_progress,
	    c->medium) : NULL;

	if (!res)
		return;
	if (!*started && db_int(res, 0, 1) > 0) {
		progress_start("copying", "", PROGRESS_BYTES,
		    (uint64_t)db_int(res, 0, 1));
		*started = 1;
	}
	progress_set((uint64_t)db_int(res, 0, 0));
	PQclear(res);
}

static void
forward(const struct crew *c, time_t *deadline)
{
	static int told;

	if (!c->running)
		return;
	if (sig_count() > told) {
		told = sig_count();
		kill(-c->group, SIGTERM);
		if (!*deadline)
			*deadline = time(NULL) + GRACE_SECONDS;
	} else if (*deadline && time(NULL) > *deadline) {
		warn("the copiers did not stop in %d seconds: killed",
		    GRACE_SECONDS);
		kill(-c->group, SIGKILL);
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
reap(struct crew *c, PGconn *db)
{
	enum { LOOK_MS = 200 };
	time_t deadline = 0;
	int i, status, worst = EXIT_DONE, all = (int)c->workers,
	    shown = 0;

	while (c->running > 0) {
		for (i = 0; i < all; i++) {
			pid_t pid = c->children[i].pid;

			if (!pid)
				continue;
			status = child_wait_for(&c->children[i],
			    LOOK_MS / all);
			if (status < 0)
				continue;
			c->running--;
			report(i, pid, status);
			worst = worse(worst, status);
		}
		forward(c, &deadline);
		show_progress(c, db, &shown);
	}
	progress_stop();
	return worst;
}

/* Work that is left is a failure, whatever the copiers said. */
static int
check_queue(const struct crew *c, PGconn *db, int worst)
{
	PGresult *res;
	int left;

	if (worst != EXIT_DONE && worst != EXIT_PARTIAL)
		return worst;
	if (c->limit)
		return worst;
	res = db ? db_query(db,
	    "SELECT copy_done IS NULL FROM medium WHERE medium_hash = $1",
	    c->medium) : NULL;
	if (!res) {
		warn("could not ask the catalogue whether work is left");
		return EXIT_AGAIN;
	}
	left = PQntuples(res) == 0 || db_bool(res, 0, 0);
	PQclear(res);
	if (left)
		warn("every copier ended, but work of %s is left", c->medium);
	return left ? EXIT_FAILED : worst;
}

int
crew_wait(struct crew *c, PGconn *db)
{
	return check_queue(c, db, reap(c, db));
}
