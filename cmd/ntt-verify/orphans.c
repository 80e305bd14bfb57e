#define _GNU_SOURCE
#include "orphans.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "catalogue/db.h"
#include "keep/heal.h"
#include "store/store.h"
#include "sql/statements.h"
#include "set.h"

enum { ID = 32, YOUNG_SECONDS = 600 };

/* One of the 256 first directories, as the store and the catalogue have it. */
struct part {
	struct buf files, rows;		/* ids, ID bytes each, sorted */
	struct verify_orphans *o;
	verify_tell *tell;
	int store, copying;
};

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, ID);
}

static void
sort(struct buf *ids)
{
	if (ids->len)
		qsort(ids->data, ids->len / ID, ID, compare);
}

static void
tell_orphan(struct part *p, const char *id, const char *path,
    const char *detail)
{
	struct verify_finding f = FINDING_INIT(FINDING_ORPHAN);

	f.id = id;
	f.path = path;
	f.path_len = path ? strlen(path) : 0;
	f.detail = detail;
	p->tell(&f);
}

/* In its place: 64 digits that begin with the names of the directories. */
static int
is_blob_name(const char *name, const char *dir, uint8_t id[ID])
{
	return hex_decode(id, name, ID) == 0 && !strncmp(name, dir, 2) &&
	    !strncmp(name + 2, dir + 3, 2);
}

static int
read_leaf(struct part *p, const char *dir)
{
	int fd = openat(p->store, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW);
	const struct dirent *d;
	uint8_t id[ID];
	DIR *stream;

	if (fd < 0)
		return -1;
	stream = fdopendir(fd);
	errno = 0;
	while (stream && (d = readdir(stream))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		p->o->files++;
		if (is_blob_name(d->d_name, dir, id)) {
			buf_put(&p->files, id, ID);
		} else {
			char *path = xasprintf("%s/%s", dir, d->d_name);

			tell_orphan(p, NULL, path, "not the name of a blob");
			free(path);
		}
		errno = 0;
	}
	if (stream)
		closedir(stream);
	return errno ? -1 : 0;
}

static int
is_hex_dir(const char *name)
{
	return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
}

/* The directories below "ab", or the top itself for dir ".". */
static int
read_dir(struct part *p, const char *dir, int leaves)
{
	int fd = openat(p->store, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW), rc = 0;
	const struct dirent *d;
	DIR *stream;

	if (fd < 0)
		return errno == ENOENT && leaves ? 0 : -1;
	stream = fdopendir(fd);
	while (rc == 0 && stream && (d = readdir(stream))) {
		char *path = strcmp(dir, ".") ? xasprintf("%s/%s", dir,
		    d->d_name) : xstrdup(d->d_name);

		if (is_hex_dir(d->d_name)) {
			if (leaves)
				rc = read_leaf(p, path);
		} else if (d->d_name[0] != '.') {
			p->o->files++;
			tell_orphan(p, NULL, path, "not a place of blobs");
		}
		free(path);
	}
	if (stream)
		closedir(stream);
	return rc;
}

static int
put_row(void *arg, const char *text, size_t len)
{
	struct part *p = arg;
	uint8_t id[ID];
	char hex[STORE_ID + 1];

	if (len != STORE_ID)
		return 0;
	memcpy(hex, text, STORE_ID);
	hex[STORE_ID] = '\0';
	if (hex_decode(id, hex, ID) == 0)
		buf_put(&p->rows, id, ID);
	p->o->rows++;
	return 0;
}

static int
read_rows(struct part *p, PGconn *db, unsigned int first)
{
	/* these digits sort alike in every collation */
	char *end = first < 255 ? xasprintf("%02x", first + 1) : xstrdup("g");
	char *part = xasprintf("blobid >= '%02x' AND blobid < '%s'", first, end);
	char *sql = xasprintf("COPY (SELECT blobid FROM blobs WHERE %s) TO STDOUT",
	    part);
	int rc;

	rc = verify_copy_out(db, sql, put_row, p);
	free(end);
	free(part);
	free(sql);
	return rc;
}

/* A row may have come since the rows were read. */
static int
has_row(PGconn *db, const char *id)
{
	PGresult *res = db_query(db, sql_verify_has_blob, id);
	int yes = res ? db_bool(res, 0, 0) : -1;

	PQclear(res);
	return yes;
}

static int
judge_file(struct part *p, PGconn *db, const uint8_t *id)
{
	char hex[STORE_ID + 1], path[STORE_PATH];
	struct stat st;
	int known;

	hex_encode(hex, id, ID);
	store_path(path, hex);
	known = has_row(db, hex);
	if (known != 0)
		return known < 0 ? -1 : 0;
	if (fstatat(p->store, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (p->copying && st.st_ctime > time(NULL) - YOUNG_SECONDS) {
		p->o->young++;
		return 0;
	}
	tell_orphan(p, hex, path, "no row names it");
	return 0;
}

static int
judge_row(struct part *p, PGconn *db, const uint8_t *id)
{
	struct verify_finding f = FINDING_INIT(FINDING_MISSING);
	struct store store = { .root = p->store, .temporaries = -1 };
	char hex[STORE_ID + 1];
	uint64_t size;

	hex_encode(hex, id, ID);
	/* it may have come since the directory was read */
	if (store_has(&store, hex, &size) == 1)
		return 0;
	f.id = hex;
	f.detail = "a row without a file";
	p->tell(&f);
	return heal_mark(db, &store, hex, STORE_MISSING, 0);
}

static int
merge(struct part *p, PGconn *db)
{
	const uint8_t *file = (const uint8_t *)p->files.data;
	const uint8_t *row = (const uint8_t *)p->rows.data;
	const uint8_t *files_end = file ? file + p->files.len : file;
	const uint8_t *rows_end = row ? row + p->rows.len : row;

	while (file < files_end || row < rows_end) {
		int order = file == files_end ? 1 : row == rows_end ? -1 :
		    memcmp(file, row, ID);

		if (order < 0 && judge_file(p, db, file) < 0)
			return -1;
		if (order > 0 && judge_row(p, db, row) < 0)
			return -1;
		file += order <= 0 ? ID : 0;
		row += order >= 0 ? ID : 0;
	}
	return 0;
}

static int
any_copier(PGconn *db)
{
	PGresult *res = db_query(db, "SELECT EXISTS (SELECT FROM worker)");
	int yes = res ? db_bool(res, 0, 0) : -1;

	PQclear(res);
	return yes;
}

static int
check_part(struct part *p, PGconn *db, unsigned int first)
{
	char dir[3];

	snprintf(dir, sizeof dir, "%02x", first);
	buf_reset(&p->files);
	buf_reset(&p->rows);
	if (read_dir(p, dir, 1) < 0)
		return -1;
	errno = 0;
	if (read_rows(p, db, first) < 0)
		return -1;
	sort(&p->files);
	sort(&p->rows);
	return merge(p, db);
}

int
verify_orphans(struct verify_orphans *o, PGconn *db, int store,
    verify_tell *tell, int (*stop)(void))
{
	struct part p = { BUF_INIT, BUF_INIT, o, tell, store, 0 };
	unsigned int i;
	int rc;

	memset(o, 0, sizeof *o);
	errno = 0;
	p.copying = any_copier(db);
	if (p.copying < 0)
		return -1;
	rc = read_dir(&p, ".", 0);
	for (i = 0; i < 256 && rc == 0; i++) {
		if (stop && stop()) {
			errno = EINTR;
			rc = -1;
			break;
		}
		rc = check_part(&p, db, i);
	}
	buf_free(&p.files);
	buf_free(&p.rows);
	return rc;
}
