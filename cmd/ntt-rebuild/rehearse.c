#define _GNU_SOURCE
#include "rehearse.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/sig.h"
#include "catalogue/cluster.h"
#include "catalogue/conninfo.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "keep/depot.h"
#include "sql/statements.h"

static PGconn *living, *made;
static char *name;		/* of the database */
static char *since;		/* when it began: what came later is not compared */
static uint64_t differences;

static PGresult *
ask(PGconn *db, const char *sql)
{
	const char *until = db == living ? since : "infinity";
	PGresult *res = strstr(sql, "$1") ? db_query(db, sql, until) :
	    db_query(db, sql);

	if (!res)
		db_die("could not compare the catalogues");
	return res;
}

static void __attribute__((format(printf, 1, 2)))
differs(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	differences++;
}

/* ---- the database ---- */

static int
drop(const char *database)
{
	char *sql = xasprintf("DROP DATABASE IF EXISTS %s", database);
	int rc = db_script(living, sql);

	free(sql);
	return rc;
}

/* What a rehearsal that was killed left. */
static void
drop_left(void)
{
	PGresult *res = ask(living, sql_rehearse_left);
	int row;

	for (row = 0; row < PQntuples(res); row++)
		if (drop(db_text(res, row, 0)) < 0)
			warn("could not drop the database %s of a rehearsal "
			    "that was interrupted: %s", db_text(res, row, 0),
			    db_error());
	PQclear(res);
}

static void
create(void)
{
	PGresult *res = ask(living, sql_rehearse_name);
	char *sql;

	name = xstrdup(db_text(res, 0, 0));
	since = xstrdup(db_text(res, 0, 1));
	PQclear(res);
	sql = xasprintf("CREATE DATABASE %s TEMPLATE template0", name);
	if (db_script(living, sql) < 0)
		db_die("could not make a database to rehearse in");
	free(sql);
}

/* For this process and its child: the living catalogue stays connected. */
static void
use_database(void)
{
	char *url;
	struct buf b = BUF_INIT;

	if (config_private_cluster()) {
		cluster_conninfo(&b, name);
		url = buf_detach(&b);
	} else {
		url = conninfo_database(config_get(CONFIG_DB_URL), name);
	}
	if (!url)
		die(EXIT_FAILED, "NTT_DB_URL is no connection string of "
		    "PostgreSQL");
	config_set(CONFIG_DB_URL, url);
	free(url);
}

static void
use_place(const char *from)
{
	PGresult *res = ask(living, sql_places_ids);
	struct depot_mark mark;
	char *blobs = path_join(from, "by-hash");
	char *archives = path_join(from, "archives");

	if (depot_look(from, &mark) != DEPOT_MARKED)
		die(EXIT_FAILED, "%s is no place of ntt-places, or its disk is "
		    "not mounted", quoted(from));
	if (strcmp(mark.catalogue, db_text(res, 0, 0)))
		die(EXIT_FAILED, "%s is a place of another collection",
		    quoted(from));
	PQclear(res);
	config_set(CONFIG_BYHASH_ROOT, blobs);
	config_set(CONFIG_ARCHIVE_ROOT, archives);
	config_set(CONFIG_ARCHIVED_ROOT, "");
	free(blobs);
	free(archives);
}

static int
in_a_process(int (*make)(void))
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
		exit(make());
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno == EINTR && sig_caught())
			kill(pid, sig_caught());
		else if (errno != EINTR)
			die_errno("could not wait for a process: %m");
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    EXIT_SIGNAL + WTERMSIG(status);
}

/* ---- what differs ---- */

struct sum {
	uint64_t paths;
	char digest[64];
};

static struct sum
paths_of(PGconn *db, const char *medium)
{
	struct sum s = { .digest = "" };
	char *sql;
	PGresult *res;

	if (medium_loaded(db, medium) != 1)
		return s;
	sql = sql_for(sql_rehearse_paths, medium);
	res = ask(db, sql);
	s.paths = (uint64_t)db_int(res, 0, 0);
	snprintf(s.digest, sizeof s.digest, "%s", db_text(res, 0, 1));
	PQclear(res);
	free(sql);
	return s;
}

static uint64_t unfinished;	/* media, which may differ */

static void
compare_medium(const char *medium, int working)
{
	struct sum was = paths_of(living, medium), is = paths_of(made, medium);

	if (was.paths == is.paths && !strcmp(was.digest, is.digest))
		return;
	if (working) {
		say("%s is not done yet, and is not compared", medium);
		unfinished++;
	} else if (was.paths != is.paths)
		differs("%s: %s paths, and %s when it is made again", medium,
		    num_grouped(was.paths), num_grouped(is.paths));
	else
		differs("%s: as many paths, but not the same contents", medium);
}

