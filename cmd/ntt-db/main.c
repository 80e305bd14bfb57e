/*
 * ntt-db: the schema, its migrations and checks, and the private PostgreSQL
 * of a single machine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/prog.h"
#include "base/sig.h"
#include "catalogue/cluster.h"
#include "catalogue/conninfo.h"
#include "catalogue/db.h"
#include "catalogue/migrate.h"
#include "catalogue/store_mark.h"
#include "catalogue/sqltext.h"
#include "sql/statements.h"
#include "backup.h"
#include "index.h"
#include "known.h"

static int json, private, rebuild;
static const char *as, *forget;

static const struct prog_option options[] = {
	{ 0, "json", NULL, "print status, check and known as JSON", OPT_FLAG(&json) },
	{ 0, "private", NULL, "init: what is stored is for owner and group alone",
		OPT_FLAG(&private) },
	{ 0, "rebuild", NULL,
		"init: beside a store that is full, for ntt-rebuild",
		OPT_FLAG(&rebuild) },
	{ 0, "as", "NAME", "known: what the list is called",
		OPT_TEXT(&as) },
	{ 0, "forget", "NAME", "known: drop this list", OPT_TEXT(&forget) },
	OPT_END
};

static const struct prog prog = {
	"ntt-db",
	"[options] init | start | stop | status | url | migrate | check |\n"
	"    adopt | index\n"
	"[options] backup FILE | restore FILE\n"
	"[options] relocate OLD NEW\n"
	"[--as NAME] known [FILE]\n"
	"psql [ARGUMENT ...]",
	"Keep the catalogue: schema, checks, and a private PostgreSQL"
};

static void
need_cluster(void)
{
	if (!config_get(CONFIG_HOME))
		die(EXIT_USAGE, "NTT_HOME is not set, so there is no private "
		    "PostgreSQL; the catalogue is %s",
		    quoted(conninfo_shown(config_get(CONFIG_DB_URL))));
	if (!config_private_cluster())
		die(EXIT_USAGE, "NTT_DB_URL is set (%s), so the private "
		    "PostgreSQL of NTT_HOME is not used",
		    config_origin(CONFIG_DB_URL));
}

static PGconn *
connect_or_die(int start)
{
	PGconn *db = db_connect(start);

	if (!db)
		db_die("could not connect to the database");
	return db;
}

static int
migrate(void)
{
	PGconn *db = connect_or_die(1);
	int was = migrate_version(db), made = was < 0 ? -1 : migrate_up(db);
	char *why;

	if (made < 0)
		db_die("could not bring the catalogue to version %d",
		    DB_SCHEMA_VERSION);
	/* a catalogue that is older than marks; a new one has no stores */
	if (was > 0 && made > 0 && store_mark_adopt(db, &why) < 0) {
		warn("the stores were not marked: %s; when they are mounted: "
		    "ntt-db adopt", why);
		free(why);
	}
	PQfinish(db);
	if (made == 0)
		say("the catalogue is at version %d already",
		    DB_SCHEMA_VERSION);
	else
		say("the catalogue is at version %d", DB_SCHEMA_VERSION);
	return made == 0 ? EXIT_REFUSED : EXIT_DONE;
}

/* The database itself: 1 made, 0 there already. */
static int
create_database(void)
{
	struct buf info = BUF_INIT;
	PGconn *db;
	PGresult *res;
	int there;

	cluster_conninfo(&info, "postgres");
	db = PQconnectdb(info.data);
	buf_free(&info);
	if (PQstatus(db) != CONNECTION_OK)
		die(EXIT_AGAIN, "could not connect to the private PostgreSQL: "
		    "%s", PQerrorMessage(db));
	res = db_query(db, "SELECT FROM pg_database WHERE datname = $1",
	    cluster_database);
	if (!res)
		db_die("could not look for the database");
	there = PQntuples(res) > 0;
	PQclear(res);
	if (!there && db_script(db, "CREATE DATABASE copyjob") < 0)
		db_die("could not create the database");
	PQfinish(db);
	return !there;
}

/* What copiers make from now on is for the owner and the group. */
static void
make_private(void)
{
	PGconn *db = db_open();

	if (!db || db_do(db, "UPDATE catalogue SET private = true") < 0)
		db_die("could not make the catalogue a private one");
	PQfinish(db);
}

