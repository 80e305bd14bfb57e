#define _GNU_SOURCE
#include "catalogue/db.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/medium_name.h"
#include "base/procstat.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "catalogue/cluster.h"
#include "catalogue/conninfo.h"
#include "catalogue/migrate.h"
#include "sql/statements.h"

static struct buf error;
static char sqlstate[6];
static int status = EXIT_FAILED;

const char *
db_error(void)
{
	return error.data ? error.data : "";
}

const char *
db_sqlstate(void)
{
	return sqlstate;
}

int
db_status(void)
{
	return status;
}

void
db_die(const char *fmt, ...)
{
	struct buf what = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&what, fmt, ap);
	va_end(ap);
	die(sig_caught() ? EXIT_SIGNAL + sig_caught() : status, "%s: %s",
	    what.data, db_error());
}

/* libpq's messages are paragraphs; ours are lines. */
static void
set_error(const char *message, const char *state)
{
	size_t len;

	if (!strncmp(message, "ERROR:  ", 8))
		message += 8;
	else if (!strncmp(message, "FATAL:  ", 8))
		message += 8;
	buf_reset(&error);
	for (; *message; message++) {
		if (*message != '\n') {
			buf_putc(&error, *message == '\t' ? ' ' : *message);
		} else if (message[1]) {
			buf_puts(&error, "; ");
			message += strspn(message + 1, " \t");
		}
	}
	len = error.len;
	while (len > 0 && (error.data[len - 1] == ' ' ||
	    error.data[len - 1] == ';'))
		error.data[--len] = '\0';
	error.len = len;
	strncpy(sqlstate, state ? state : "", sizeof sqlstate - 1);
}

/*
 * PostgreSQL's appendix A: connection exceptions, operator intervention
 * (shutdown, crash, terminated backend), insufficient resources, I/O errors of
 * the server, locks that were not to be had, deadlocks.
 */
static int
is_transient(const char *state)
{
	static const char *const classes[] = { "08", "53", "57", "58", "40",
		"55P03" };
	unsigned int i;

	for (i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (!strncmp(state, classes[i], strlen(classes[i])))
			return 1;
	return 0;
}

static void
fail(PGconn *db, const PGresult *res)
{
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) :
	    NULL;
	const char *message = res ? PQresultErrorMessage(res) : "";

	if (!*message)
		message = PQerrorMessage(db);
	set_error(sig_hung_up() ? "the server did not answer after the signal" :
	    message, state);
	status = PQstatus(db) != CONNECTION_OK || is_transient(sqlstate) ?
	    EXIT_AGAIN : EXIT_FAILED;
	if (sig_hung_up())
		status = EXIT_SIGNAL + sig_caught();
}

PGresult *
db_check(PGconn *db, PGresult *res)
{
	switch (PQresultStatus(res)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_SINGLE_TUPLE:
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_PIPELINE_SYNC:
		return res;
	default:
		fail(db, res);
		PQclear(res);
		return NULL;
	}
}

/* Waits for more of the answer; says so when that takes long. */
static void
wait_for_answer(PGconn *db, double since, int *told)
{
	enum { TICK_MS = 1000, LONG_S = 60 };
	struct pollfd p = { .fd = PQsocket(db), .events = POLLIN };

	poll(&p, 1, TICK_MS);
	if (*told || monotonic_s() - since < LONG_S)
		return;
	say("the catalogue has not answered for a minute: the question is "
	    "long, it waits for a lock, or the server stands still");
	*told = 1;
}

/* What PQexec() would give: the last result, or that of a COPY. */
static PGresult *
answer(PGconn *db)
{
	double since = monotonic_s();
	PGresult *last = NULL, *res;
	int told = 0;

	for (;;) {
		while (PQisBusy(db) && PQconsumeInput(db) && PQisBusy(db))
			wait_for_answer(db, since, &told);
		res = PQgetResult(db);
		if (!res)
			return last;
		PQclear(last);
		last = res;
		if (PQresultStatus(res) == PGRES_COPY_IN ||
		    PQresultStatus(res) == PGRES_COPY_OUT ||
		    PQstatus(db) == CONNECTION_BAD)
			return last;
	}
}

PGresult *
db_exec_params(PGconn *db, const char *sql, int n, const Oid *types,
    const char *const *params, const int *lengths, const int *formats,
    int binary)
{
	return PQsendQueryParams(db, sql, n, types, params, lengths, formats,
	    binary) ? answer(db) : NULL;
}

PGresult *
db_exec(PGconn *db, const char *sql)
{
	return PQsendQuery(db, sql) ? answer(db) : NULL;
}

PGresult *
db_query_n(PGconn *db, const char *sql, int n, const char *const *params)
{
	return db_check(db, db_exec_params(db, sql, n, NULL, params, NULL,
	    NULL, 0));
}

static int
collect(const char **params, va_list ap)
{
	int n = 0;

	while ((params[n] = va_arg(ap, const char *)))
		if (++n == DB_MAX_PARAMS)
			abort();
	return n;
}

