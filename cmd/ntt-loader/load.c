#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/procstat.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "sql/statements.h"

enum {
	TICK_MS = 250,
	TELL_AFTER_MS = 1000,		/* before its lock_timeout ends */
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

/* The sessions that block ours, as text; "" if there are none. */
static void
find_blockers(struct load *l, struct buf *out)
{
	char *pid = xasprintf("%d", PQbackendPID(l->db));
	PGresult *res;
	int i;

	if (!l->monitor)
		l->monitor = db_connect(0);
	res = l->monitor ? db_query(l->monitor, sql_loader_blockers, pid) :
	    NULL;
	for (i = 0; res && i < PQntuples(res); i++) {
		if (i > 0)
			buf_puts(out, "; ");
		buf_escape(out, db_text(res, i, 0),
		    (size_t)PQgetlength(res, i, 0));
	}
	PQclear(res);
	free(pid);
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
		/*
		 * The server sees within a second that the connection is closed
		 * (loader_notice_death).  PQcancel() would wait for it, and it
		 * may be what hangs.
		 */
		if (sig_caught() && !(how & WAIT_FIRM))
			return fail(l, EINTR);
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
	    run(l, sql_loader_no_timeouts,
	    NULL) < 0)
		return -1;
	/* a loader that was killed must not go on building its indexes */
	return run(l, sql_loader_notice_death,
	    NULL);
}

