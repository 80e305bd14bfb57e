#define _GNU_SOURCE
#include "finding.h"

#include <string.h>
#include <time.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/num.h"
#include "catalogue/cluster.h"
#include "catalogue/db.h"
#include "catalogue/migrate.h"
#include "catalogue/store_mark.h"
#include "sql/statements.h"

/* Columns of doctor_server. */
enum { VERSION, VERSION_NUM, FSYNC, FULL_PAGE_WRITES, CHECKSUMS, LOCKS,
	MAY_CREATE, TIME, IN_RECOVERY };

enum { OLDEST_SERVER = 140000 };

static void
check_durable(PGresult *res)
{
	if (strcmp(db_text(res, 0, FSYNC), "on") ||
	    strcmp(db_text(res, 0, FULL_PAGE_WRITES), "on"))
		finding(CATALOGUE, WRONG, xstrdup("the server does not write "
		    "its data safely (fsync or full_page_writes is off): a "
		    "power cut loses the catalogue"),
		    xstrdup("turn both on in postgresql.conf"));
	if (strcmp(db_text(res, 0, CHECKSUMS), "on"))
		finding(CATALOGUE, NOTE, xstrdup("the server has no data "
		    "checksums: it would not notice that its disk rots"),
		    xstrdup("stop it and run pg_checksums --enable"));
}

static void
check_clock(PGresult *res)
{
	enum { MOST = 60 };
	long long apart = (long long)time(NULL) - db_int(res, 0, TIME);

	if (apart > MOST || apart < -MOST)
		finding(CATALOGUE, NOTE, xasprintf("the clocks of the server "
		    "and of this machine are %lld seconds apart",
		    apart < 0 ? -apart : apart),
		    xstrdup("synchronise both; times of media would not "
		    "agree"));
}

static void
check_server(PGconn *db)
{
	PGresult *res = db_query(db, sql_doctor_server);

	if (!res)
		db_die("could not ask the server");
	if (db_int(res, 0, VERSION_NUM) < OLDEST_SERVER)
		finding(CATALOGUE, WRONG, xasprintf("PostgreSQL %s is too old",
		    db_text(res, 0, VERSION)),
		    xstrdup("version 14 or newer is needed"));
	else
		finding(CATALOGUE, OK, xasprintf("PostgreSQL %s",
		    db_text(res, 0, VERSION)), NULL);
	if (db_bool(res, 0, IN_RECOVERY))
		finding(CATALOGUE, WRONG, xstrdup("the server is a standby, "
		    "which takes no writes"),
		    xstrdup("name the primary in NTT_DB_URL"));
	else if (!db_bool(res, 0, MAY_CREATE))
		finding(CATALOGUE, WRONG, xstrdup("this user may not make "
		    "tables, and each medium has some of its own"),
		    xasprintf("GRANT CREATE ON SCHEMA public TO \"%s\"",
		    PQuser(db)));
	check_durable(res);
	check_clock(res);
	PQclear(res);
}

/* A question over all media locks every partition and its indexes. */
static void
check_locks(PGconn *db, int64_t media)
{
	enum { EACH = 20 };
	PGresult *res = db_query(db, sql_doctor_server);

	if (!res)
		db_die("could not ask the server");
	if (db_int(res, 0, LOCKS) < media * EACH)
		finding(CATALOGUE, WRONG, xasprintf("the server has %lld "
		    "locks, and a question over all of %s media may need "
		    "%lld", (long long)db_int(res, 0, LOCKS),
		    num_grouped((uint64_t)media), (long long)media * EACH),
		    xstrdup("raise max_locks_per_transaction in "
		    "postgresql.conf, and restart the server"));
	PQclear(res);
}

static void
check_media(PGconn *db)
{
	PGresult *res = db_query(db, sql_doctor_media);
	int64_t media, open, left;

	if (!res)
		db_die("could not count the media");
	media = db_int(res, 0, 0);
	open = db_int(res, 0, 1);
	left = db_int(res, 0, 2);
	PQclear(res);
	finding(CATALOGUE, OK, xasprintf("%s media, %s of them not copied to "
	    "the end", num_grouped((uint64_t)media),
	    num_grouped((uint64_t)left)), NULL);
	if (open)
		finding(CATALOGUE, NOTE, xasprintf("of %s media something was "
		    "left out and nobody has accepted it",
		    num_grouped((uint64_t)open)),
		    xstrdup("ntt-list-media shows which, ntt-recover-failed "
		    "list-omissions what"));
	check_locks(db, media);
}