/* A new NTT_HOME is its owner's alone; one that is there stays as it is. */
static void
make_home(void)
{
	const char *home = config_get(CONFIG_HOME);
	const struct invoker *who = config_invoker();
	int rc = make_parents(home);

	if (rc == 0)
		rc = mkdir(home, 0700);
	if (rc == 0 && who->sudo)
		rc = chown(home, who->uid, who->gid);
	if (rc < 0 && errno != EEXIST)
		die_errno("could not make %s: %m", quoted(home));
}

static int
init(void)
{
	int made, status;

	need_cluster();
	made = cluster_state() == CLUSTER_NONE;
	if (made && !rebuild && store_mark_orphan())
		die(EXIT_FAILED, "cannot make a catalogue in %s: %s is not "
		    "empty, so a catalogue is missing: \"ntt-rebuild\" makes "
		    "it again, \"ntt-db restore\" from a backup",
		    quoted(config_get(CONFIG_HOME)),
		    quoted(store_mark_orphan()));
	make_home();
	status = cluster_init();
	if (status == EXIT_DONE)
		status = cluster_start();
	if (status != EXIT_DONE)
		return status;
	made |= create_database();
	if (migrate() == EXIT_DONE)
		made = 1;
	if (!made && private)
		warn("the catalogue is there already, and stays as it is: "
		    "--private is for a new one");
	if (!made)
		return EXIT_REFUSED;
	if (private)
		make_private();
	say("private PostgreSQL ready in %s",
	    quoted(config_get(CONFIG_HOME)));
	return EXIT_DONE;
}

static int
adopt(void)
{
	PGconn *db = db_need();
	char *why;

	if (store_mark_adopt(db, &why) < 0)
		die(EXIT_FAILED, "cannot adopt the stores: %s", why);
	PQfinish(db);
	say("the stores are this catalogue's");
	return EXIT_DONE;
}

static int
start(void)
{
	need_cluster();
	return cluster_start();
}

static int
stop(void)
{
	need_cluster();
	return cluster_stop();
}

/* The caller frees it. */
static char *
catalogue_url(void)
{
	struct buf b = BUF_INIT;

	if (config_private_cluster())
		cluster_url(&b);
	else
		buf_puts(&b, config_get(CONFIG_DB_URL));
	return buf_detach(&b);
}

/* The one that may be in an argument; the caller frees it. */
static char *
catalogue_argument(void)
{
	char *whole = catalogue_url(), *open = conninfo_argument(whole);

	free(whole);
	return open;
}

static int
url(void)
{
	char *whole = catalogue_url(), *shown = conninfo_shown(whole);

	if (strcmp(whole, shown))
		warn("the password is left out: use a passfile, or "
		    "\"ntt-db psql\"");
	puts(shown);
	free(shown);
	free(whole);
	return EXIT_DONE;
}

static int
status(void)
{
	struct buf b = BUF_INIT;
	char *whole = catalogue_url(), *shown = conninfo_shown(whole);
	PGconn *db = db_connect(0);
	int version = db ? migrate_version(db) : -1;

	if (json) {
		json_begin_object(&b, NULL);
		json_text(&b, "url", shown);
		json_bool(&b, "up", db != NULL);
		json_text(&b, "server", db ?
		    PQparameterStatus(db, "server_version") : NULL);
		json_i64(&b, "schema_version", version);
		json_i64(&b, "schema_wanted", DB_SCHEMA_VERSION);
		json_text(&b, "error", db ? NULL : db_error());
		json_end_object(&b);
		puts(b.data);
	} else if (!db) {
		printf("down: %s\n%s\n", shown, db_error());
	} else {
		printf("up: %s\nPostgreSQL %s, schema version %d of %d\n",
		    shown, PQparameterStatus(db, "server_version"), version,
		    DB_SCHEMA_VERSION);
	}
	buf_free(&b);
	free(shown);
	free(whole);
	PQfinish(db);
	return version == DB_SCHEMA_VERSION ? EXIT_DONE : EXIT_FAILED;
}

static void
print_row(struct buf *out, const PGresult *res, int row)
{
	int col;

	for (col = 0; col < PQnfields(res); col++) {
		buf_printf(out, "%s%s=", col ? " " : "", PQfname(res, col));
		buf_escape(out, PQgetvalue(res, row, col),
		    (size_t)PQgetlength(res, row, col));
	}
}