PGresult *
(db_query)(PGconn *db, const char *sql, ...)
{
	const char *params[DB_MAX_PARAMS];
	va_list ap;
	int n;

	va_start(ap, sql);
	n = collect(params, ap);
	va_end(ap);
	return db_query_n(db, sql, n, params);
}

int
(db_do)(PGconn *db, const char *sql, ...)
{
	const char *params[DB_MAX_PARAMS];
	PGresult *res;
	va_list ap;
	int n;

	va_start(ap, sql);
	n = collect(params, ap);
	va_end(ap);
	res = db_query_n(db, sql, n, params);
	PQclear(res);
	return res ? 0 : -1;
}

int
db_script(PGconn *db, const char *sql)
{
	PGresult *res = db_check(db, db_exec(db, sql));

	PQclear(res);
	return res ? 0 : -1;
}

int
db_begin(PGconn *db)
{
	return db_script(db, "BEGIN");
}

int
db_commit(PGconn *db)
{
	PGresult *res = db_check(db, db_exec(db, "COMMIT"));
	int committed;

	if (!res)
		return -1;
	/* COMMIT of a failed transaction "succeeds" as ROLLBACK */
	committed = !strcmp(PQcmdStatus(res), "COMMIT");
	if (!committed)
		set_error("the transaction was rolled back", "40000");
	PQclear(res);
	return committed ? 0 : -1;
}

void
db_rollback(PGconn *db)
{
	PQclear(db_exec(db, "ROLLBACK"));
}

char *
db_ident(PGconn *db, const char *prefix, const char *medium)
{
	char *name, *escaped, *copy;

	if (!medium_valid(medium))
		abort();
	name = xasprintf("%s%s", prefix, medium);
	escaped = PQescapeIdentifier(db, name, strlen(name));
	free(name);
	copy = xstrdup(escaped ? escaped : "");
	PQfreemem(escaped);
	return copy;
}

char *
sql_with(const char *sql, const char *inode, const char *path,
    const char *medium)
{
	const struct {
		const char *variable, *text;
	} variables[] = {
		{ ":\"inode\"", inode }, { ":\"path\"", path },
		{ ":'medium'", medium }
	};
	struct buf b = BUF_INIT;
	size_t i, len;

	while (*sql) {
		for (i = 0; i < sizeof variables / sizeof variables[0]; i++) {
			len = strlen(variables[i].variable);
			if (!strncmp(sql, variables[i].variable, len))
				break;
		}
		if (i == sizeof variables / sizeof variables[0]) {
			buf_putc(&b, *sql++);
			continue;
		}
		buf_puts(&b, variables[i].text);
		sql += len;
	}
	return buf_detach(&b);
}

char *
sql_for(const char *sql, const char *medium)
{
	char *inode, *path, *hash, *out;

	if (!medium_valid(medium))
		abort();
	inode = xasprintf("\"inode_p_%s\"", medium);
	path = xasprintf("\"path_p_%s\"", medium);
	hash = xasprintf("'%s'", medium);
	out = sql_with(sql, inode, path, hash);
	free(inode);
	free(path);
	free(hash);
	return out;
}

char *
db_bytea(const void *bytes, size_t len)
{
	char *text = xmalloc(2 * len + 3);

	memcpy(text, "\\x", 2);
	hex_encode(text + 2, bytes, len);
	return text;
}

int
db_bytea_value(PGresult *res, int row, int col, struct buf *out)
{
	const char *text = PQgetvalue(res, row, col);
	size_t len = (size_t)PQgetlength(res, row, col);

	if (len < 2 || len % 2 || memcmp(text, "\\x", 2))
		return -1;
	len = (len - 2) / 2;
	buf_reserve(out, len);
	if (hex_decode(out->data + out->len, text + 2, len) < 0)
		return -1;
	out->len += len;
	out->data[out->len] = '\0';
	return 0;
}

char *
db_path(const char *path)
{
	if (!path || utf8_valid(path, strlen(path)))
		return path ? xstrdup(path) : NULL;
	return db_bytea(path, strlen(path));
}

char *
db_path_value(PGresult *res, int row, int col)
{
	struct buf path = BUF_INIT;

	if (PQgetisnull(res, row, col))
		return NULL;
	if (PQgetvalue(res, row, col)[0] != '\\' ||
	    db_bytea_value(res, row, col, &path) < 0)
		return xstrdup(PQgetvalue(res, row, col));
	return buf_detach(&path);
}

const char *
db_text(const PGresult *res, int row, int col)
{
	return PQgetvalue(res, row, col);
}

const char *
db_text_null(const PGresult *res, int row, int col)
{
	return PQgetisnull(res, row, col) ? NULL : db_text(res, row, col);
}

char *
db_copy(const PGresult *res, int row, int col)
{
	const char *text = db_text_null(res, row, col);

	return text ? xstrdup(text) : NULL;
}

int64_t
db_int(const PGresult *res, int row, int col)
{
	return strtoll(PQgetvalue(res, row, col), NULL, 10);
}