static void
check_blobs(PGconn *db)
{
	enum { LONG = 365 };
	PGresult *res = db_query(db, sql_doctor_blobs);
	int row;

	if (!res)
		db_die("could not count the blobs that are not good");
	for (row = 0; row < PQntuples(res); row++)
		finding(STORE, WRONG, xasprintf("%s blobs are %s",
		    num_grouped((uint64_t)db_int(res, row, 1)),
		    db_text(res, row, 0)), xstrdup("ntt-heal --all"));
	PQclear(res);
	res = db_query(db, sql_doctor_oldest);
	if (!res)
		db_die("could not ask when the store was verified");
	if (PQntuples(res) && db_int(res, 0, 0) > LONG)
		finding(STORE, NOTE, xasprintf("a blob was last read %lld days "
		    "ago", (long long)db_int(res, 0, 0)),
		    xstrdup("ntt-verify --all --sla 365"));
	PQclear(res);
}

static void
check_marks(PGconn *db)
{
	static const enum config_key roots[] = { CONFIG_BYHASH_ROOT,
		CONFIG_ARCHIVED_ROOT, CONFIG_ARCHIVE_ROOT };
	int wrong = 0;
	size_t i;

	for (i = 0; i < sizeof roots / sizeof roots[0]; i++) {
		char *why = store_mark_wrong(db, roots[i]);

		if (!why)
			continue;
		finding(STORE, WRONG, why, NULL);
		wrong = 1;
	}
	if (!wrong)
		finding(STORE, OK, xstrdup("the stores are this catalogue's"),
		    NULL);
}

/* 1: the programs can use it. */
static int
check_version(PGconn *db)
{
	int version = migrate_version(db);

	if (version < 0)
		db_die("could not ask for the version of the schema");
	if (version == DB_SCHEMA_VERSION)
		return 1;
	if (version > DB_SCHEMA_VERSION)
		finding(CATALOGUE, WRONG, xasprintf("the catalogue has schema "
		    "version %d and these programs know %d", version,
		    (int)DB_SCHEMA_VERSION),
		    xstrdup("install the newer NTT"));
	else
		finding(CATALOGUE, WRONG, version == 0 ? xstrdup("the "
		    "database has no NTT catalogue") : xasprintf("the "
		    "catalogue has schema version %d, and %d is needed",
		    version, (int)DB_SCHEMA_VERSION),
		    xstrdup("ntt-db migrate"));
	return 0;
}

/* No catalogue yet is fine, unless the stores say that there was one. */
static int
check_cluster(void)
{
	const char *orphan = store_mark_orphan();

	if (!config_private_cluster() || cluster_state() != CLUSTER_NONE)
		return 1;
	if (orphan)
		finding(CATALOGUE, WRONG, xasprintf("%s is not empty, and the "
		    "private PostgreSQL of its catalogue is gone",
		    quoted(orphan)), xstrdup("\"ntt-db restore FILE\" from a "
		    "backup, else ntt-rebuild"));
	else
		finding(CATALOGUE, OK, xstrdup("none yet: \"ntt-db init\" or "
		    "the first ntt-orchestrator makes it"), NULL);
	return 0;
}

void
check_catalogue(void)
{
	PGconn *db;

	if (!check_cluster())
		return;
	db = db_connect(1);
	if (!db) {
		finding(CATALOGUE, WRONG, xasprintf("it cannot be reached: %s",
		    db_error()), config_private_cluster() ?
		    xstrdup("ntt-db start") : xstrdup("check NTT_DB_URL "
		    "(ntt --print-config) and the server"));
		return;
	}
	check_server(db);
	if (check_version(db)) {
		check_media(db);
		check_marks(db);
		check_blobs(db);
	}
	PQfinish(db);
}