static void
compare_media(void)
{
	PGresult *was = ask(living, sql_rehearse_media);
	PGresult *is = ask(made, sql_rehearse_media);
	int row, other = 0;

	for (row = 0; row < PQntuples(was); row++) {
		const char *medium = db_text(was, row, 0);
		int working = db_bool(was, row, 1);

		while (other < PQntuples(is) &&
		    strcmp(db_text(is, other, 0), medium) < 0)
			other++;
		if (other < PQntuples(is) &&
		    !strcmp(db_text(is, other, 0), medium))
			compare_medium(medium, working);
		else if (working) {
			say("%s is not done yet, and would be lost", medium);
			unfinished++;
		}
		else
			differs("%s: would be lost", medium);
	}
	PQclear(was);
	PQclear(is);
}

enum { SHOWN = 20 };

/* Contents that begin with these two digits; what is only made is no loss. */
static void
compare_ids(const char *digits, uint64_t *lost)
{
	PGresult *was = db_query(living, sql_rehearse_ids, since, digits);
	PGresult *is = db_query(made, sql_rehearse_ids, "infinity", digits);
	int row, other = 0;

	if (!was || !is)
		db_die("could not compare the contents");
	for (row = 0; row < PQntuples(was); row++) {
		const char *id = db_text(was, row, 0);

		while (other < PQntuples(is) &&
		    strcmp(db_text(is, other, 0), id) < 0)
			other++;
		if (other < PQntuples(is) &&
		    !strcmp(db_text(is, other, 0), id) &&
		    db_int(is, other, 1) == db_int(was, row, 1))
			continue;
		if ((*lost)++ < SHOWN)
			differs("blob %s is not there as the catalogue says",
			    id);
	}
	PQclear(was);
	PQclear(is);
}

static void
compare_contents(void)
{
	PGresult *was = ask(living, sql_rehearse_contents);
	PGresult *is = ask(made, sql_rehearse_contents);
	int row, other = 0;
	uint64_t lost = 0;

	for (row = 0; row < PQntuples(was); row++) {
		const char *digits = db_text(was, row, 0);

		while (other < PQntuples(is) &&
		    strcmp(db_text(is, other, 0), digits) < 0)
			other++;
		if (other == PQntuples(is) ||
		    strcmp(db_text(is, other, 0), digits) ||
		    strcmp(db_text(is, other, 1), db_text(was, row, 1)) ||
		    strcmp(db_text(is, other, 2), db_text(was, row, 2)))
			compare_ids(digits, &lost);
	}
	if (lost > SHOWN)
		differs("and %s more", num_grouped(lost - SHOWN));
	PQclear(was);
	PQclear(is);
}

static void
compare_removals(void)
{
	PGresult *was = ask(living, sql_rehearse_removals);
	PGresult *is = ask(made, sql_rehearse_removals);

	if (db_int(is, 0, 0) < db_int(was, 0, 0))
		differs("%s media and contents were removed, and %s when it is "
		    "made again: the others would come back",
		    num_grouped((uint64_t)db_int(was, 0, 0)),
		    num_grouped((uint64_t)db_int(is, 0, 0)));
	PQclear(was);
	PQclear(is);
}

static void
compare(void)
{
	made = db_open();
	if (!made)
		db_die("could not look at what was made");
	compare_media();
	compare_contents();
	compare_removals();
	PQfinish(made);
}

int
rehearse(const char *from, int (*make)(void))
{
	PGresult *res;
	int status;

	living = db_need();
	res = ask(living, sql_rehearse_lock);
	if (!db_bool(res, 0, 0))
		die(EXIT_AGAIN, "another rehearsal is at work");
	PQclear(res);
	if (from)
		use_place(from);
	drop_left();
	create();
	use_database();
	status = in_a_process(make);
	if (status == EXIT_DONE || status == EXIT_PARTIAL)
		compare();
	if (drop(name) < 0)
		warn("could not drop the database %s, which the next rehearsal "
		    "does: %s", name, db_error());
	free(name);
	free(since);
	PQfinish(living);
	fflush(stdout);
	if (status != EXIT_DONE && status != EXIT_PARTIAL)
		return status;
	if (differences == 0 && status == EXIT_DONE && unfinished)
		say("a catalogue that is made again has the same media, paths "
		    "and contents, but for %s media that are not done",
		    num_grouped(unfinished));
	else if (differences == 0 && status == EXIT_DONE)
		say("a catalogue that is made again has the same media, paths "
		    "and contents");
	return differences ? EXIT_PARTIAL : status;
}
