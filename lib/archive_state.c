#define _GNU_SOURCE
#include "archive_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalogue.h"
#include "config.h"
#include "db.h"
#include "diag.h"
#include "fsutil.h"
#include "loop.h"
#include "medium_mounts.h"
#include "num.h"

static char *
column(const PGresult *res, int col)
{
	return PQgetisnull(res, 0, col) ? NULL : xstrdup(db_text(res, 0, col));
}

int
archive_medium_find(struct archive_medium *m, PGconn *db, const char *hash)
{
	PGresult *res;

	memset(m, 0, sizeof *m);
	m->hash = xstrdup(hash);
	res = db_query(db, "SELECT source_kind, image_path, row_to_json(m), "
	    "(SELECT coalesce(json_agg(p ORDER BY number), '[]') FROM "
	    "medium_partition p WHERE p.medium_hash = m.medium_hash), "
	    "CASE WHEN archived_at IS NOT NULL THEN archive_path END "
	    "FROM medium m WHERE medium_hash = $1", hash);
	if (!res)
		return -1;
	if (PQntuples(res) > 0) {
		m->kind = column(res, 0);
		m->image_path = db_path_value(res, 0, 1);
		m->row = column(res, 2);
		m->partitions = column(res, 3);
		m->archive_path = column(res, 4);
	}
	PQclear(res);
	return 0;
}

void
archive_medium_free(struct archive_medium *m)
{
	free(m->hash);
	free(m->kind);
	free(m->image_path);
	free(m->row);
	free(m->partitions);
	free(m->archive_path);
	memset(m, 0, sizeof *m);
}

/* A claim whose worker's session is gone is none (work_range of the schema). */
static const char claims_sql[] =
    "SELECT count(*) FROM work_range w JOIN pg_locks l ON "
    "l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database "
    "WHERE datname = current_database()) AND "
    "l.classid::bigint = catalogue_worker_class() AND "
    "l.objid::bigint = w.worker AND l.objsubid = 2 "
    "WHERE w.medium_hash = $1";

static const char counts_sql[] =
    "SELECT count(*), "
    "count(*) FILTER (WHERE status = 'pending'), "
    "count(*) FILTER (WHERE status IN ('failed_retryable', "
    "'failed_permanent')), "
    "count(*) FILTER (WHERE claimed_by IS NOT NULL AND NOT copied) FROM %s";

static int
counts_allow(const PGresult *res, int allow_failures, struct buf *why)
{
	uint64_t inodes = (uint64_t)db_int(res, 0, 0);
	uint64_t pending = (uint64_t)db_int(res, 0, 1);
	uint64_t failed = (uint64_t)db_int(res, 0, 2);
	uint64_t claimed = (uint64_t)db_int(res, 0, 3);

	if (inodes == 0)
		buf_puts(why, "it has no inodes at all");
	else if (pending > 0)
		buf_printf(why, "%s of its %s inodes are pending",
		    num_grouped(pending), num_grouped(inodes));
	else if (claimed > 0)
		buf_printf(why, "%s of its inodes are claimed",
		    num_grouped(claimed));
	else if (failed > 0 && !allow_failures)
		buf_printf(why, "%s of its %s inodes failed; "
		    "--allow-failures archives it all the same",
		    num_grouped(failed), num_grouped(inodes));
	return why->len == 0;
}

int
archive_rows_ready(const struct archive_medium *m, PGconn *db,
    int allow_failures, struct buf *why)
{
	int loaded = catalogue_loaded(db, m->hash), ready;
	char *inode, *sql;
	PGresult *res;

	buf_reset(why);
	if (loaded <= 0) {
		buf_puts(why, "it is not loaded");
		return loaded;
	}
	res = db_query(db, claims_sql, m->hash);
	if (!res)
		return -1;
	if (db_int(res, 0, 0) > 0)
		buf_puts(why, "workers have claimed inodes of it");
	PQclear(res);
	if (why->len)
		return 0;
	inode = db_ident(db, "inode_p_", m->hash);
	sql = sql_on(counts_sql, inode);
	res = db_query(db, sql);
	ready = res ? counts_allow(res, allow_failures, why) : -1;
	PQclear(res);
	free(sql);
	free(inode);
	return ready;
}

/* What sysfs tells everybody: names only, " (deleted)" appended or not. */
static int
attached_by_name(const char *image, struct buf *why)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(image);
	DIR *dir = opendir("/sys/block");
	const struct dirent *d;
	char text[8192], *path;
	ssize_t n;
	int fd;

	while (dir && !why->len && (d = readdir(dir))) {
		if (strncmp(d->d_name, "loop", 4))
			continue;
		path = xasprintf("/sys/block/%s/loop/backing_file", d->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		free(path);
		if (fd < 0)
			continue;
		n = read_full(fd, text, sizeof text - 1);
		close(fd);
		if (n <= 0)
			continue;
		text[n - (text[n - 1] == '\n')] = '\0';
		if (!strncmp(text, image, len) &&
		    (!text[len] || !strcmp(text + len, deleted)))
			buf_printf(why, "its image is attached to /dev/%s%s",
			    d->d_name, text[len] ? " and deleted" : "");
	}
	if (dir)
		closedir(dir);
	return why->len > 0;
}

static int
attached_by_inode(const char *image, struct buf *why)
{
	struct loop_status *list;
	struct stat st;
	size_t count, i;

	if (stat(image, &st) < 0)
		return 0;
	list = loop_list(st.st_dev, &count);
	for (i = 0; i < count && !why->len; i++)
		if (list[i].dev == st.st_dev && list[i].ino == st.st_ino)
			buf_printf(why, "its image is attached to /dev/loop%d",
			    list[i].number);
	loop_list_free(list, count);
	return why->len > 0;
}

/*
 * The kernel names the backing file by its real path; of a deleted image
 * only its directory can still be resolved.
 */
static char *
resolved(const char *image)
{
	const char *base = strrchr(image, '/');
	char *real = realpath(image, NULL), *dir;

	if (real || !base)
		return real ? real : xstrdup(image);
	dir = xasprintf("%.*s/", (int)(base - image), image);
	real = realpath(dir, NULL);
	free(dir);
	if (!real)
		return xstrdup(image);
	dir = path_join(strcmp(real, "/") ? real : "", base + 1);
	free(real);
	return dir;
}

int
archive_image_free(const struct archive_medium *m, const char *image,
    struct buf *why)
{
	char *point = path_join(config_get(CONFIG_MOUNT_ROOT), m->hash);
	char *real = resolved(image);
	int n = medium_mounts_count(point);

	buf_reset(why);
	if (n > 0)
		buf_printf(why, "it is mounted at %s", quoted(point));
	else if (n == 0 && !attached_by_name(real, why))
		attached_by_inode(real, why);
	free(point);
	free(real);
	return n < 0 ? -1 : why->len == 0;
}

int
archive_record(const struct archive_medium *m, PGconn *db, const char *path)
{
	char *inode = db_ident(db, "inode_p_", m->hash);
	char *sql = xasprintf("UPDATE medium SET archived_at = now(), "
	    "archive_path = $2, copy_done = coalesce(copy_done, now()) "
	    "WHERE medium_hash = $1 AND NOT EXISTS (SELECT FROM %s WHERE "
	    "status = 'pending') RETURNING 1", inode);
	PGresult *res = db_query(db, sql, m->hash, path);
	int rc = res ? PQntuples(res) > 0 : -1;

	PQclear(res);
	free(sql);
	free(inode);
	return rc;
}