/* One invariant: its name on the first line, the query on the others. */
static int
check_one(PGconn *db, const char *name, const char *sql, struct buf *report)
{
	enum { SHOWN = 20 };
	PGresult *res = db_query(db, sql);
	int rows, row;

	if (!res)
		db_die("could not check \"%s\"", name);
	rows = PQntuples(res);
	if (json) {
		json_begin_object(report, NULL);
		json_text(report, "check", name);
		json_i64(report, "violations", rows);
		json_end_object(report);
	} else {
		printf("%s: %s\n", rows ? "FAILED" : "ok", name);
		for (row = 0; row < rows && row < SHOWN; row++) {
			struct buf line = BUF_INIT;

			print_row(&line, res, row);
			printf("\t%s\n", line.data);
			buf_free(&line);
		}
		if (rows > SHOWN)
			printf("\tand %d more\n", rows - SHOWN);
	}
	PQclear(res);
	return rows > 0;
}

/*
 * Where another server takes over, it may lack what was committed last unless
 * the one before waited for it.
 */
static void
check_standby(PGconn *db)
{
	PQconninfoOption *url = PQconninfo(db), *o;
	PGresult *res = db_query(db, "SHOW synchronous_standby_names");
	int several = 0;

	if (!res || !url)
		db_die("could not ask the server");
	for (o = url; o->keyword; o++)
		several |= o->val && !strncmp(o->keyword, "host", 4) &&
		    strchr(o->val, ',');
	if (several && !*db_text(res, 0, 0))
		warn("NTT_DB_URL names several servers, and none is a "
		    "synchronous standby: what is committed may be lost when "
		    "another one takes over (set synchronous_standby_names)");
	PQconninfoFree(url);
	PQclear(res);
}

static int
check(void)
{
	static const char mark[] = "-- check: ";
	struct buf report = BUF_INIT;
	PGconn *db = db_need();
	const char *p;
	int violated = 0;

	check_standby(db);
	if (db_script(db, sql_db_check_session) < 0)
		db_die("could not prepare the checks");
	if (json)
		json_begin_array(&report, NULL);
	for (p = strstr(sqltext_sanity_checks, mark); p; ) {
		const char *name = p + sizeof mark - 1;
		const char *sql = strchr(name, '\n');
		char *title = xasprintf("%.*s", (int)(sql - name), name);
		char *query;

		p = strstr(sql, mark);
		query = p ? xasprintf("%.*s", (int)(p - sql), sql) :
		    xstrdup(sql);
		violated |= check_one(db, title, query, &report);
		free(title);
		free(query);
	}
	if (json) {
		json_end_array(&report);
		puts(report.data);
	}
	buf_free(&report);
	PQfinish(db);
	return violated ? EXIT_FAILED : EXIT_DONE;
}

static int
psql(char **args)
{
	char *argument;
	char **argv;
	int n = 0, i;

	/* starts the private cluster if it is down */
	PQfinish(connect_or_die(1));
	argument = catalogue_argument();
	while (args[n])
		n++;
	argv = xcalloc((size_t)n + 3, sizeof *argv);
	argv[0] = (char *)"psql";
	argv[1] = argument;
	for (i = 0; i < n; i++)
		argv[i + 2] = args[i];
	fflush(stdout);
	execvp("psql", argv);
	warn("could not run psql: %m");
	free(argv);
	free(argument);
	return EXIT_NOPROG;
}

static int
back_up(void)
{
	char *argument;
	int rc;

	/* starts the private cluster if it is down */
	PQfinish(connect_or_die(1));
	argument = catalogue_argument();
	rc = backup(argument, prog_operand(1));
	free(argument);
	return rc;
}

