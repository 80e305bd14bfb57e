#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "procstat.h"
#include "sig.h"

enum {
	TICK_MS = 250,
	TELL_AFTER_MS = 1000,		/* before LOCK_TIMEOUT_MS */
	LOCK_TIMEOUT_MS = 2500,
	RETRY_MAX_MS = 15000,
	/* a loader that was killed holds its lock until the server notices */
	LOCK_GRACE_MS = 5000
};

static int
fail(struct load *l, int err)
{
	l->err = err;
	return -1;
}

/* Interruptible; -1 when a signal came. */
static int
pause_ms(struct load *l, int ms)
{
	int64_t end = monotonic_ms() + ms;

	while (monotonic_ms() < end && !sig_caught())
		poll(NULL, 0, TICK_MS < ms ? TICK_MS : ms);
	return sig_caught() ? fail(l, EINTR) : 0;
}

/* Who stands in the way of our session, as text; nothing if nobody does. */
static void
find_blockers(struct load *l, struct buf *out)
{
	static const char sql[] =
	    "SELECT format('process %s (%s%s, %s for %s)%s', a.pid, "
	    "coalesce(nullif(a.application_name, ''), a.backend_type), "
	    "coalesce(' of ' || a.usename, ''), coalesce(a.state, 'running'), "
	    "date_trunc('second', clock_timestamp() - "
	    "coalesce(a.state_change, a.backend_start)), "
	    "coalesce(', transaction begun ' || date_trunc('second', "
	    "clock_timestamp() - a.xact_start) || ' ago', '') || "
	    "': ' || regexp_replace(left(a.query, 200), '\\s+', ' ', 'g')) "
	    "FROM unnest(pg_blocking_pids($1::integer)) AS b (pid) "
	    "JOIN pg_stat_activity a USING (pid)";
	char *pid = xasprintf("%d", PQbackendPID(l->db));
	PGresult *res;
	int i;

	if (!l->monitor)
		l->monitor = db_connect(0);
	res = l->monitor ? db_query(l->monitor, sql, pid) : NULL;
	for (i = 0; res && i < PQntuples(res); i++) {
		if (i > 0)
			buf_puts(out, "; ");
		buf_escape(out, db_text(res, i, 0),
		    (size_t)PQgetlength(res, i, 0));
	}
	PQclear(res);
	free(pid);
}

/* The server is told, and not waited for: it may be what hangs. */
static void
cancel(struct load *l)
{
	PGcancel *c = PQgetCancel(l->db);
	char why[256];

	if (c)
		PQcancel(c, why, sizeof why);
	PQfreeCancel(c);
}

static void
discard_results(PGconn *db)
{
	PGresult *res;

	while ((res = PQgetResult(db)))
		PQclear(res);
}

/* How a statement is waited for. */
enum {
	WAIT_TELL = 1,		/* who is in the way, if somebody is */
	WAIT_FIRM = 2		/* signals do not end it */
};

/* Until the statement that was sent has a result. */
static int
await(struct load *l, int how)
{
	int64_t begun = monotonic_ms();
	int told = !(how & WAIT_TELL) || !l->blocked;

	while (PQisBusy(l->db)) {
		struct pollfd p = { .fd = PQsocket(l->db), .events = POLLIN };

		poll(&p, 1, TICK_MS);
		if (sig_caught() && !(how & WAIT_FIRM)) {
			cancel(l);
			return fail(l, EINTR);
		}
		if (p.revents && !PQconsumeInput(l->db))
			break;
		if (!told && monotonic_ms() - begun >= TELL_AFTER_MS) {
			struct buf who = BUF_INIT;

			find_blockers(l, &who);
			if (who.len > 0)
				l->blocked(who.data);
			buf_free(&who);
			told = 1;
		}
	}
	return 0;
}

