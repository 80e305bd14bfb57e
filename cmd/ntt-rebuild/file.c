#define _GNU_SOURCE
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalogue/db.h"
#include "catalogue/zlines.h"
#include "rows.h"
#include "sql/statements.h"

/* JSON has none of the two bytes. */
#define AS_IT_STANDS "(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"

static char *
reason(void)
{
	return xstrdup(errno == EBADMSG ? "it is damaged or cut off" :
	    strerror(errno));
}

int
file_first_line(int fd, struct buf *line, char **why)
{
	struct zlines *z = zlines_open(fd);
	const char *text;
	size_t len;
	int rc = lseek(fd, 0, SEEK_SET) < 0 ? -1 :
	    zlines_next(z, &text, &len);

	if (rc > 0 && utf8_valid(text, len)) {
		buf_put(line, text, len);
	} else {
		*why = rc < 0 ? reason() : xstrdup("it is no such file");
		rc = -1;
	}
	zlines_close(z);
	return rc < 0 ? -1 : 0;
}

/* All lines, or none of them. */
static int
take_lines(PGconn *db, int fd, char **why)
{
	struct zlines *z = zlines_open(fd);
	const char *text;
	struct rows c;
	size_t len;
	int rc = -1, got = 1, err = 0;

	if (lseek(fd, 0, SEEK_SET) < 0) {
		*why = reason();
	} else if (rows_begin(&c, db,
	    "COPY rebuild_line (line) FROM STDIN " AS_IT_STANDS) < 0) {
		*why = xstrdup(db_error());
	} else {
		rc = 0;
		while (rc == 0 && (got = zlines_next(z, &text, &len)) > 0) {
			buf_put(&c.text, text, len);
			rc = rows_row(&c);
		}
		err = errno;
		if (rows_end(&c, got < 0 ? "the file is damaged" : NULL) < 0 ||
		    got < 0)
			rc = -1;
		errno = err;
		if (rc < 0)
			*why = got < 0 ? reason() : xstrdup(db_error());
	}
	zlines_close(z);
	return rc;
}

/* One answer of the server, NULL: it is none. */
static char *
ask(PGconn *db, const char *sql, const char *a, const char *b, char **why)
{
	const char *params[] = { a, b };
	PGresult *res = db_query_n(db, sql, b ? 2 : 1, params);
	char *answer = NULL;

	if (!res)
		*why = xstrdup(db_error());
	else if (PQntuples(res) > 0 && !PQgetisnull(res, 0, 0))
		answer = xstrdup(db_text(res, 0, 0));
	PQclear(res);
	return answer;
}

static int
check_rows(PGconn *db, const char *medium, uint64_t *inodes, char **why)
{
	char *rows = ask(db, sql_catalogue_file_rows, medium, NULL, why);
	PGresult *res = rows ? db_query(db, sql_rebuild_whole, rows) : NULL;

	free(rows);
	if (!res || PQntuples(res) == 0) {
		if (!*why)
			*why = xstrdup(db_error());
	} else if (!db_bool(res, 0, 0)) {
		*why = xstrdup("it has other rows than it says");
	} else {
		*inodes = (uint64_t)db_int(res, 0, 1);
	}
	PQclear(res);
	return *why ? -1 : 0;
}

int
file_take(PGconn *db, const char *medium, int fd, uint64_t *inodes,
    char **why)
{
	char version[16], *wrong;

	*why = NULL;
	snprintf(version, sizeof version, "%d", DB_SCHEMA_VERSION);
	if (take_lines(db, fd, why) < 0)
		return -1;
	wrong = ask(db, sql_rebuild_wrong, medium, version, why);
	if (wrong)
		*why = wrong;
	if (*why)
		return -1;
	if (db_do(db, sql_rebuild_take, medium) < 0) {
		*why = xstrdup(db_error());
		return -1;
	}
	return check_rows(db, medium, inodes, why);
}
