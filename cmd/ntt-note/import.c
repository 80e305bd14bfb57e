#define _GNU_SOURCE
#include "import.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/num.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/db.h"
#include "catalogue/inventory.h"
#include "catalogue/medium.h"
#include "sql/statements.h"
#include "csv_read.h"

enum { LARGEST = 64 << 20 };

enum use { IGNORED, NAMES_MEDIUM, TITLE, MESSAGE, FIELD };

struct table {
	const char *file;
	struct csv_table csv;
	enum use *use;			/* of each column */
	size_t by;			/* the column that names the medium */
	char **medium;			/* of each row; NULL: not known */
	size_t unknown, wrong;
};

/* What ntt-list-media --csv prints and no table can change. */
static const char *const facts[] = {
	"name", "kind", "added", "size", "health", "state", "omissions",
	"inodes", "paths", "imaged", "loaded", "copied", "archived", NULL
};
/* Headings of the column that names the medium, the best first. */
static const char *const names[] = {
	"medium", "medium_hash", "medium hash", "hash", "label", "name",
	"title", NULL
};

static void
read_file(const char *file, struct buf *text)
{
	int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC) :
	    STDIN_FILENO;
	ssize_t n;

	if (fd < 0)
		die_errno("could not open %s: %m", quoted(file));
	buf_reserve(text, LARGEST + 1);
	n = read_full(fd, text->data, LARGEST + 1);
	if (n < 0)
		die_errno("could not read %s: %m", quoted(file));
	if (n > LARGEST)
		die(EXIT_FAILED, "cannot import %s: it is larger than %s",
		    quoted(file), num_bytes(LARGEST));
	text->len = (size_t)n;
	text->data[n] = '\0';
	if (fd != STDIN_FILENO)
		close(fd);
}

/* Spaces at both ends are nobody's intention. */
static void
trim(char *text)
{
	static const char spaces[] = " \t\r\n";
	size_t begin = strspn(text, spaces), len;

	memmove(text, text + begin, strlen(text + begin) + 1);
	for (len = strlen(text); len && strchr(spaces, text[len - 1]); len--)
		text[len - 1] = '\0';
}

/* ---- the first line ---- */

/* The column with this heading, in either case; the number of columns: none. */
static size_t
column(const struct csv_row *head, const char *name)
{
	size_t i;

	for (i = 0; i < head->count; i++)
		if (!strcasecmp(head->field[i], name))
			break;
	return i;
}

static int
is_fact(const char *heading)
{
	size_t i;

	for (i = 0; facts[i]; i++)
		if (!strcasecmp(heading, facts[i]))
			return 1;
	return 0;
}

/* The table that ntt-list-media prints, perhaps with more columns. */
static int
is_our_own(const struct csv_row *head)
{
	size_t i;

	for (i = 0; facts[i]; i++)
		if (column(head, facts[i]) == head->count)
			return 0;
	return 1;
}

static size_t
find_medium_column(const char *file, const struct csv_row *head,
    const char *by)
{
	size_t i, col = head->count;

	if (by) {
		col = column(head, by);
		if (col == head->count)
			die(EXIT_FAILED, "the first line of %s has no column "
			    "%s", quoted(file), quoted(by));
	}
	for (i = 0; !by && names[i] && col == head->count; i++)
		col = column(head, names[i]);
	if (col == head->count)
		die(EXIT_FAILED, "no column of %s is called \"medium\", "
		    "\"hash\", \"label\", \"name\" or \"title\"; --by COLUMN "
		    "says which names the medium", quoted(file));
	return col;
}

static int
column_is_empty(const struct csv_table *t, size_t col)
{
	size_t i;

	for (i = 1; i < t->count; i++)
		if (col < t->row[i].count && t->row[i].field[col][strspn(
		    t->row[i].field[col], " \t\r\n")])
			return 0;
	return 1;
}