/* One statement with at most one parameter; the caller clears the result. */
static PGresult *
query(struct load *l, int how, const char *sql, const char *param)
{
	PGresult *res;

	if (!PQsendQueryParams(l->db, sql, param ? 1 : 0, NULL, &param, NULL,
	    NULL, 0)) {
		db_check(l->db, NULL);
		fail(l, 0);
		return NULL;
	}
	if (await(l, how) < 0)
		return NULL;
	res = db_check(l->db, PQgetResult(l->db));
	discard_results(l->db);
	if (!res)
		fail(l, 0);
	return res;
}

static int
run(struct load *l, const char *sql, const char *param)
{
	PGresult *res = query(l, 0, sql, param);

	PQclear(res);
	return res ? 0 : -1;
}

/*
 * A statement that needs a lock others may hold.  It does not queue for long,
 * because everybody else would queue behind it: it tries again and again.
 */
static int
run_locking(struct load *l, const char *sql, const char *param)
{
	int64_t end = monotonic_ms() + (int64_t)l->wait_seconds * 1000;
	int delay = TICK_MS;
	PGresult *res;

	for (;;) {
		if (run(l, "SAVEPOINT load_lock", NULL) < 0)
			return -1;
		res = query(l, WAIT_TELL, sql, param);
		PQclear(res);
		if (res)
			return run(l, "RELEASE load_lock", NULL);
		if (l->err || (strcmp(db_sqlstate(), "55P03") &&
		    strcmp(db_sqlstate(), "40P01")) || monotonic_ms() >= end)
			return -1;
		if (run(l, "ROLLBACK TO load_lock", NULL) < 0 ||
		    pause_ms(l, delay) < 0)
			return -1;
		if (delay < RETRY_MAX_MS)
			delay *= 2;
	}
}

static int
set_session(struct load *l)
{
	if (run(l, "SET client_min_messages = warning", NULL) < 0 ||
	    run(l, "SELECT set_config(name, '0', false) FROM pg_settings "
	    "WHERE name IN ('idle_session_timeout', 'statement_timeout')",
	    NULL) < 0)
		return -1;
	/* a loader that was killed must not go on building its indexes */
	return run(l, "SELECT set_config(name, '1000', false) FROM "
	    "pg_settings WHERE name = 'client_connection_check_interval'",
	    NULL);
}

/* 1: we have it; 0: somebody has. */
static int
try_lock(struct load *l)
{
	PGresult *res = query(l, 0, "SELECT pg_try_advisory_lock("
	    "hashtextextended('ntt-loader ' || $1, 0))", l->medium);
	int got;

	if (!res)
		return -1;
	got = db_bool(res, 0, 0);
	PQclear(res);
	return got;
}

static void
find_holder(struct load *l, struct buf *holder)
{
	PGresult *res = query(l, 0,
	    "SELECT format('process %s (%s%s) since %s', a.pid, "
	    "coalesce(nullif(a.application_name, ''), a.backend_type), "
	    "coalesce(' from ' || a.client_addr, ''), "
	    "date_trunc('second', a.backend_start)) "
	    "FROM pg_locks k JOIN pg_stat_activity a USING (pid) "
	    "WHERE k.locktype = 'advisory' AND k.granted AND k.objsubid = 1 "
	    "AND k.database = (SELECT oid FROM pg_database "
	    "WHERE datname = current_database()) "
	    "AND (k.classid::bigint << 32 | k.objid::bigint) = "
	    "hashtextextended('ntt-loader ' || $1, 0)", l->medium);

	if (res && PQntuples(res) > 0)
		buf_escape(holder, db_text(res, 0, 0),
		    (size_t)PQgetlength(res, 0, 0));
	PQclear(res);
}

static int
lock_medium(struct load *l, struct buf *holder)
{
	int64_t end = monotonic_ms() + LOCK_GRACE_MS;
	int rc;

	while ((rc = try_lock(l)) == 0 && monotonic_ms() < end)
		if (pause_ms(l, TICK_MS) < 0)
			return -1;
	if (rc < 0)
		return -1;
	if (rc == 0)
		find_holder(l, holder);
	return rc == 0;
}

