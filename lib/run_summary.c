#define _GNU_SOURCE
#include "run_summary.h"

#include <stdio.h>
#include <stdlib.h>

#include "catalogue.h"
#include "config.h"
#include "db.h"
#include "num.h"

static void
line(const char *label, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void
line(const char *label, const char *fmt, ...)
{
	va_list ap;

	printf("  %-12s ", label);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static uint64_t
cell(const PGresult *res, int col)
{
	return (uint64_t)db_int(res, 0, col);
}

static PGresult *
ask(const struct run_medium *m, PGconn *db, const char *sql)
{
	PGresult *res = db_query(db, sql, m->hash);

	if (!res)
		db_die("could not sum up %s", m->hash);
	return res;
}

static void
print_contents(const struct run_medium *m, PGconn *db)
{
	char *inode = db_ident(db, "inode_p_", m->hash);
	char *path = db_ident(db, "path_p_", m->hash);
	char *sql = xasprintf("SELECT count(*) FILTER (WHERE fs_type = 'f'), "
	    "count(*) FILTER (WHERE fs_type = 'd'), "
	    "count(*) FILTER (WHERE fs_type = 'l'), "
	    "(SELECT count(*) FROM %s), "
	    "count(DISTINCT blobid) FILTER (WHERE fs_type = 'f'), "
	    "count(*) FILTER (WHERE status = 'excluded'), "
	    "count(*) FILTER (WHERE status IN ('failed_retryable', "
	    "'failed_permanent')), "
	    "count(*) FILTER (WHERE status = 'pending'), "
	    "coalesce(sum(size) FILTER (WHERE fs_type = 'f'), 0), "
	    "(SELECT count(*) FROM inode_damage WHERE medium_hash = $1) "
	    "FROM %s", path, inode);
	PGresult *res = ask(m, db, sql);

	line("files", "%s in %s paths (%s directories, %s links)",
	    num_grouped(cell(res, 0)), num_grouped(cell(res, 3)),
	    num_grouped(cell(res, 1)), num_grouped(cell(res, 2)));
	line("contents", "%s distinct in %s", num_grouped(cell(res, 4)),
	    num_bytes(cell(res, 8)));
	if (cell(res, 5))
		line("excluded", "%s", num_grouped(cell(res, 5)));
	line("failed", "%s", num_grouped(cell(res, 6)));
	if (cell(res, 7))
		line("pending", "%s", num_grouped(cell(res, 7)));
	line("damaged", "%s", num_grouped(cell(res, 9)));
	PQclear(res);
	free(sql);
	free(path);
	free(inode);
}

static void
print_copying(const struct run_medium *m, PGconn *db)
{
	PGresult *res = ask(m, db, "SELECT coalesce(sum(files), 0), "
	    "coalesce(sum(bytes), 0), coalesce(sum(new), 0), "
	    "coalesce(sum(new_bytes), 0) FROM copy_minute "
	    "WHERE medium_hash = $1");

	line("new", "%s contents, %s stored", num_grouped(cell(res, 2)),
	    num_bytes(cell(res, 3)));
	line("duplicates", "%s, %s saved",
	    num_grouped(cell(res, 0) - cell(res, 2)),
	    num_bytes(cell(res, 1) - cell(res, 3)));
	PQclear(res);
}

void
run_summary(const struct run_medium *m, PGconn *db,
    const struct run_stage_time *stages, int count)
{
	PGresult *res;
	int i, first = 1;

	printf("%s  %s\n", m->hash, m->human ? m->human : "");
	if (m->health)
		line("health", "%s", m->health);
	if (catalogue_loaded(db, m->hash) == 1) {
		print_contents(m, db);
		print_copying(m, db);
	}
	line("store", "%s", config_get(CONFIG_BYHASH_ROOT));
	if (*config_get(CONFIG_ARCHIVED_ROOT))
		line("tree", "%s/%s", config_get(CONFIG_ARCHIVED_ROOT),
		    m->hash);
	res = ask(m, db, "SELECT archive_path FROM medium WHERE "
	    "medium_hash = $1 AND archived_at IS NOT NULL");
	if (PQntuples(res) > 0)
		line("archive", "%s", db_text(res, 0, 0));
	PQclear(res);
	printf("  %-12s ", "seconds");
	for (i = 0; i < count; i++) {
		if (stages[i].seconds <= 0)
			continue;
		printf("%s%s %.1f", first ? "" : ", ", stages[i].name,
		    stages[i].seconds);
		first = 0;
	}
	puts(first ? "everything was done already" : "");
}