static enum use
use_of(const struct table *t, size_t col, int our_own)
{
	const struct csv_row *head = &t->csv.row[0];
	const char *heading = head->field[col];

	if (col == t->by)
		return NAMES_MEDIUM;
	if (!strcasecmp(heading, "title"))
		return TITLE;
	if (!strcasecmp(heading, "message"))
		return MESSAGE;
	if (our_own && is_fact(heading))
		return IGNORED;
	if (is_fact(heading))
		die(EXIT_FAILED, "column %s of %s has the name of what "
		    "ntt-list-media finds out itself: give it another",
		    quoted(heading), quoted(t->file));
	if (!*heading && column_is_empty(&t->csv, col))
		return IGNORED;
	if (!*heading)
		die(EXIT_FAILED, "column %zu of %s has no name in the first "
		    "line", col + 1, quoted(t->file));
	if (column(head, heading) < col)
		die(EXIT_FAILED, "two columns of %s are called %s",
		    quoted(t->file), quoted(heading));
	return FIELD;
}

static void
read_head(struct table *t, const char *by)
{
	struct csv_row *head = t->csv.row;
	size_t i;
	int our_own;

	for (i = 0; i < head->count; i++) {
		if (!utf8_valid(head->field[i], strlen(head->field[i])))
			die(EXIT_FAILED, "line 1 of %s is not UTF-8: %s",
			    quoted(t->file), quoted(head->field[i]));
		trim(head->field[i]);
	}
	our_own = is_our_own(head);
	t->by = find_medium_column(t->file, head, by);
	t->use = xcalloc(head->count, sizeof *t->use);
	for (i = 0; i < head->count; i++)
		t->use[i] = use_of(t, i, our_own);
}

/* ---- the other lines ---- */

static void __attribute__((format(printf, 3, 4)))
wrong(struct table *t, const struct csv_row *row, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	warn("%s, line %zu: %s", quoted(t->file), row->line, b.data);
	buf_free(&b);
	t->wrong++;
}

/* The row before it that is of the same medium, or NULL. */
static const struct csv_row *
earlier(const struct table *t, size_t row, const char *medium)
{
	size_t i;

	for (i = 1; i < row; i++)
		if (t->medium[i] && !strcmp(t->medium[i], medium))
			return &t->csv.row[i];
	return NULL;
}

static void
find_medium(struct table *t, PGconn *db, size_t i)
{
	const struct csv_row *row = &t->csv.row[i], *other;
	char *hashes[MEDIUM_CANDIDATES], *name = row->field[t->by];
	int n, k;

	trim(name);
	if (!*name) {
		wrong(t, row, "it names no medium");
		return;
	}
	n = medium_find_exact(db, name, hashes);
	if (n < 0)
		db_die("could not look up medium %s", quoted(name));
	if (n == 0) {
		warn("%s, line %zu: the catalogue has no medium %s",
		    quoted(t->file), row->line, quoted(name));
		t->unknown++;
	} else if (n > 1) {
		wrong(t, row, "%s means %d media", quoted(name), n);
	} else if ((other = earlier(t, i, hashes[0]))) {
		wrong(t, row, "it is of the same medium as line %zu",
		    other->line);
	} else {
		t->medium[i] = xstrdup(hashes[0]);
	}
	for (k = 0; k < n && k < MEDIUM_CANDIDATES; k++)
		free(hashes[k]);
}

static int
is_text(struct table *t, const struct csv_row *row)
{
	size_t i;

	for (i = 0; i < row->count; i++)
		if (!utf8_valid(row->field[i], strlen(row->field[i]))) {
			wrong(t, row, "it is not UTF-8: %s",
			    quoted(row->field[i]));
			return 0;
		}
	return 1;
}

static void
read_rows(struct table *t, PGconn *db)
{
	size_t i, columns = t->csv.row[0].count;

	t->medium = xcalloc(t->csv.count, sizeof *t->medium);
	for (i = 1; i < t->csv.count; i++) {
		const struct csv_row *row = &t->csv.row[i];

		if (row->count != columns)
			wrong(t, row, "it has %zu fields and the first line "
			    "%zu", row->count, columns);
		else if (is_text(t, row))
			find_medium(t, db, i);
	}
	if (t->wrong > 0)
		die(EXIT_FAILED, "nothing was imported, because %s %s wrong",
		    num_grouped(t->wrong), t->wrong == 1 ? "line is" :
		    "lines are");
}

/* ---- writing ---- */

static int
same(const char *was, const char *is)
{
	return !strcmp(was ? was : "", is);
}

