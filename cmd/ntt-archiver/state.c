#define _GNU_SOURCE
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "catalogue/account.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "mount/loop.h"
#include "mount/medium_mounts.h"
#include "sql/statements.h"

static int
find_parts(struct archive_medium *m, PGconn *db)
{
	PGresult *res = db_query(db, sql_archiver_parts, m->hash);
	int i;

	if (!res)
		return -1;
	m->part_count = (size_t)PQntuples(res);
	m->parts = xcalloc(m->part_count + 1, sizeof *m->parts);
	for (i = 0; i < PQntuples(res); i++) {
		m->parts[i].path = db_path_value(res, i, 0);
		m->parts[i].size = (uint64_t)db_int(res, i, 1);
		m->parts[i].mtime = xstrdup(db_text(res, i, 2));
	}
	PQclear(res);
	return 0;
}

int
archive_medium_find(struct archive_medium *m, PGconn *db, const char *hash)
{
	PGresult *res;

	memset(m, 0, sizeof *m);
	m->hash = xstrdup(hash);
	res = db_query(db, sql_archiver_medium, hash);
	if (!res)
		return -1;
	if (PQntuples(res) > 0) {
		m->kind = db_copy(res, 0, 0);
		m->image_path = db_path_value(res, 0, 1);
		m->row = db_copy(res, 0, 2);
		m->partitions = db_copy(res, 0, 3);
		m->archive_path = db_copy(res, 0, 4);
		m->list = db_copy(res, 0, 5);
		m->list_bytes = db_int(res, 0, 6);
		m->list_mtime = db_int(res, 0, 7);
	}
	PQclear(res);
	return find_parts(m, db);
}

void
archive_medium_free(struct archive_medium *m)
{
	size_t i;

	for (i = 0; i < m->part_count; i++) {
		free(m->parts[i].path);
		free(m->parts[i].mtime);
	}
	free(m->parts);
	free(m->hash);
	free(m->kind);
	free(m->image_path);
	free(m->row);
	free(m->partitions);
	free(m->archive_path);
	free(m->list);
	memset(m, 0, sizeof *m);
}

static int
counts_allow(const PGresult *res, struct buf *why)
{
	uint64_t inodes = (uint64_t)db_int(res, 0, 0);
	uint64_t pending = (uint64_t)db_int(res, 0, 1);
	uint64_t claimed = (uint64_t)db_int(res, 0, 2);

	if (inodes == 0)
		buf_puts(why, "it has no inodes at all");
	else if (pending > 0)
		buf_printf(why, "%s of its %s inodes are pending",
		    num_grouped(pending), num_grouped(inodes));
	else if (claimed > 0)
		buf_printf(why, "%s of its inodes are claimed",
		    num_grouped(claimed));
	return why->len == 0;
}

/* ntt-streams was not run; 0, or -1. */
static int
lacks_streams(const struct archive_medium *m, PGconn *db, struct buf *why)
{
	PGresult *res = db_query(db, sql_streams_missing, m->hash);

	if (!res)
		return -1;
	if (db_bool(res, 0, 0) && db_bool(res, 0, 1))
		buf_printf(why, "its named streams were not looked for "
		    "(\"ntt-streams %s\")", m->hash);
	PQclear(res);
	return 0;
}

int
archive_rows_ready(const struct archive_medium *m, PGconn *db,
    int allow_failures, struct buf *why)
{
	int loaded = medium_loaded(db, m->hash), ready;
	char *sql;
	PGresult *res;

	buf_reset(why);
	if (loaded <= 0) {
		buf_puts(why, "it is not loaded");
		return loaded;
	}
	res = db_query(db, sql_archiver_claims, m->hash);
	if (!res)
		return -1;
	if (db_int(res, 0, 0) > 0)
		buf_puts(why, "workers have claimed inodes of it");
	PQclear(res);
	if (why->len)
		return 0;
	sql = sql_for(sql_archiver_counts, m->hash);
	res = db_query(db, sql);
	ready = res ? counts_allow(res, why) : -1;
	PQclear(res);
	free(sql);
	if (ready > 0 && !allow_failures) {
		int bits = account_bits_only(db, m->hash);

		if (bits < 0 || (!bits &&
		    account_describe(db, m->hash, why) < 0))
			return -1;
		if (!why->len && lacks_streams(m, db, why) < 0)
			return -1;
		if (why->len)
			buf_puts(why, "; --allow-failures archives it all the "
			    "same");
		ready = why->len == 0;
	}
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
	char *failing = medium_failing(config_get(CONFIG_MOUNT_ROOT), m->hash);
	const char *const points[] = { point, failing, NULL };
	char *real = resolved(image);
	int n = medium_mounts_count(points);

	buf_reset(why);
	if (n > 0)
		buf_printf(why, "it is mounted at %s", quoted(point));
	else if (n == 0 && !attached_by_name(real, why))
		attached_by_inode(real, why);
	free(failing);
	free(point);
	free(real);
	return n < 0 ? -1 : why->len == 0;
}

int
archive_record(const struct archive_medium *m, PGconn *db, const char *path)
{
	char *sql = sql_for(sql_archiver_record, m->hash);
	PGresult *res = db_query(db, sql, m->hash, path);
	int rc = res ? PQntuples(res) > 0 : -1;

	PQclear(res);
	free(sql);
	return rc > 0 && db_do(db, sql_archiver_bits, m->hash) < 0 ? -1 : rc;
}