static int
look_at_row(struct load *l)
{
	PGresult *res = query(l, 0, "SELECT coalesce(size_bytes, -1), "
	    "source_kind FROM medium WHERE medium_hash = $1", l->medium);

	if (!res)
		return -1;
	l->known = PQntuples(res) > 0;
	l->size_bytes = l->known ? db_int(res, 0, 0) : -1;
	free(l->source_kind);
	l->source_kind = xstrdup(l->known ? db_text(res, 0, 1) : "");
	PQclear(res);
	return 0;
}

/* Whether there are rows such as this: 1, 0, or -1; 0 without a table. */
static int
any_row(struct load *l, const char *table, const char *where)
{
	PGresult *res = query(l, 0, "SELECT to_regclass($1)", table);
	char *sql;
	int found;

	if (!res)
		return -1;
	found = *db_text(res, 0, 0) != '\0';
	PQclear(res);
	if (!found)
		return 0;
	l->tables = 1;
	sql = xasprintf("SELECT EXISTS (SELECT FROM %s %s)", table, where);
	res = query(l, 0, sql, NULL);
	free(sql);
	if (!res)
		return -1;
	found = db_bool(res, 0, 0);
	PQclear(res);
	return found;
}

static int
look_at_tables(struct load *l)
{
	int inodes, paths, copied;

	l->tables = 0;
	inodes = any_row(l, l->inode_table, "");
	paths = inodes < 0 ? -1 : any_row(l, l->path_table, "");
	copied = inodes > 0 && paths >= 0 ? any_row(l, l->inode_table,
	    "WHERE status = 'success'") : 0;

	if (inodes < 0 || paths < 0 || copied < 0)
		return -1;
	l->state = copied ? LOAD_COPIED : inodes || paths ? LOAD_LOADED :
	    LOAD_NEW;
	return 0;
}

/* A connection with the lock: 0; 1 somebody else has it; -1. */
static int
connect_and_lock(struct load *l, struct buf *holder)
{
	int rc;

	l->db = db_open();
	if (!l->db)
		return fail(l, 0);
	free(l->path_table);
	free(l->inode_table);
	l->path_table = db_ident(l->db, "path_p_", l->medium);
	l->inode_table = db_ident(l->db, "inode_p_", l->medium);
	if (set_session(l) < 0)
		return -1;
	rc = lock_medium(l, holder);
	if (rc != 0)
		return rc;
	return look_at_row(l) < 0 || look_at_tables(l) < 0 ? -1 : 0;
}

int
load_open(struct load *l, const char *medium, unsigned int wait_seconds,
    struct buf *holder)
{
	memset(l, 0, sizeof *l);
	l->medium = medium;
	l->wait_seconds = wait_seconds;
	l->size_bytes = -1;
	copyin_init(&l->paths);
	copyin_init(&l->inodes);
	return connect_and_lock(l, holder);
}

void
load_close(struct load *l)
{
	PQfinish(l->db);
	PQfinish(l->monitor);
	copyin_free(&l->paths);
	copyin_free(&l->inodes);
	free(l->path_table);
	free(l->inode_table);
	free(l->source_kind);
	memset(l, 0, sizeof *l);
}

int
load_wake(struct load *l, struct buf *holder)
{
	if (run(l, "SELECT 1", NULL) == 0)
		return 0;
	if (l->err || PQstatus(l->db) == CONNECTION_OK)
		return -1;
	PQfinish(l->db);
	return connect_and_lock(l, holder);
}

/*
 * Time limits against a server that hangs, far above what a load takes; an
 * index build wants memory for its sort.
 */
static int
set_transaction(struct load *l, uint64_t rows)
{
	char *sql = xasprintf(
	    "SELECT set_config('statement_timeout', '%llu', true), "
	    "set_config('idle_in_transaction_session_timeout', '%llu', true), "
	    "set_config('lock_timeout', '%d', true), "
	    "set_config('maintenance_work_mem', greatest(setting::bigint, "
	    "least(524288, %llu))::text, true) FROM pg_settings "
	    "WHERE name = 'maintenance_work_mem'",
	    600000 + (unsigned long long)rows / 5,
	    600000 + (unsigned long long)rows / 5, LOCK_TIMEOUT_MS,
	    65536 + (unsigned long long)rows / 10);
	int rc = run(l, sql, NULL);

	free(sql);
	return rc;
}

