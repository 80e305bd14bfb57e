#define _GNU_SOURCE
#include "catalogue/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "catalogue/db.h"
#include "sql/statements.h"

/* What is said of one, and of several with their number in front. */
static const struct {
	const char *kind, *one, *many;
} clauses[] = {
	/* ntt-raw(5) */
	{ "unreadable_directory", "directory could not be read",
	    "directories could not be read" },
	{ "unreadable_entry", "entry could not be looked at",
	    "entries could not be looked at" },
	{ "mount_point", "file system mounted below it was not entered",
	    "file systems mounted below it were not entered" },
	{ "entered_before", "directory contains itself",
	    "directories contain themselves" },
	{ "name_too_long", "path is too long for the list",
	    "paths are too long for the list" },
	{ "duplicate_name", "name stands twice in its directory",
	    "names stand twice in their directories" },
	{ "reparse_point", "reparse point could not be read",
	    "reparse points could not be read" },
	{ "names_may_be_missing", "directory may lack names",
	    "directories may lack names" },
	{ "inode_damaged", "inode is damaged", "inodes are damaged" },
	{ "area_unexplained", "lost area belongs to nothing that is known",
	    "lost areas belong to nothing that is known" },
	{ "structure_damaged", "file system is damaged in its structure",
	    "file systems are damaged in their structure" },
	{ "truncated", "volume ends beyond the image",
	    "volumes end beyond the image" },
	{ "walk_differs", "volume gave other names the second time",
	    "volumes gave other names the second time" },
	/* of other programs */
	{ "volume_unread", "volume was not read", "volumes were not read" },
	{ "bits_only", "medium has no file system: its bits are archived",
	    "media have no file system: their bits are archived" },
	{ "oversized", "file has a size that cannot be",
	    "files have sizes that cannot be" },
	{ "known_from_tree", "medium is known from its tree alone",
	    "media are known from their trees alone" },
	{ "streams_unread", "volume or file may have more named streams",
	    "volumes and files may have more named streams" },
	{ "stream_unread", "named stream could not be read",
	    "named streams could not be read" },
	{ "stream_damaged", "named stream has lost bytes",
	    "named streams have lost bytes" },
	{ "vanished", "entry vanished before it was read",
	    "entries vanished before they were read" },
	/* of inodes, when a person has accepted them */
	{ "file_failed", "file failed", "files failed" },
	{ "bytes_lost", "file has lost bytes", "files have lost bytes" },
};

void
account_clause(struct buf *out, const char *kind, uint64_t n)
{
	size_t i;

	if (out->len > 0)
		buf_puts(out, ", ");
	buf_puts(out, num_grouped(n));
	for (i = 0; i < sizeof clauses / sizeof clauses[0]; i++) {
		if (!strcmp(clauses[i].kind, kind)) {
			buf_printf(out, " %s", n == 1 ? clauses[i].one :
			    clauses[i].many);
			return;
		}
	}
	buf_printf(out, " %s", kind);
}

int
account_read(PGconn *db, const char *medium, struct account *a)
{
	PGresult *res = db_query(db, sql_account_sums, medium);

	memset(a, 0, sizeof *a);
	if (!res)
		return -1;
	a->omissions = (uint64_t)db_int(res, 0, 0);
	a->failed = (uint64_t)db_int(res, 0, 1);
	a->damaged = (uint64_t)db_int(res, 0, 2);
	a->accepted = (uint64_t)db_int(res, 0, 3);
	PQclear(res);
	return 0;
}

uint64_t
account_open(const struct account *a)
{
	return a->omissions + a->failed + a->damaged;
}

int
account_bits_only(PGconn *db, const char *medium)
{
	PGresult *res = db_query(db, sql_account_bits_only, medium);
	int only = res ? PQntuples(res) > 0 && db_bool(res, 0, 0) : -1;

	PQclear(res);
	return only;
}

int
account_describe(PGconn *db, const char *medium, struct buf *out)
{
	struct account a;
	PGresult *res;
	int i;

	if (account_read(db, medium, &a) < 0)
		return -1;
	res = db_query(db, sql_account_kinds, medium);
	if (!res)
		return -1;
	for (i = 0; i < PQntuples(res); i++)
		account_clause(out, db_text(res, i, 0),
		    (uint64_t)db_int(res, i, 1));
	PQclear(res);
	if (a.failed)
		account_clause(out, "file_failed", a.failed);
	if (a.damaged)
		account_clause(out, "bytes_lost", a.damaged);
	return 0;
}

int
account_omit(PGconn *db, const char *medium, const char *program,
    const struct omission *o)
{
	char *path = o->path ? db_bytea(o->path, o->path_len) : NULL;
	char partition[16], err[16], bytes[24];
	const char *params[] = { medium, o->partition < 0 ? NULL : partition,
		path, o->kind, o->err ? err : NULL,
		o->bytes < 0 ? NULL : bytes, o->detail, program };
	PGresult *res;

	snprintf(partition, sizeof partition, "%d", o->partition);
	snprintf(err, sizeof err, "%d", o->err);
	snprintf(bytes, sizeof bytes, "%lld", (long long)o->bytes);
	res = db_query_n(db, sql_account_omit, 8, params);
	free(path);
	PQclear(res);
	return res ? 0 : -1;
}

int
account_settle_before(PGconn *db, const char *medium, const char *program,
    const char *since)
{
	return db_do(db, sql_account_settle, medium, program, since);
}
