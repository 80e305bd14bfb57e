#define _GNU_SOURCE
#include "omissions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "catalogue/account.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/db.h"
#include "sql/statements.h"

enum column {
	KIND, PARTITION, PATH, ERRNO, BYTES, DETAIL, SEEN_BY, SEEN_AT,
	SETTLED_AT, SETTLED_BY, REASON
};

static const char *
errno_name(const PGresult *res, int row)
{
	return PQgetisnull(res, row, ERRNO) ? NULL :
	    strerrorname_np((int)db_int(res, row, ERRNO));
}

static void
print_json(PGresult *res, int row, const struct buf *path)
{
	struct buf b = BUF_INIT;

	json_begin_object(&b, NULL);
	json_text(&b, "kind", db_text(res, row, KIND));
	if (!PQgetisnull(res, row, PARTITION))
		json_i64(&b, "partition", db_int(res, row, PARTITION));
	if (path->len)
		json_name(&b, "path", path->data, path->len);
	json_text(&b, "errno", errno_name(res, row));
	if (!PQgetisnull(res, row, BYTES))
		json_i64(&b, "bytes", db_int(res, row, BYTES));
	json_text(&b, "detail", db_text_null(res, row, DETAIL));
	json_text(&b, "seen_by", db_text_null(res, row, SEEN_BY));
	json_text(&b, "seen_at", db_text_null(res, row, SEEN_AT));
	json_text(&b, "settled_at", db_text_null(res, row, SETTLED_AT));
	json_text(&b, "settled_by", db_text_null(res, row, SETTLED_BY));
	json_text(&b, "reason", db_text_null(res, row, REASON));
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
}

static void
print_text(PGresult *res, int row, const struct buf *path)
{
	const char *err = errno_name(res, row);
	const char *detail = db_text_null(res, row, DETAIL);
	const char *reason = db_text_null(res, row, REASON);

	printf("%-22s ", db_text(res, row, KIND));
	if (path->len)
		printf("%s", quoted_bytes(path->data, path->len));
	else if (!PQgetisnull(res, row, PARTITION))
		printf("partition %s", db_text(res, row, PARTITION));
	else
		printf("the whole medium");
	if (err)
		printf("  %s", err);
	if (detail && *detail)
		printf("  %s", quoted(detail));
	if (reason)
		printf("  accepted by %s: %s", db_text(res, row, SETTLED_BY),
		    quoted(reason));
	else if (db_text_null(res, row, SETTLED_AT))
		printf("  done by %s", db_text(res, row, SETTLED_BY));
	putchar('\n');
}

int
omissions_list(PGconn *db, const char *medium, int settled, int json)
{
	PGresult *res = db_query(db, sql_recover_failed_omissions, medium,
	    settled ? "t" : "f");
	struct buf path = BUF_INIT, all = BUF_INIT;
	struct account a;
	int row;

	if (!res || account_read(db, medium, &a) < 0 ||
	    account_describe(db, medium, &all) < 0)
		db_die("could not read the account of %s", medium);
	for (row = 0; row < PQntuples(res); row++) {
		buf_reset(&path);
		if (!PQgetisnull(res, row, PATH) &&
		    db_bytea_value(res, row, PATH, &path) < 0)
			die(EXIT_FAILED, "the catalogue gave no path");
		if (json)
			print_json(res, row, &path);
		else
			print_text(res, row, &path);
	}
	say("%s", all.len ? all.data : "nothing is missing");
	if (a.failed)
		say("failed files: ntt-recover-failed list-failures -m %.8s",
		    medium);
	if (a.damaged)
		say("damaged files: ntt-recover-failed list-damaged -m %.8s",
		    medium);
	PQclear(res);
	buf_free(&path);
	buf_free(&all);
	return account_open(&a) ? EXIT_PARTIAL : EXIT_DONE;
}

int
omissions_accept(PGconn *db, const char *medium, const char *path,
    const char *reason)
{
	char *bytea = path ? db_bytea(path, strlen(path)) : NULL;
	const char *params[] = { medium, bytea, config_invoker()->name,
		reason };
	PGresult *res = db_query_n(db, sql_recover_failed_accept, 4, params);
	struct buf event = BUF_INIT;
	uint64_t n;

	free(bytea);
	if (!res)
		db_die("could not accept what is missing of %s", medium);
	n = (uint64_t)db_int(res, 0, 0);
	PQclear(res);
	if (n == 0 && path)
		die(EXIT_FAILED, "nothing of %s is open at %s", medium,
		    quoted(path));
	log_begin(&event, LOG_ACCEPTED);
	json_u64(&event, "count", n);
	if (path)
		json_name(&event, "path", path, strlen(path));
	json_text(&event, "reason", reason);
	log_end(&event);
	buf_free(&event);
	say("%s accepted", num_grouped(n));
	return n ? catalogue_file_renew(db, medium, "accepted") :
	    EXIT_REFUSED;
}