static int
start_copy(struct load *l, struct copyin *c, const char *columns,
    const char *table)
{
	char *sql = xasprintf("COPY %s (%s) FROM STDIN (FORMAT binary, FREEZE)",
	    table, columns);
	int rc = copyin_start(c, l->db, sql);

	free(sql);
	return rc < 0 ? fail(l, c->err) : 0;
}

int
load_begin(struct load *l, uint64_t rows)
{
	char *name;

	if (run(l, "BEGIN", NULL) < 0 || set_transaction(l, rows) < 0)
		return -1;
	l->replace = l->state != LOAD_NEW || l->tables;
	if (l->replace) {
		name = l->path_table;
		l->path_table = xasprintf("replacement.%s", name);
		free(name);
		name = l->inode_table;
		l->inode_table = xasprintf("replacement.%s", name);
		free(name);
	}
	if (run_locking(l, l->replace ?
	    "SELECT catalogue_create_partitions($1, 'replacement')" :
	    "SELECT catalogue_create_partitions($1)", l->medium) < 0)
		return -1;
	return start_copy(l, &l->paths, "dev, ino, path, exclude_reason",
	    l->path_table);
}

int
load_paths_done(struct load *l)
{
	return copyin_end(&l->paths) < 0 ? fail(l, l->paths.err) : 0;
}

int
load_inodes_begin(struct load *l)
{
	return start_copy(l, &l->inodes,
	    "dev, ino, nlink, size, mtime, status, fs_type", l->inode_table);
}

int
load_suspects_begin(struct load *l, struct copyin *suspects)
{
	if (run(l, "CREATE TEMPORARY TABLE load_suspect (number bigint, "
	    "dev bigint, ino bigint, path bytea, exclude_reason text) "
	    "ON COMMIT DROP", NULL) < 0)
		return -1;
	if (copyin_start(suspects, l->db, "COPY load_suspect FROM STDIN "
	    "(FORMAT binary, FREEZE)") < 0)
		return fail(l, suspects->err);
	return 0;
}

int
load_suspects_end(struct load *l, struct copyin *suspects,
    uint64_t **innocent, size_t *count)
{
	PGresult *res;
	char *sql;
	size_t i;

	if (copyin_end(suspects) < 0)
		return fail(l, suspects->err);
	sql = xasprintf("CREATE TEMPORARY TABLE load_innocent ON COMMIT DROP "
	    "AS SELECT * FROM (SELECT DISTINCT ON (path) * FROM load_suspect "
	    "ORDER BY path, number) s WHERE NOT EXISTS (SELECT FROM %s p "
	    "WHERE p.path = s.path)", l->path_table);
	if (run(l, "ANALYZE load_suspect", NULL) < 0 ||
	    run(l, sql, NULL) < 0) {
		free(sql);
		return -1;
	}
	free(sql);
	sql = xasprintf("INSERT INTO %s (dev, ino, path, exclude_reason) "
	    "SELECT dev, ino, path, exclude_reason FROM load_innocent",
	    l->path_table);
	if (run(l, sql, NULL) < 0) {
		free(sql);
		return -1;
	}
	free(sql);
	res = query(l, 0, "SELECT number FROM load_innocent ORDER BY number",
	    NULL);
	if (!res)
		return -1;
	*count = (size_t)PQntuples(res);
	*innocent = xcalloc(*count + 1, sizeof **innocent);
	for (i = 0; i < *count; i++)
		(*innocent)[i] = (uint64_t)db_int(res, (int)i, 0);
	PQclear(res);
	return 0;
}

