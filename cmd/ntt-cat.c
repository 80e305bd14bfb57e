/*
 * ntt-cat: writes one content of the collection to standard output, and checks
 * it meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "catalogue/account.h"
#include "catalogue/content.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/place.h"
#include "catalogue/store_mark.h"
#include "sql/statements.h"
#include "store/blob_read.h"
#include "store/store.h"

static PGconn *db;
static char id[STORE_ID + 1];
static uint64_t written;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	OPT_END
};

static const struct prog prog = {
	"ntt-cat",
	"MEDIUM:PATH\n-m MEDIUM PATH\nBLOB",
	"Write one content of the collection to standard output"
};

static int
is_blob(const char *text)
{
	return strlen(text) == STORE_ID &&
	    strspn(text, "0123456789abcdef") == STORE_ID;
}

static void __attribute__((noreturn))
not_in_catalogue(const struct place *p, const char *path)
{
	PGresult *res = db_query(db, sql_cat_omission, p->medium, path);
	struct buf why = BUF_INIT;

	if (!res)
		db_die("could not look up %s", quoted_bytes(p->path, p->len));
	if (PQntuples(res) == 0)
		die(EXIT_FAILED, "medium %s has no %s", p->medium,
		    quoted_bytes(p->path, p->len));
	account_clause(&why, db_text(res, 0, 0), 1);
	if (*db_text(res, 0, 1))
		buf_printf(&why, " (%s)", db_text(res, 0, 1));
	die(EXIT_FAILED, "%s of medium %s is not in the catalogue: %s",
	    quoted_bytes(p->path, p->len), p->medium, why.data);
}

/*
 * "path:stream", where nothing has that path: as look_up(), or -1: there is no
 * such stream.
 */
static int
look_up_stream(const struct place *p)
{
	const char *colon = memrchr(p->path, ':', p->len);
	size_t len = colon ? (size_t)(colon - p->path) : 0;
	char *path, *name, *sql;
	PGresult *res;
	int status = -1;

	if (!colon)
		return -1;
	path = db_bytea(p->path, len);
	name = db_bytea(colon + 1, p->len - len - 1);
	sql = sql_for(sql_cat_stream, p->medium);
	res = db_query(db, sql, path, name);
	if (!res)
		db_die("could not look up %s", quoted_bytes(p->path, p->len));
	if (PQntuples(res) > 0 && PQgetisnull(res, 0, 1))
		die(EXIT_FAILED, "%s is not stored: %s",
		    quoted_bytes(p->path, p->len), db_text_null(res, 0, 2) ?
		    db_text_null(res, 0, 2) : db_text(res, 0, 0));
	if (PQntuples(res) > 0) {
		strncat(id, db_text(res, 0, 1), STORE_ID);
		status = db_text_null(res, 0, 2) ? EXIT_PARTIAL : EXIT_DONE;
		if (status)
			warn("%s: %s", quoted_bytes(p->path, p->len),
			    db_text_null(res, 0, 2));
	}
	PQclear(res);
	free(sql);
	free(name);
	free(path);
	return status;
}

/* Its blob to id; EXIT_PARTIAL if bytes of it are lost, else EXIT_DONE. */
static int
look_up(const struct place *p)
{
	char *path = db_bytea(p->path, p->len);
	char *sql = sql_for(sql_cat_place, p->medium);
	PGresult *res = db_query(db, sql, path);
	struct buf why = BUF_INIT;
	int damaged;

	if (!res)
		db_die("could not look up %s", quoted_bytes(p->path, p->len));
	if (PQntuples(res) == 0) {
		damaged = look_up_stream(p);
		if (damaged < 0)
			not_in_catalogue(p, path);
		PQclear(res);
		free(sql);
		free(path);
		return damaged;
	}
	if (PQgetisnull(res, 0, 2)) {
		content_why_not(&why, *db_text(res, 0, 0), db_text(res, 0, 1),
		    db_text_null(res, 0, 3), db_text_null(res, 0, 4));
		die(EXIT_FAILED, "%s is not stored: %s",
		    quoted_bytes(p->path, p->len), why.data);
	}
	strncat(id, db_text(res, 0, 2), STORE_ID);
	damaged = db_bool(res, 0, 5);
	if (damaged && db_text_null(res, 0, 6))
		warn("%s has zeros where the medium could not be read: %s",
		    quoted_bytes(p->path, p->len), db_text(res, 0, 6));
	else if (damaged)
		warn("%s may have zeros where the medium could not be read",
		    quoted_bytes(p->path, p->len));
	PQclear(res);
	free(sql);
	free(path);
	return damaged ? EXIT_PARTIAL : EXIT_DONE;
}

static int
find(const char *medium, const char *what)
{
	struct place_names names = PLACE_NAMES_INIT;
	struct place p;
	int status;

	if (!medium && is_blob(what)) {
		strcpy(id, what);
		return EXIT_DONE;
	}
	if (!medium && !strchr(what, ':'))
		die_usage("%s is neither MEDIUM:PATH nor a blob",
		    quoted(what));
	place_named(db, &names, medium, what, strlen(what), &p);
	switch (medium_loaded(db, p.medium)) {
	case -1:
		db_die("could not look at %s", p.medium);
	case 0:
		die(EXIT_FAILED, "medium %s is not loaded", p.medium);
	}
	status = look_up(&p);
	place_free(&p);
	place_names_free(&names);
	return status;
}

static int
put(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	written += len;
	progress_set(written);
	return write_all(STDOUT_FILENO, bytes, len);
}

static void
open_store(struct store *s)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);

	store_mark_need(db, CONFIG_BYHASH_ROOT, 0);
	if (store_open_read(s, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
}

static int
write_blob(const char *what, int status)
{
	struct blob_sink sink = { .buf = xmalloc(BLOB_BLOCK), .put = put,
		.stop = sig_caught };
	enum blob_outcome outcome;
	struct store store;
	int err;

	open_store(&store);
	progress_start("writing", NULL, PROGRESS_BYTES, 0);
	outcome = blob_read(&store, id, &sink);
	err = errno;
	progress_stop();
	close(store.root);
	free(sink.buf);
	errno = err;
	if (outcome == BLOB_STOPPED || (outcome != BLOB_GOOD && sig_caught()))
		return EXIT_SIGNAL + sig_caught();
	if (outcome == BLOB_NOT_TAKEN)
		die_errno("could not write to standard output: %m");
	if (outcome == BLOB_GOOD)
		return status;
	if (outcome == BLOB_UNREADABLE)
		warn("%s: %s: %m", quoted(what), blob_why(outcome));
	else
		warn("%s: %s (%s)", quoted(what), blob_why(outcome), id);
	if (blob_state_name(outcome, err))
		content_mark(db, id, blob_state_name(outcome, err));
	return EXIT_FAILED;
}

int
main(int argc, char **argv)
{
	const char *medium, *what;
	int status;

	prog_start(&prog, argc, argv);
	prog_options(options);
	/* -m, or none: an operand is a place */
	medium = prog_medium(prog_operand_count(), prog_operand_count());
	prog_operands(1, 1);
	what = prog_operand(0);
	prog_config();
	db = db_need();
	sig_catch();
	status = find(medium, what);
	status = write_blob(what, status);
	PQfinish(db);
	return status;
}
