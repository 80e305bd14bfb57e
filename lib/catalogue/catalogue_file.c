#define _GNU_SOURCE
#include "catalogue/catalogue_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/medium_files.h"
#include "base/tempfile.h"
#include "catalogue/db.h"
#include "catalogue/store_mark.h"
#include "catalogue/zlines.h"
#include "sql/statements.h"

struct writer {
	PGconn *db;
	const char *medium;
	struct zlines_writer *out;
	uint64_t lines;
	struct buf line;
};

static int
db_failed(void)
{
	errno = 0;
	return -1;
}

static int
put_line(struct writer *w, const char *line, size_t len)
{
	w->lines++;
	return zlines_put(w->out, line, len);
}

/*
 * What the server writes for a column of bytes, as a name or in hexadecimal.
 * No text has these keys unescaped in it.
 */
static const struct {
	const char *text, *key;
	int is_name;
} columns[] = {
	{ "\"path\": \"\\\\x", "path", 1 },
	{ "\"name\": \"\\\\x", "name", 1 },
	{ "\"value\": \"\\\\x", "value_hex", 0 },
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

/*
 * The next of these in what is left of a line, or NULL; *which of them.  next
 * keeps where each is, as a line may have very many of one and none of another.
 */
static const char *
find_bytes(const char *line, const char *next[COLUMNS], size_t *which)
{
	const char *first = NULL;
	size_t i;

	for (i = 0; i < COLUMNS; i++) {
		if (next[i] && next[i] < line)
			next[i] = strstr(line, columns[i].text);
		if (next[i] && (!first || next[i] < first)) {
			first = next[i];
			*which = i;
		}
	}
	return first;
}

static void
put_bytes(struct buf *b, size_t which, const char *hex, size_t len)
{
	struct buf name = BUF_INIT;
	char *digits = xasprintf("%.*s", (int)len, hex);

	if (columns[which].is_name) {
		buf_reserve(&name, len / 2);
		if (hex_decode(name.data, digits, len / 2) == 0)
			json_name(b, columns[which].key, name.data, len / 2);
	} else {
		json_text(b, columns[which].key, digits);
	}
	buf_free(&name);
	free(digits);
}

/* A line of the server, with names that people can read. */
static int
put_named(struct writer *w, const char *line)
{
	const char *at, *next[COLUMNS];
	size_t which, len;

	for (which = 0; which < COLUMNS; which++)
		next[which] = strstr(line, columns[which].text);
	buf_reset(&w->line);
	while ((at = find_bytes(line, next, &which))) {
		buf_put(&w->line, line, (size_t)(at - line));
		/* the comma before it is there already */
		while (w->line.len && w->line.data[w->line.len - 1] == ' ')
			w->line.data[--w->line.len] = '\0';
		if (w->line.len && w->line.data[w->line.len - 1] == ',')
			w->line.data[--w->line.len] = '\0';
		line = at + strlen(columns[which].text);
		len = strcspn(line, "\"");
		put_bytes(&w->line, which, line, len);
		line += len + 1;
	}
	buf_puts(&w->line, line);
	return put_line(w, w->line.data, w->line.len);
}

/* The lines of a COPY … TO STDOUT. */
static int
put_copy(struct writer *w, const char *statement, int named)
{
	char *sql = sql_for(statement, w->medium), *row = NULL;
	PGresult *res = db_check(w->db, db_exec(w->db, sql));
	int n = 0, rc = res ? 0 : db_failed(), err;

	PQclear(res);
	free(sql);
	while (rc == 0 && (n = PQgetCopyData(w->db, &row, 0)) > 0) {
		if (row[n - 1] == '\n')
			row[--n] = '\0';
		rc = named ? put_named(w, row) : put_line(w, row, (size_t)n);
		PQfreemem(row);
	}
	err = errno;
	if (!res)
		return rc;
	/* what is left of it, so that the connection can be used */
	while (n > 0 && (n = PQgetCopyData(w->db, &row, 0)) > 0)
		PQfreemem(row);
	while ((res = PQgetResult(w->db))) {
		if (!db_check(w->db, res)) {
			rc = -1;
			err = 0;
			continue;
		}
		PQclear(res);
	}
	if (rc == 0 && n == -2)
		rc = db_failed();
	else
		errno = err;
	return rc;
}

static int
put_first(struct writer *w)
{
	char *version = xasprintf("%d", DB_SCHEMA_VERSION);
	PGresult *res = db_query(w->db, sql_catalogue_file_first, w->medium,
	    version);
	int rc;

	free(version);
	if (!res || PQntuples(res) == 0) {
		PQclear(res);
		return db_failed();
	}
	rc = put_line(w, db_text(res, 0, 0),
	    (size_t)PQgetlength(res, 0, 0));
	PQclear(res);
	return rc;
}

static int
put_end(struct writer *w)
{
	PGresult *res = db_query(w->db, sql_catalogue_file_rows, w->medium);
	struct buf *b = &w->line;

	if (!res)
		return db_failed();
	buf_reset(b);
	json_begin_object(b, NULL);
	json_begin_object(b, "end");
	json_u64(b, "lines", w->lines);
	json_raw(b, "rows", db_text(res, 0, 0));
	json_end_object(b);
	json_end_object(b);
	PQclear(res);
	return put_line(w, b->data, b->len);
}

static int
put_all(struct writer *w)
{
	return put_first(w) < 0 ||
	    put_copy(w, sql_catalogue_file_facts, 0) < 0 ||
	    put_copy(w, sql_catalogue_file_names, 1) < 0 ||
	    put_copy(w, sql_catalogue_file_inodes, 1) < 0 ||
	    put_end(w) < 0 || zlines_finish(w->out) < 0 ? -1 : 0;
}

int
catalogue_file_put(PGconn *db, const char *medium, int fd)
{
	struct writer w = { .db = db, .medium = medium };
	int own = PQtransactionStatus(db) == PQTRANS_IDLE, rc, err;

	if (own && db_script(db,
	    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") < 0)
		return db_failed();
	if (db_script(db, "SET LOCAL TimeZone = 'UTC'") < 0)
		rc = db_failed();
	else {
		w.out = zlines_create(fd);
		rc = put_all(&w);
	}
	err = errno;
	if (own)
		db_rollback(db);
	zlines_writer_free(w.out);
	buf_free(&w.line);
	errno = err;
	return rc;
}

/* "" is the first, ".2" the second; 0: it is none of this medium. */
static unsigned int
number_of(const char *file, const char *medium)
{
	size_t len = strlen(medium);
	unsigned long number = 1;
	const char *end = file + len;
	char *after;

	if (strncmp(file, medium, len))
		return 0;
	if (end[0] == '.' && end[1] >= '1' && end[1] <= '9') {
		number = strtoul(end + 1, &after, 10);
		end = after;
		if (number < 2 || number > 1000000)
			return 0;
	}
	return strcmp(end, CATALOGUE_FILE_SUFFIX) ? 0 : (unsigned int)number;
}

unsigned int
catalogue_file_newest(const char *medium)
{
	DIR *dir = opendir(config_get(CONFIG_ARCHIVE_ROOT));
	unsigned int newest = 0, number;
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		number = number_of(e->d_name, medium);
		if (number > newest)
			newest = number;
	}
	if (dir)
		closedir(dir);
	return newest;
}

static char *
write_next(PGconn *db, const char *medium)
{
	char *path = medium_catalogue(medium,
	    catalogue_file_newest(medium) + 1);
	struct tempfile t;
	int err;

	if (tempfile_open(&t, path) == 0) {
		if (catalogue_file_put(db, medium, t.fd) == 0 &&
		    tempfile_commit(&t) == 0)
			return path;
		err = errno;
		tempfile_abort(&t);
		errno = err;
	}
	free(path);
	return NULL;
}

char *
catalogue_file_write(PGconn *db, const char *medium)
{
	char *path;
	int err;

	if (db_do(db, sql_catalogue_file_lock, medium) < 0) {
		errno = 0;
		return NULL;
	}
	path = write_next(db, medium);
	err = errno;
	if (PQtransactionStatus(db) != PQTRANS_INERROR)
		db_do(db, sql_catalogue_file_unlock, medium);
	errno = err;
	return path;
}

/* The first line of a file: 1, or 0 when there is none that can be read. */
static int
first_line(const char *path, struct buf *line)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct zlines *z = fd >= 0 ? zlines_open(fd) : NULL;
	const char *text;
	size_t len;
	int found = z && zlines_next(z, &text, &len) == 1 &&
	    utf8_valid(text, len);

	if (found)
		buf_put(line, text, len);
	zlines_close(z);
	if (fd >= 0)
		close(fd);
	return found;
}

int
catalogue_file_current(PGconn *db, const char *medium)
{
	unsigned int number = catalogue_file_newest(medium);
	char *path = medium_catalogue(medium, number);
	struct buf line = BUF_INIT;
	PGresult *res;
	int current = 0;

	if (number > 0 && first_line(path, &line)) {
		res = db_query(db, sql_catalogue_file_current, medium,
		    line.data);
		current = !res ? db_failed() : PQntuples(res) > 0 &&
		    db_bool(res, 0, 0);
		PQclear(res);
	}
	buf_free(&line);
	free(path);
	return current;
}

int
catalogue_file_renew(PGconn *db, const char *medium, const char *done)
{
	char *file;

	if (store_mark_away(db, CONFIG_ARCHIVE_ROOT)) {
		warn("%s, but ARCHIVE_ROOT (%s) is not mounted: what is beside "
		    "the archive of %s says what was before, until "
		    "\"ntt-archiver --catalogue %s\"", done,
		    quoted(config_get(CONFIG_ARCHIVE_ROOT)), medium, medium);
		return EXIT_PARTIAL;
	}
	if (catalogue_file_newest(medium) == 0)
		return EXIT_DONE;
	file = catalogue_file_write(db, medium);
	if (!file) {
		int status = errno ? exit_for_errno(errno) : db_status();

		warn("%s, but could not write that beside the archive of %s: "
		    "%s", done, medium, errno ? strerror(errno) : db_error());
		return status;
	}
	free(file);
	return EXIT_DONE;
}
