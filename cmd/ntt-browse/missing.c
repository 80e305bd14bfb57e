#define _GNU_SOURCE
#include "missing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/diag.h"
#include "base/procstat.h"
#include "catalogue/account.h"
#include "catalogue/content.h"
#include "store/short_name.h"
#include "listing.h"
#include "media.h"
#include "say.h"
#include "sql/statements.h"

enum { KEPT_MS = 60000, UNSETTLED_MS = 3000, LINES = 100000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
put_path(struct buf *b, const char *path, size_t len)
{
	buf_puts(b, quoted_bytes(path ? path : "", path ? len : 0));
}

/* A clause, in which errors may have several lines, as one. */
static void
put_line(struct buf *b, const char *clause)
{
	for (; *clause; clause++)
		buf_putc(b, (unsigned char)*clause < 0x20 ||
		    *clause == 0x7f ? ' ' : *clause);
	buf_putc(b, '\n');
}

static const char *
text_of(const PGresult *res, int row, int col)
{
	return cell(res, row, col, NULL);
}

static void
omission(struct buf *b, const struct shown *m, const PGresult *res, int row)
{
	enum { PATH, PARTITION, KIND, DETAIL, REASON };
	struct buf clause = BUF_INIT;
	size_t len;
	const char *path = cell(res, row, PATH, &len);

	(void)m;
	if (path)
		put_path(b, path, len);
	else if (text_of(res, row, PARTITION))
		buf_printf(b, "volume p%lld", (long long)cell_int(res, row,
		    PARTITION, 0));
	else
		buf_puts(b, "the medium");
	account_clause(&clause, text_of(res, row, KIND), 1);
	buf_printf(b, ": %s", clause.data);
	if (text_of(res, row, DETAIL) && *text_of(res, row, DETAIL))
		buf_printf(b, " (%s)", quoted(text_of(res, row, DETAIL)));
	if (text_of(res, row, REASON))
		buf_printf(b, "; accepted: %s", quoted(text_of(res, row,
		    REASON)));
	buf_putc(b, '\n');
	buf_free(&clause);
}

static void
without(struct buf *b, const struct shown *m, const PGresult *res, int row)
{
	enum { PATH, TYPE, STATUS, EXCLUDED, ERROR };
	struct buf why = BUF_INIT;
	size_t len;
	const char *path = cell(res, row, PATH, &len);

	(void)m;
	put_path(b, path, len);
	buf_puts(b, ": not stored: ");
	content_why_not(&why, *text_of(res, row, TYPE), text_of(res, row,
	    STATUS), text_of(res, row, EXCLUDED), text_of(res, row, ERROR));
	put_line(b, why.data);
	buf_free(&why);
}

static void
damaged(struct buf *b, const struct shown *m, const PGresult *res, int row)
{
	enum { PATH, DETERMINED, EXTENTS };
	size_t len;
	const char *path = cell(res, row, PATH, &len);

	(void)m;
	put_path(b, path, len);
	if (cell_true(res, row, DETERMINED) && text_of(res, row, EXTENTS))
		buf_printf(b, ": these bytes could not be read from the "
		    "medium: %s\n", text_of(res, row, EXTENTS));
	else
		buf_puts(b, ": some bytes could not be read from the medium, "
		    "and nobody knows which\n");
}

static void
bad(struct buf *b, const struct shown *m, const PGresult *res, int row)
{
	size_t len;
	const char *path = cell(res, row, 0, &len);

	(void)m;
	put_path(b, path, len);
	buf_printf(b, ": its blob in the store is %s\n", text_of(res, row, 1));
}

static void
stream(struct buf *b, const struct shown *m, const PGresult *res, int row)
{
	size_t len;
	const char *bytes = cell(res, row, 0, &len);

	(void)m;
	put_path(b, bytes, len);
	bytes = cell(res, row, 1, &len);
	buf_puts(b, ": the stream ");
	put_path(b, bytes, len);
	buf_puts(b, " is stored and not shown here\n");
}

/* The name of the entry is shown otherwise, or its directory's is. */
static void
odd_name(struct buf *b, const struct shown *m, const PGresult *res, int row)
{
	size_t len, from = 0, n;
	const char *path = cell(res, row, 0, &len), *slash;
	struct listing *l;
	size_t i;

	for (; from <= len; from += n + 1) {
		slash = memchr(path + from, '/', len - from);
		n = slash ? (size_t)(slash - path) - from : len - from;
		if (len > 0 && listing_impossible(path + from, n)) {
			put_path(b, path, len);
			buf_puts(b, ": not shown, because no file can have "
			    "this path\n");
			return;
		}
	}
	slash = memrchr(path, '/', len);
	from = slash ? (size_t)(slash - path) + 1 : 0;
	if (len - from <= SHORT_NAME_MAX)
		return;
	l = listing_get((struct shown *)m, path, slash ? from - 1 : 0);
	for (i = 0; l && i < l->count; i++)
		if (l->items[i].real_len == len - from &&
		    !memcmp(l->items[i].real, path + from, len - from)) {
			put_path(b, path, len);
			buf_printf(b, ": shown as %s, because names of more "
			    "than %d bytes cannot be shown\n",
			    quoted(l->items[i].name), SHORT_NAME_MAX);
		}
	if (l)
		listing_put(l);
}

/* Directories whose name a file has, so that what is in them is not shown. */
static void
clashes(struct buf *b, struct shown *m)
{
	size_t i, from, lines = 0;
	const struct item *item;
	struct listing *l;
	const char *slash;

	for (i = 0; i < m->implied_count && lines < LINES; i++) {
		const char *path = m->implied[i];

		slash = strrchr(path, '/');
		from = slash ? (size_t)(slash - path) + 1 : 0;
		l = listing_get(m, path, slash ? from - 1 : 0);
		if (!l)
			continue;
		item = listing_find(l, path + from, strlen(path + from));
		if (item && !S_ISDIR(item->e.mode)) {
			say_lock();
			put_path(b, path, strlen(path));
			say_unlock();
			buf_puts(b, ": what is in this directory is not "
			    "shown, because a file has its name\n");
			lines++;
		}
		listing_put(l);
	}
}

static const struct section {
	const char *title;	/* NULL: goes on with the one before */
	void (*line)(struct buf *b, const struct shown *m,
		const PGresult *res, int row);
} sections[] = {
	{ "Met on the medium and not stored:",
		omission },
	{ "Shown, but reading gives an error, because nothing is stored:",
		without },
	{ "Reading gives an error where bytes are lost:",
		damaged },
	{ "Stored, but no longer right; \"ntt-heal\" looks for the bytes:",
		bad },
	{ "Names and streams:", odd_name },
	{ NULL, stream },
};

static const char *
statement(size_t i)
{
	const char *const statements[] = {
		sql_browse_omissions, sql_browse_without, sql_browse_damaged,
		sql_browse_bad, sql_browse_names, sql_browse_streams
	};

	return statements[i];
}

static int
add_section(struct buf *b, struct shown *m, size_t i)
{
	const char *limit = "100001";
	struct buf lines = BUF_INIT;
	struct question q;
	PGresult *res;
	int row, rows;

	media_question(&q, m, statement(i), NULL);
	res = ask(&q, 1, &(struct param){ limit, -1 });
	free((char *)q.sql);
	if (!res)
		return -1;
	rows = PQntuples(res) < LINES ? PQntuples(res) : LINES;
	say_lock();
	for (row = 0; row < rows; row++)
		sections[i].line(&lines, m, res, row);
	say_unlock();
	if (lines.len > 0 && sections[i].title)
		buf_printf(b, "\n%s\n\n", sections[i].title);
	buf_put(b, lines.data ? lines.data : "", lines.len);
	if (PQntuples(res) > LINES)
		buf_printf(b, "and more; \"ntt-recover-failed\" and \"ntt-find "
		    "-m %s --missing\" list them all\n", m->hash);
	PQclear(res);
	buf_free(&lines);
	return 0;
}

static struct text *
make_text(struct shown *m)
{
	struct buf b = BUF_INIT;
	struct text *t;
	size_t i, start;

	say_lock();
	buf_printf(&b, "What is missing of %s, medium %s\n", quoted(m->name),
	    m->hash);
	say_unlock();
	start = b.len;
	if (!m->table)
		buf_puts(&b, "\nIt is not loaded, so nothing of it is shown; "
		    "\"ntt-pipeline-status\" says what to do.\n");
	for (i = 0; m->table && i < sizeof sections / sizeof sections[0]; i++)
		if (add_section(&b, m, i) < 0) {
			buf_free(&b);
			return NULL;
		}
	if (m->table && m->implied_count > 0)
		clashes(&b, m);
	if (b.len == start)
		buf_puts(&b, "\nNothing that is known.\n");
	t = xcalloc(1, sizeof *t);
	t->len = b.len;
	t->data = buf_detach(&b);
	t->at = monotonic_ms();
	t->changes = m->changes;
	return t;
}

void
missing_put(struct text *t)
{
	pthread_mutex_lock(&lock);
	if (--t->refs == 0) {
		free(t->data);
		free(t);
	}
	pthread_mutex_unlock(&lock);
}

struct text *
missing_text(struct shown *m)
{
	struct text *t, *old;

	pthread_mutex_lock(&lock);
	t = m->text;
	if (t && (t->changes != m->changes || monotonic_ms() - t->at >
	    (m->settled ? KEPT_MS : UNSETTLED_MS)))
		t = NULL;
	if (t)
		t->refs++;
	pthread_mutex_unlock(&lock);
	if (t)
		return t;
	t = make_text(m);
	if (!t)
		return NULL;
	t->refs = 2;
	pthread_mutex_lock(&lock);
	old = m->text;
	m->text = t;
	pthread_mutex_unlock(&lock);
	if (old)
		missing_put(old);
	return t;
}
