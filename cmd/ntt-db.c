/*
 * ntt-db: the schema, its migrations and checks, and the private PostgreSQL
 * of a single machine.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "cluster.h"
#include "config.h"
#include "db.h"
#include "diag.h"
#include "json.h"
#include "migrate.h"
#include "prog.h"
#include "sqltext.h"

static int json;

static const struct option_help options[] = {
	{ 0, "json", NULL, "print status and check as JSON" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-db",
	"[options] init | start | stop | status | url | migrate | check\n"
	"psql [ARGUMENT ...]",
	"Keep the catalogue: schema, checks, and a private PostgreSQL",
	options
};

static void
need_cluster(void)
{
	if (!config_get(CONFIG_HOME))
		die(EXIT_USAGE, "NTT_HOME is not set, so there is no private "
		    "PostgreSQL; the catalogue is %s",
		    quoted(config_get(CONFIG_DB_URL)));
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
	int made = migrate_up(db);

	if (made < 0)
		db_die("could not bring the catalogue to version %d",
		    DB_SCHEMA_VERSION);
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

static int
init(void)
{
	int made, status;

	need_cluster();
	made = cluster_state() == CLUSTER_NONE;
	status = cluster_init();
	if (status == EXIT_DONE)
		status = cluster_start();
	if (status != EXIT_DONE)
		return status;
	made |= create_database();
	if (migrate() == EXIT_DONE)
		made = 1;
	if (!made)
		return EXIT_REFUSED;
	say("private PostgreSQL ready in %s",
	    quoted(config_get(CONFIG_HOME)));
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

static void
put_url(struct buf *b)
{
	if (config_private_cluster())
		cluster_url(b);
	else
		buf_puts(b, config_get(CONFIG_DB_URL));
}

static int
url(void)
{
	struct buf b = BUF_INIT;

	put_url(&b);
	puts(b.data);
	buf_free(&b);
	return EXIT_DONE;
}

static int
status(void)
{
	struct buf b = BUF_INIT, u = BUF_INIT;
	PGconn *db = db_connect(0);
	int version = db ? migrate_version(db) : -1;

	put_url(&u);
	if (json) {
		json_begin_object(&b, NULL);
		json_text(&b, "url", u.data);
		json_bool(&b, "up", db != NULL);
		json_text(&b, "server", db ?
		    PQparameterStatus(db, "server_version") : NULL);
		json_i64(&b, "schema_version", version);
		json_i64(&b, "schema_wanted", DB_SCHEMA_VERSION);
		json_text(&b, "error", db ? NULL : db_error());
		json_end_object(&b);
		puts(b.data);
	} else if (!db) {
		printf("down: %s\n%s\n", u.data, db_error());
	} else {
		printf("up: %s\nPostgreSQL %s, schema version %d of %d\n",
		    u.data, PQparameterStatus(db, "server_version"), version,
		    DB_SCHEMA_VERSION);
	}
	buf_free(&b);
	buf_free(&u);
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

static int
check(void)
{
	static const char mark[] = "-- check: ";
	struct buf report = BUF_INIT;
	PGconn *db = db_open();
	const char *p;
	int violated = 0;

	if (!db)
		db_die("could not open the catalogue");
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
	struct buf u = BUF_INIT;
	char **argv;
	int n = 0, i;

	/* starts the private cluster if it is down */
	PQfinish(connect_or_die(1));
	put_url(&u);
	while (args[n])
		n++;
	argv = xcalloc((size_t)n + 3, sizeof *argv);
	argv[0] = (char *)"psql";
	argv[1] = u.data;
	for (i = 0; i < n; i++)
		argv[i + 2] = args[i];
	fflush(stdout);
	execvp("psql", argv);
	warn("could not run psql: %m");
	free(argv);
	buf_free(&u);
	return EXIT_NOPROG;
}

static const struct {
	const char *name;
	int (*run)(void);
} verbs[] = {
	{ "init", init }, { "start", start }, { "stop", stop },
	{ "status", status }, { "url", url }, { "migrate", migrate },
	{ "check", check },
};

int
main(int argc, char **argv)
{
	const char *name, *value, *verb;
	unsigned int i;

	prog_start(&prog, argc, argv);
	if (argc > 1 && !strcmp(argv[1], "psql"))
		prog_stop_at_operand();
	while ((name = prog_option(&value)))
		if (!strcmp(name, "json"))
			json = 1;
	prog_operands(1, -1);
	prog_config();
	verb = prog_operand(0);
	if (!strcmp(verb, "psql"))
		return psql(prog_operand_vector() + 1);
	prog_operands(1, 1);
	for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (!strcmp(verb, verbs[i].name))
			return verbs[i].run();
	die_usage("unknown command %s", quoted(verb));
}
