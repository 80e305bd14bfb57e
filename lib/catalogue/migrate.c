#include "catalogue/migrate.h"

#include <stdio.h>

#include "catalogue/db.h"
#include "catalogue/sqltext.h"
#include "sql/statements.h"

static const char *const steps[DB_SCHEMA_VERSION] = {
	sqltext_0001,
	sqltext_0002,
	sqltext_0003,
	sqltext_0004,
	sqltext_0005,
	sqltext_0006,
	sqltext_0007,
	sqltext_0008,
	sqltext_0009,
	sqltext_0010,
	sqltext_0011,
	sqltext_0012,
	sqltext_0013,
	sqltext_0014,
	sqltext_0015,
	sqltext_0016,
};

int
migrate_version(PGconn *db)
{
	PGresult *res;
	int there, version;

	res = db_query(db, "SELECT to_regclass('schema_version') IS NOT NULL");
	if (!res)
		return -1;
	there = db_bool(res, 0, 0);
	PQclear(res);
	if (!there)
		return 0;
	res = db_query(db, "SELECT max(version) FROM schema_version");
	if (!res)
		return -1;
	version = (int)db_int(res, 0, 0);
	PQclear(res);
	return version;
}

static int
apply(PGconn *db, int version)
{
	char number[16];

	snprintf(number, sizeof number, "%d", version);
	if (db_script(db, steps[version - 1]) < 0 ||
	    db_do(db, "INSERT INTO schema_version (version) VALUES ($1)",
	    number) < 0)
		return -1;
	return 0;
}

int
migrate_up(PGconn *db)
{
	int version, made = 0;

	/* two at once: the second waits, and finds nothing left to do */
	if (db_begin(db) < 0 ||
	    db_do(db, "SELECT pg_advisory_xact_lock(hashtext('ntt migrate'))")
	    < 0 ||
	    db_do(db, "SET LOCAL client_min_messages = warning") < 0 ||
	    db_do(db, sql_catalogue_versions) < 0)
		goto fail;
	version = migrate_version(db);
	if (version < 0)
		goto fail;
	for (; version < DB_SCHEMA_VERSION; made++)
		if (apply(db, ++version) < 0)
			goto fail;
	if (db_commit(db) < 0)
		goto fail;
	return made;
fail:
	db_rollback(db);
	return -1;
}