/* What stood there before is said, because nothing else keeps it. */
static int
write_text(PGconn *db, const struct medium *m, enum use use, const char *text)
{
	const char *was = use == TITLE ? m->title : m->message;
	int rc;

	if (same(was, text))
		return 0;
	rc = use == TITLE ? db_do(db, sql_note_title, m->hash, text) :
	    db_do(db, sql_note_message, m->hash, text, "t");
	if (rc < 0)
		db_die("could not change %s", m->hash);
	if (was)
		say("the %s of %s is no longer %s",
		    use == TITLE ? "title" : "message", m->hash, quoted(was));
	return 1;
}

static int
write_fields(PGconn *db, const struct medium *m, const struct inventory *i,
    int replace)
{
	struct buf pairs = BUF_INIT;
	PGresult *res;
	int changed;

	inventory_pairs(&pairs, i);
	res = db_query(db, sql_note_inventory, m->hash, pairs.data,
	    replace ? "t" : "f");
	if (!res)
		db_die("could not change %s", m->hash);
	changed = PQntuples(res) > 0;
	PQclear(res);
	buf_free(&pairs);
	return changed;
}

/* 1 if that changed anything. */
static int
write_row(struct table *t, PGconn *db, size_t row, int replace)
{
	struct inventory fields = { NULL, 0 };
	struct medium m;
	size_t col;
	int changed = 0;

	if (medium_get(db, t->medium[row], &m) < 1)
		db_die("could not look up medium %s", t->medium[row]);
	for (col = 0; col < t->csv.row[0].count; col++) {
		char *text = t->csv.row[row].field[col];

		if (t->use[col] == FIELD) {
			trim(text);
			inventory_add(&fields, t->csv.row[0].field[col], text);
		} else if (t->use[col] == TITLE || t->use[col] == MESSAGE) {
			changed |= write_text(db, &m, t->use[col], text);
		}
	}
	changed |= write_fields(db, &m, &fields, replace);
	inventory_free(&fields);
	medium_free(&m);
	return changed;
}

/* The rows that changed anything are left in t->medium. */
static size_t
write_rows(struct table *t, PGconn *db, int replace)
{
	size_t i, changed = 0;

	if (db_begin(db) < 0)
		db_die("could not begin");
	for (i = 1; i < t->csv.count; i++) {
		if (!t->medium[i])
			continue;
		if (write_row(t, db, i, replace)) {
			changed++;
			continue;
		}
		free(t->medium[i]);
		t->medium[i] = NULL;
	}
	if (db_commit(db) < 0)
		db_die("could not import %s", quoted(t->file));
	return changed;
}

static void
report(const struct table *t, size_t changed, int json)
{
	size_t rows = t->csv.count - 1;
	struct buf b = BUF_INIT;

	if (json) {
		json_begin_object(&b, NULL);
		json_u64(&b, "rows", rows);
		json_u64(&b, "changed", changed);
		json_u64(&b, "unknown", t->unknown);
		json_end_object(&b);
		puts(b.data);
		buf_free(&b);
	} else {
		say("%s %s, %s of them changed", num_grouped(rows -
		    t->unknown), rows - t->unknown == 1 ? "medium" : "media",
		    num_grouped(changed));
	}
	if (t->unknown > 0)
		warn("%s of %s rows were left out, because the catalogue does "
		    "not have their media yet: import %s again when it has",
		    num_grouped(t->unknown), num_grouped(rows),
		    quoted(t->file));
}

int
import(PGconn *db, const struct import *i)
{
	struct table t = { .file = i->file };
	struct buf text = BUF_INIT;
	char *error = NULL;
	size_t changed, row;
	int status, one;

	read_file(i->file, &text);
	if (csv_read(&t.csv, text.data, text.len, &error) < 0)
		die(EXIT_FAILED, "cannot import %s: %s", quoted(i->file),
		    error);
	buf_free(&text);
	if (t.csv.count < 2)
		die(EXIT_FAILED, "cannot import %s: it has no line %s",
		    quoted(i->file), t.csv.count ? "below the names of its "
		    "columns" : "at all");
	read_head(&t, i->by);
	read_rows(&t, db);
	changed = write_rows(&t, db, i->replace);
	report(&t, changed, i->json);
	status = t.unknown ? EXIT_PARTIAL : EXIT_DONE;
	for (row = 1; row < t.csv.count; row++) {
		one = t.medium[row] ? catalogue_file_renew(db, t.medium[row],
		    "noted") : EXIT_DONE;
		status = status ? status : one;
		free(t.medium[row]);
	}
	free(t.medium);
	free(t.use);
	csv_free(&t.csv);
	return status;
}