/* 1: we have it; 0: somebody has. */
static int
try_lock(struct load *l)
{
	PGresult *res = query(l, 0, sql_loader_lock, l->medium);
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
	PGresult *res = query(l, 0, sql_loader_holder, l->medium);

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
	PGresult *res = query(l, 0, sql_loader_source, l->medium);

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

/* Only a load drops what was left of a medium when its inodes were dropped. */
static int
look_at_tables(struct load *l)
{
	int inodes, paths, copied, others;

	l->tables = 0;
	inodes = any_row(l, l->inode_table, "");
	paths = inodes < 0 ? -1 : any_row(l, l->path_table, "");
	copied = inodes > 0 && paths >= 0 ? any_row(l, l->inode_table,
	    "WHERE status = 'success'") : 0;
	others = any_row(l, l->xattr_table, "");

	if (inodes < 0 || paths < 0 || copied < 0 || others < 0)
		return -1;
	l->state = copied ? LOAD_COPIED : inodes || paths ? LOAD_LOADED :
	    LOAD_NEW;
	return 0;
}

static void
name_tables(struct load *l)
{
	free(l->path_table);
	free(l->inode_table);
	free(l->xattr_table);
	l->path_table = db_ident(l->db, "path_p_", l->medium);
	l->inode_table = db_ident(l->db, "inode_p_", l->medium);
	l->xattr_table = db_ident(l->db, "xattr_p_", l->medium);
}

/* A connection with the lock: 0; 1 somebody else has it; -1. */
static int
connect_and_lock(struct load *l, struct buf *holder)
{
	int rc;

	l->db = db_open();
	if (!l->db)
		return fail(l, 0);
	name_tables(l);
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
	copyin_init(&l->omissions);
	copyin_init(&l->xattrs);
	copyin_init(&l->owners);
	return connect_and_lock(l, holder);
}

void
load_close(struct load *l)
{
	PQfinish(l->db);
	PQfinish(l->monitor);
	copyin_free(&l->paths);
	copyin_free(&l->inodes);
	copyin_free(&l->omissions);
	copyin_free(&l->xattrs);
	copyin_free(&l->owners);
	free(l->path_table);
	free(l->inode_table);
	free(l->xattr_table);
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

static int
set_transaction(struct load *l, uint64_t rows)
{
	char *n = xasprintf("%llu", (unsigned long long)rows);
	int rc = run(l, sql_loader_limits, n);

	free(n);
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

static void
in_replacement(char **table)
{
	char *name = *table;

	*table = xasprintf("replacement.%s", name);
	free(name);
}

int
load_begin(struct load *l, uint64_t rows)
{
	if (run(l, "BEGIN", NULL) < 0 || set_transaction(l, rows) < 0)
		return -1;
	l->replace = l->state != LOAD_NEW || l->tables;
	if (l->replace) {
		in_replacement(&l->path_table);
		in_replacement(&l->inode_table);
		in_replacement(&l->xattr_table);
	}
	if (run_locking(l, l->replace ?
	    "SELECT catalogue_create_partitions($1, 'replacement')" :
	    "SELECT catalogue_create_partitions($1)", l->medium) < 0)
		return -1;
	return start_copy(l, &l->paths, "dev, ino, path, exclude_reason, dir",
	    l->path_table);
}

int
load_paths_done(struct load *l)
{
	return copyin_end(&l->paths) < 0 ? fail(l, l->paths.err) : 0;
}

int
load_inodes_begin(struct load *l, int meta)
{
	return start_copy(l, &l->inodes, meta ?
	    "dev, ino, nlink, size, mtime, status, fs_type, mode, uid, gid, "
	    "rdev, flags, mtime_ns, atime, atime_ns, ctime, ctime_ns, btime, "
	    "btime_ns" :
	    "dev, ino, nlink, size, mtime, status, fs_type", l->inode_table);
}

int
load_suspects_begin(struct load *l, struct copyin *suspects)
{
	if (run(l, sql_loader_suspects, NULL) < 0)
		return -1;
	if (copyin_start(suspects, l->db,
	    "COPY load_suspect FROM STDIN (FORMAT binary, FREEZE)") < 0)
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
	sql = sql_with(sql_loader_innocents, l->inode_table, l->path_table,
	    NULL);
	if (run(l, "ANALYZE load_suspect", NULL) < 0 ||
	    run(l, sql, NULL) < 0) {
		free(sql);
		return -1;
	}
	free(sql);
	sql = sql_with(sql_loader_add_innocents, l->inode_table, l->path_table,
	    NULL);
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

int
load_merges(const struct load *l)
{
	return l->state != LOAD_NEW && l->merge != LOAD_REPLACE;
}

/* Copied is only a medium of which nothing is pending. */
static int
update_merged(struct load *l)
{
	char *sql = sql_with(sql_loader_reopen, l->inode_table, l->path_table,
	    NULL);
	int rc = run(l, sql, l->medium);

	free(sql);
	/* what the list does not lack any more is settled */
	return rc < 0 ? -1 : run(l, sql_loader_settle, l->medium);
}

static int
update_medium(struct load *l, const struct load_medium *m)
{
	const char *params[] = { l->medium, m->human, m->kind,
		m->source_path, m->counts, m->problems,
		load_merges(l) ? "t" : "f", m->listing, m->image_path,
		m->image_size };
	PGresult *res;

	if (!PQsendQueryParams(l->db, sql_loader_medium, 10, NULL, params, NULL,
	    NULL, 0)) {
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

int
load_omission(struct load *l, uint64_t dev, uint64_t ino, const char *path,
    size_t len, const char *kind, size_t kind_len, int err,
    const char *detail)
{
	struct copyin *c = &l->omissions;
	size_t detail_len = detail ? strlen(detail) : 0;

	if (copyin_row(c, 6, 64 + len + kind_len + detail_len) < 0)
		return fail(l, c->err);
	if (dev || ino) {
		copyin_int8(c, dev);
		copyin_int8(c, ino);
	} else {
		copyin_null(c);
		copyin_null(c);
	}
	if (len)
		copyin_bytes(c, path, len);
	else
		copyin_null(c);
	copyin_bytes(c, kind, kind_len);
	if (err)
		copyin_int8(c, (uint64_t)err);
	else
		copyin_null(c);
	if (detail_len)
		copyin_bytes(c, detail, detail_len);
	else
		copyin_null(c);
	return 0;
}

int
load_xattr(struct load *l, uint64_t dev, uint64_t ino, const struct buf *name,
    const struct buf *value)
{
	struct copyin *c = &l->xattrs;

	if (copyin_row(c, 4, 64 + name->len + value->len) < 0)
		return fail(l, c->err);
	copyin_int8(c, dev);
	copyin_int8(c, ino);
	copyin_bytes(c, name->data, name->len);
	copyin_bytes(c, value->len ? value->data : "", value->len);
	return 0;
}

int
load_owner(struct load *l, int is_group, uint64_t id, const struct buf *name)
{
	struct copyin *c = &l->owners;
	char flag = (char)(is_group != 0);

	if (copyin_row(c, 3, 64 + name->len) < 0)
		return fail(l, c->err);
	copyin_bytes(c, &flag, 1);
	copyin_int8(c, id);
	copyin_bytes(c, name->data, name->len);
	return 0;
}

static int
save_xattrs(struct load *l)
{
	if (l->xattrs.rows == 0)
		return 0;
	if (start_copy(l, &l->xattrs, "dev, ino, name, value",
	    l->xattr_table) < 0)
		return -1;
	return copyin_end(&l->xattrs) < 0 ? fail(l, l->xattrs.err) : 0;
}

static int
save_owners(struct load *l)
{
	if (l->owners.rows == 0)
		return 0;
	if (run(l, sql_loader_owners, NULL) < 0)
		return -1;
	if (copyin_start(&l->owners, l->db,
	    "COPY load_owner FROM STDIN (FORMAT binary)") < 0 ||
	    copyin_end(&l->owners) < 0)
		return fail(l, l->owners.err);
	return run(l, sql_loader_add_owners, l->medium);
}

/*
 * A name that was met twice is no omission where both times it was the same
 * inode's.
 */
static int
save_omissions(struct load *l)
{
	char *sql;
	int rc;

	if (l->omissions.rows == 0)
		return 0;
	if (run(l, sql_loader_omissions, NULL) < 0)
		return -1;
	if (copyin_start(&l->omissions, l->db,
	    "COPY load_omission FROM STDIN (FORMAT binary)") < 0 ||
	    copyin_end(&l->omissions) < 0)
		return fail(l, l->omissions.err);
	sql = sql_with(sql_loader_drop_known, l->inode_table, l->path_table,
	    NULL);
	rc = run(l, sql, NULL);
	free(sql);
	if (rc < 0)
		return -1;
	return run(l, sql_loader_omit, l->medium);
}

static int
count_omissions(struct load *l)
{
	PGresult *res = query(l, 0, sql_loader_omitted, l->medium);

	l->omitted = res ? (uint64_t)db_int(res, 0, 0) : 0;
	PQclear(res);
	return res ? 0 : -1;
}

static int
take_over(struct load *l)
{
	char *sql = sql_with(sql_loader_take_over, l->inode_table,
	    l->path_table, NULL);
	int rc = run(l, sql, l->take_over);

	free(sql);
	return rc;
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
	if (save_xattrs(l) < 0)
		return -1;
	if (run(l, l->replace ?
	    "SELECT catalogue_key_partitions($1, 'replacement')" :
	    "SELECT catalogue_key_partitions($1)", l->medium) < 0)
		return -1;
	if (run_locking(l, load_merges(l) ? l->merge == LOAD_ADD ?
	    "SELECT catalogue_merge_partitions($1, false)" :
	    "SELECT catalogue_merge_partitions($1, true)" : l->replace ?
	    "SELECT catalogue_replace_partitions($1)" :
	    "SELECT catalogue_attach_partitions($1)", l->medium) < 0)
		return -1;
	/* names of the first walk that were not met again */
	if (load_merges(l) && (run(l, "SELECT catalogue_fill_directories($1)",
	    l->medium) < 0 || run(l, "SELECT catalogue_loaded($1)",
	    l->medium) < 0 || run(l, "SELECT catalogue_note_contents($1)",
	    l->medium) < 0))
		return -1;
	name_tables(l);
	if (l->take_over && take_over(l) < 0)
		return -1;
	if (update_medium(l, m) < 0 || save_owners(l) < 0 ||
	    save_omissions(l) < 0 ||
	    (load_merges(l) && update_merged(l) < 0) || count_omissions(l) < 0)
		return -1;
	return commit(l);
}

int
load_same_listing(struct load *l, const char *medium, const char *listing)
{
	const char *params[] = { medium, listing };
	PGresult *res = db_query_n(l->db, sql_loader_same_list, 2, params);
	int same = res ? db_bool(res, 0, 0) : fail(l, 0);

	PQclear(res);
	return same;
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
	    run(l, sql_loader_forget, l->medium) < 0)
		return -1;
	return commit(l);
}