/* Beside a store that is full, which "init" refuses: its catalogue comes. */
static int
restore(void)
{
	char *argument;
	PGconn *db;
	int rc = EXIT_DONE;

	if (config_private_cluster() && cluster_state() == CLUSTER_NONE) {
		make_home();
		rc = cluster_init();
		if (rc == EXIT_DONE)
			rc = cluster_start();
		if (rc != EXIT_DONE)
			return rc;
		create_database();
	}
	db = connect_or_die(1);
	argument = catalogue_argument();
	rc = backup_restore(db, argument, prog_operand(1));
	if (rc == EXIT_DONE && migrate_up(db) < 0)
		db_die("could not bring the catalogue to version %d",
		    DB_SCHEMA_VERSION);
	if (rc == EXIT_DONE && db_script(db, "ANALYZE") < 0)
		db_die("could not analyze the catalogue");
	PQfinish(db);
	free(argument);
	if (rc == EXIT_DONE)
		say("the catalogue is restored; \"ntt-verify --orphans\" "
		    "says what the store has beyond it");
	return rc;
}

/* Directories are named with their slash, so that no other begins alike. */
static int
relocate(void)
{
	PGconn *db = db_need();
	char *text[2], hex[2][8192];
	PGresult *res;
	int i;

	for (i = 0; i < 2; i++) {
		char *path = path_absolute(prog_operand(i + 1));

		text[i] = xasprintf("%s/", path);
		if (2 * strlen(text[i]) + 3 > sizeof hex[i])
			die(EXIT_USAGE, "%s is too long", quoted(path));
		memcpy(hex[i], "\\x", 3);
		hex_encode(hex[i] + 2, text[i], strlen(text[i]));
		if (!utf8_valid(text[i], strlen(text[i])))
			die(EXIT_USAGE, "%s is not UTF-8", quoted(path));
		free(path);
	}
	res = db_query(db, sql_db_relocate, text[0], text[1], hex[0], hex[1]);
	if (!res)
		db_die("could not move the paths");
	say("the images or archives of %s media are below %s now",
	    PQcmdTuples(res), quoted(text[1]));
	i = strcmp(PQcmdTuples(res), "0") ? EXIT_DONE : EXIT_REFUSED;
	PQclear(res);
	PQfinish(db);
	free(text[0]);
	free(text[1]);
	return i;
}

/* Of whoever asked through sudo(8): it is for him to read, and to write. */
static int
index_all(void)
{
	const struct invoker *who = config_invoker();
	PGconn *db;
	int status;

	if (who->sudo && (initgroups(who->name, who->gid) < 0 ||
	    setgid(who->gid) < 0 || setuid(who->uid) < 0))
		die_errno("could not become %s: %m", quoted(who->name));
	sig_catch();
	db = db_open();
	if (!db)
		db_die("could not open the catalogue");
	status = index_names(db);
	PQfinish(db);
	return status;
}

static int
known(void)
{
	const char *file = prog_operand(1);

	if (as && !file)
		die_usage("--as needs the file of the list");
	if (forget && file)
		die_usage("--forget takes the name of a list, and no file");
	return file ? known_add(file, as) : forget ? known_forget(forget) :
	    known_show(json);
}

static const char *const verbs[] = {
	"init", "start", "stop", "status", "url", "migrate", "check", "adopt",
	"index", "known", "backup", "restore", "relocate", "psql",
	NULL
};
static const struct {
	int (*run)(void);
	int operands, more;
} commands[] = {
	{ init, 0, 0 }, { start, 0, 0 }, { stop, 0, 0 }, { status, 0, 0 },
	{ url, 0, 0 }, { migrate, 0, 0 }, { check, 0, 0 }, { adopt, 0, 0 },
	{ index_all, 0, 0 }, { known, 0, 1 }, { back_up, 1, 0 },
	{ restore, 1, 0 }, { relocate, 2, 0 }
};

int
main(int argc, char **argv)
{
	unsigned int verb;

	prog_start(&prog, argc, argv);
	if (argc > 1 && !strcmp(argv[1], "psql"))
		prog_stop_at_operand();
	prog_options(options);
	verb = (unsigned int)prog_verb(verbs);
	if ((private || rebuild) && verb != 0)
		die_usage("--%s goes with init",
		    private ? "private" : "rebuild");
	if ((as || forget) && strcmp(verbs[verb], "known"))
		die_usage("--%s goes with known", as ? "as" : "forget");
	prog_config();
	if (verb == sizeof commands / sizeof commands[0])
		return psql(prog_operand_vector() + 1);
	prog_operands(1 + commands[verb].operands,
	    1 + commands[verb].operands + commands[verb].more);
	return commands[verb].run();
}
