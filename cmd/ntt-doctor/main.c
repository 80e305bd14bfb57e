/*
 * ntt-doctor: says what is missing, wrong or full before a long run.  It
 * changes nothing.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/prog.h"
#include "catalogue/db.h"
#include "finding.h"

static int json;

static const struct prog_option options[] = {
	{ 0, "json", NULL, "print one JSON object", OPT_FLAG(&json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-doctor",
	"[--json] [SOURCE]",
	"Say what is missing, wrong or full before a long run"
};

/*
 * A user for whom nothing is configured, and whom no server knows, will get
 * everything in ~/ntt.
 */
static void
assume_home(void)
{
	PGconn *db;
	char *home;

	if (!config_all_default() || geteuid() == 0 ||
	    !config_invoker()->home)
		return;
	db = db_connect(0);
	if (db) {
		PQfinish(db);
		return;
	}
	home = path_join(config_invoker()->home, "ntt");
	say("nothing is configured: the first ntt-orchestrator keeps "
	    "everything in %s", quoted(home));
	setenv("NTT_HOME", home, 1);
	free(home);
	prog_config();
}

int
main(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(0, 1);
	prog_config();
	assume_home();
	finding_begin(json, diag_verbosity < 0);
	check_programs();
	check_roots();
	check_catalogue();
	check_mounting();
	check_machine();
	if (prog_operand(0))
		check_room(prog_operand(0));
	return finding_end();
}
