#define _GNU_SOURCE
#include "any.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/medium_files.h"
#include "base/prog.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "crew.h"
#include "sql/statements.h"

enum { LOOK_SECONDS = 10, REST_SECONDS = 600 };

/* Media that are left alone for now. */
struct resting {
	char *medium;
	time_t until;
};
static struct resting *resting;
static size_t resting_count;

static int
rests(const char *medium)
{
	size_t i;

	for (i = 0; i < resting_count; i++)
		if (!strcmp(resting[i].medium, medium))
			return time(NULL) < resting[i].until;
	return 0;
}

static void
let_rest(const char *medium)
{
	size_t i = 0;

	while (i < resting_count && strcmp(resting[i].medium, medium))
		i++;
	if (i == resting_count) {
		resting = xrealloc(resting, ++resting_count * sizeof *resting);
		resting[i].medium = xstrdup(medium);
	}
	resting[i].until = time(NULL) + REST_SECONDS;
}

static int
is_here(PGresult *res, int row)
{
	char *image = db_path_value(res, row, 1);
	int here;

	if (!image)
		image = medium_image(db_text(res, row, 0));
	here = access(image, R_OK) == 0;
	free(image);
	return here;
}

/* The medium to go on with; NULL: none.  Caller frees. */
static char *
choose(PGconn *db)
{
	PGresult *res = db_query(db, sql_copy_workers_any);
	char *medium = NULL;
	int row;

	if (!res) {
		warn("could not ask the catalogue for work: %s", db_error());
		return NULL;
	}
	for (row = 0; row < PQntuples(res) && !medium; row++)
		if (!rests(db_text(res, row, 0)) && is_here(res, row))
			medium = db_copy(res, row, 0);
	PQclear(res);
	return medium;
}

static void
copy(PGconn *db, const char *medium, unsigned int workers)
{
	struct crew crew = { .medium = medium };
	int status;

	crew.workers = workers ? workers : crew_default(db, medium);
	say("copying %s with %u copier%s", medium, crew.workers,
	    crew.workers == 1 ? "" : "s");
	crew_start(&crew);
	status = crew_wait(&crew, db);
	if (sig_caught() || status == EXIT_DONE)
		return;
	if (status != EXIT_PARTIAL)
		warn("copying %s ended with status %d; others are copied for "
		    "%d minutes", medium, status, REST_SECONDS / 60);
	let_rest(medium);
}

int
copy_any(unsigned int workers)
{
	int waits = 0;

	sig_catch();
	while (!sig_caught()) {
		PGconn *db = db_open();
		char *medium = db ? choose(db) : NULL;

		if (!db)
			warn("the catalogue is away: %s", db_error());
		if (medium)
			copy(db, medium, workers);
		else if (!waits)
			say("no image that is here has anything to copy; "
			    "waiting for one");
		waits = !medium;
		free(medium);
		PQfinish(db);
		if (waits && !sig_caught())
			sleep(LOOK_SECONDS);
	}
	return EXIT_SIGNAL + sig_caught();
}