static int
update_medium(struct load *l, const struct load_medium *m)
{
	static const char sql[] =
	    "INSERT INTO medium AS m (medium_hash, medium_human, source_kind, "
	    "source_path, load_counts, problems, enum_done) "
	    "VALUES ($1, $2, $3, $4, $5::jsonb, nullif($6::jsonb, '{}'), "
	    "clock_timestamp()) ON CONFLICT (medium_hash) DO UPDATE SET "
	    "load_counts = EXCLUDED.load_counts, "
	    "problems = nullif((coalesce(m.problems, '{}') "
	    "- 'duplicate_paths' - 'oversized_files') || "
	    "coalesce(EXCLUDED.problems, '{}'), '{}'), "
	    "enum_done = EXCLUDED.enum_done, copy_done = NULL, "
	    "archived_at = NULL";
	const char *params[] = { l->medium, m->human, m->kind,
		m->source_path, m->counts, m->problems };
	PGresult *res;

	if (!PQsendQueryParams(l->db, sql, 6, NULL, params, NULL, NULL, 0)) {
		db_check(l->db, NULL);
		return fail(l, 0);
	}
	if (await(l, WAIT_TELL) < 0)
		return -1;
	res = db_check(l->db, PQgetResult(l->db));
	discard_results(l->db);
	PQclear(res);
	return res ? 0 : fail(l, 0);
}

/* Half an answer to this would be worse than a late one. */
static int
commit(struct load *l)
{
	PGresult *res = query(l, WAIT_FIRM, "COMMIT", NULL);
	int committed = res && !strcmp(PQcmdStatus(res), "COMMIT");

	PQclear(res);
	if (res && !committed)
		return fail(l, EPROTO);
	return res ? 0 : -1;
}

int
load_finish(struct load *l, const struct load_medium *m)
{
	if (copyin_end(&l->inodes) < 0)
		return fail(l, l->inodes.err);
	if (run(l, l->replace ?
	    "SELECT catalogue_key_partitions($1, 'replacement')" :
	    "SELECT catalogue_key_partitions($1)", l->medium) < 0)
		return -1;
	if (run_locking(l, l->replace ?
	    "SELECT catalogue_replace_partitions($1)" :
	    "SELECT catalogue_attach_partitions($1)", l->medium) < 0)
		return -1;
	if (update_medium(l, m) < 0)
		return -1;
	return commit(l);
}

int
load_drop(struct load *l, uint64_t *rows)
{
	char *sql = xasprintf("SELECT count(*) FROM %s", l->inode_table);
	PGresult *res;

	*rows = 0;
	if (run(l, "BEGIN", NULL) < 0 || set_transaction(l, 0) < 0) {
		free(sql);
		return -1;
	}
	res = query(l, 0, "SELECT to_regclass($1)", l->inode_table);
	if (res && *db_text(res, 0, 0)) {
		PQclear(res);
		res = query(l, 0, sql, NULL);
		if (res)
			*rows = (uint64_t)db_int(res, 0, 0);
	}
	free(sql);
	PQclear(res);
	if (!res)
		return -1;
	if (run_locking(l, "SELECT catalogue_drop_partitions($1)",
	    l->medium) < 0 ||
	    run(l, "UPDATE medium SET enum_done = NULL, copy_done = NULL, "
	    "archived_at = NULL, "
	    "load_counts = NULL WHERE medium_hash = $1", l->medium) < 0)
		return -1;
	return commit(l);
}

char *
load_find_medium(PGconn *db, const char *name, int *matches)
{
	PGresult *res = db_query(db, "SELECT medium_hash FROM medium "
	    "WHERE medium_hash = $1 OR (length($1) >= 8 AND "
	    "left(medium_hash, length($1)) = $1) "
	    "ORDER BY medium_hash <> $1 LIMIT 2", name);
	char *found = NULL;

	*matches = res ? PQntuples(res) : -1;
	if (*matches > 0 && !strcmp(db_text(res, 0, 0), name))
		*matches = 1;
	if (*matches == 1)
		found = xstrdup(db_text(res, 0, 0));
	PQclear(res);
	return found;
}