int
db_bool(const PGresult *res, int row, int col)
{
	return PQgetvalue(res, row, col)[0] == 't';
}

const char *
db_conninfo(void)
{
	static struct buf info;

	buf_reset(&info);
	if (config_private_cluster())
		cluster_conninfo(&info, NULL);
	else
		buf_puts(&info, config_get(CONFIG_DB_URL));
	return info.data;
}

/*
 * Peer authentication looks at the effective user of the moment of connect(2),
 * so a connection on behalf of the user of sudo is made as that user.  The
 * private cluster knows root by itself.
 */
static PGconn *
connect_as_invoker(int wait)
{
	/* a server whose host vanished is noticed within 15 seconds */
	static const char *const names[] = { "keepalives_idle",
		"keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"dbname", "fallback_application_name", "connect_timeout",
		"client_encoding", NULL };
	const char *values[] = { "5", "5", "2", "15000", db_conninfo(),
		diag_prog, "10", "UTF8", NULL };
	const struct invoker *who = config_invoker();
	int switched = who->sudo && geteuid() == 0 &&
	    !config_private_cluster() && seteuid(who->uid) == 0;
	PGconn *db = wait ? PQconnectdbParams(names, values, 1) :
	    PQconnectStartParams(names, values, 1);

	if (switched && seteuid(0) < 0)
		die_errno("could not become root again");
	if (PQsocket(db) >= 0)
		sig_hang_up(PQsocket(db));
	return db;
}

static void
ignore_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

/* What libpq says of a string that it cannot read repeats parts of it. */
static void
hide_secrets(void)
{
	char *open = conninfo_open(db_conninfo(), NULL), *message;

	if (!open) {
		message = xasprintf("NTT_DB_URL (%s) is no connection string "
		    "of PostgreSQL", config_origin(CONFIG_DB_URL));
		set_error(message, "");
		status = EXIT_USAGE;
		free(message);
	}
	free(open);
}

/* A server that was killed takes a moment to end, one that starts to answer. */
static enum cluster_state
settled_cluster(void)
{
	enum { MOST_MS = 3000, PAUSE_US = 50000 };
	int64_t begun = monotonic_ms();
	enum cluster_state state = cluster_state();

	while (state == CLUSTER_BUSY && monotonic_ms() - begun < MOST_MS) {
		usleep(PAUSE_US);
		state = cluster_state();
	}
	return state;
}

PGconn *
db_connect(int start)
{
	static char *const start_argv[] = { (char *)"ntt-db", (char *)"start",
		(char *)"-q", NULL };
	PGconn *db = connect_as_invoker(1);

	if (PQstatus(db) != CONNECTION_OK && start &&
	    config_private_cluster()) {
		enum cluster_state state = settled_cluster();
		struct spawn_io io = SPAWN_INHERIT;

		io.in = SPAWN_NULL;
		io.out = SPAWN_NULL;
		if (state == CLUSTER_DOWN)
			run(start_argv, &io);
		if (state == CLUSTER_DOWN || state == CLUSTER_UP) {
			PQfinish(db);
			db = connect_as_invoker(1);
		}
	}
	if (PQstatus(db) != CONNECTION_OK) {
		if (config_private_cluster() &&
		    cluster_state() == CLUSTER_NONE) {
			set_error("NTT_HOME has no database yet: run "
			    "\"ntt-db init\"", "");
			status = EXIT_FAILED;
		} else {
			fail(db, NULL);
			hide_secrets();
		}
		PQfinish(db);
		return NULL;
	}
	PQsetNoticeProcessor(db, ignore_notice, NULL);
	if (!config_private_cluster() && db_script(db, sql_db_session) < 0) {
		PQfinish(db);
		return NULL;
	}
	return db;
}

PGconn *
db_connect_begin(void)
{
	PGconn *db = connect_as_invoker(0);

	if (!db)
		out_of_memory();
	PQsetNoticeProcessor(db, ignore_notice, NULL);
	return db;
}

static int
check_version(PGconn *db)
{
	int version = migrate_version(db);
	char *message;

	if (version == DB_SCHEMA_VERSION)
		return 0;
	if (version < 0)
		return -1;
	if (version == 0)
		message = xstrdup("the database has no NTT catalogue: run "
		    "\"ntt-db migrate\"");
	else if (version < DB_SCHEMA_VERSION)
		message = xasprintf("the catalogue has schema version %d and "
		    "this program is newer (%d): run \"ntt-db migrate\"",
		    version, DB_SCHEMA_VERSION);
	else
		message = xasprintf("the catalogue has schema version %d and "
		    "this program is older (%d): install the newer NTT",
		    version, DB_SCHEMA_VERSION);
	set_error(message, "");
	status = EXIT_FAILED;
	free(message);
	return -1;
}

PGconn *
db_open(void)
{
	PGconn *db = db_connect(1);

	if (db && check_version(db) < 0) {
		PQfinish(db);
		return NULL;
	}
	return db;
}

PGconn *
db_need(void)
{
	PGconn *db = db_open();

	if (!db)
		db_die("could not open the catalogue");
	return db;
}
