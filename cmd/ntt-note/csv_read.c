#define _GNU_SOURCE
#include "csv_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct reader {
	const char *at, *end;
	size_t line;
	char separator;
	char **error;
};

static int
at_end_of_line(const struct reader *r)
{
	return r->at == r->end || *r->at == '\n' || *r->at == '\r';
}

/* Over LF, CR LF or CR. */
static void
end_line(struct reader *r)
{
	if (r->at == r->end)
		return;
	if (*r->at == '\r' && r->at + 1 < r->end && r->at[1] == '\n')
		r->at++;
	r->at++;
	r->line++;
}

/* "sep=;", which spreadsheets read and do not show. */
static void
take_separator(struct reader *r)
{
	const char *at = r->at;

	if (r->end - at < 5 || strncmp(at, "sep=", 4) ||
	    (r->end - at > 5 && at[5] != '\n' && at[5] != '\r') ||
	    at[4] == '"' || at[4] == '\n' || at[4] == '\r')
		return;
	r->separator = at[4];
	r->at += 5;
	end_line(r);
}

/* What the first line has most of outside of quotes. */
static void
guess_separator(struct reader *r)
{
	static const char may_be[] = ",;\t";
	size_t seen[sizeof may_be] = { 0 }, i;
	const char *at, *found;
	int inside = 0;

	for (at = r->at; at < r->end; at++) {
		if (*at == '"')
			inside = !inside;
		else if (!inside && (*at == '\n' || *at == '\r'))
			break;
		else if (!inside && *at && (found = strchr(may_be, *at)))
			seen[found - may_be]++;
	}
	r->separator = ',';
	for (i = 1; i < sizeof may_be - 1; i++)
		if (seen[i] > seen[0]) {
			seen[0] = seen[i];
			r->separator = may_be[i];
		}
}

static int
fail(const struct reader *r, char *why)
{
	*r->error = why;
	return -1;
}

static int
take_quoted(struct reader *r, struct buf *b)
{
	size_t begin = r->line;

	for (r->at++; r->at < r->end; r->at++) {
		if (*r->at == '"' && (r->at + 1 == r->end ||
		    r->at[1] != '"'))
			break;
		if (*r->at == '"')
			r->at++;
		if (*r->at == '\r' && r->at + 1 < r->end && r->at[1] == '\n')
			continue;	/* the LF stands for both */
		if (*r->at == '\n' || *r->at == '\r')
			r->line++;
		buf_putc(b, *r->at == '\r' ? '\n' : *r->at);
	}
	if (r->at == r->end)
		return fail(r, xasprintf("line %zu: a quote opens and does "
		    "not close", begin));
	r->at++;
	if (!at_end_of_line(r) && *r->at != r->separator)
		return fail(r, xasprintf("line %zu: a quote closes inside of "
		    "a field (a quote in quotes is written twice)", r->line));
	return 0;
}

static int
take_field(struct reader *r, struct csv_row *row)
{
	struct buf b = BUF_INIT;
	int rc = 0;

	buf_puts(&b, "");
	if (r->at < r->end && *r->at == '"')
		rc = take_quoted(r, &b);
	else
		for (; !at_end_of_line(r) && *r->at != r->separator; r->at++)
			buf_putc(&b, *r->at);
	row->field = xrealloc(row->field, (row->count + 1) *
	    sizeof *row->field);
	row->field[row->count++] = buf_detach(&b);
	return rc;
}

static void
free_row(struct csv_row *row)
{
	size_t i;

	for (i = 0; i < row->count; i++)
		free(row->field[i]);
	free(row->field);
}

static int
is_empty(const struct csv_row *row)
{
	size_t i;

	for (i = 0; i < row->count; i++)
		if (row->field[i][strspn(row->field[i], " \t\r\n")])
			return 0;
	return 1;
}

static int
take_row(struct reader *r, struct csv_table *t)
{
	struct csv_row row = { .line = r->line };
	int rc;

	while ((rc = take_field(r, &row)) == 0 && !at_end_of_line(r))
		r->at++;
	end_line(r);
	if (rc < 0 || is_empty(&row)) {
		free_row(&row);
		return rc;
	}
	t->row = xrealloc(t->row, (t->count + 1) * sizeof *t->row);
	t->row[t->count++] = row;
	return 0;
}

int
csv_read(struct csv_table *t, const char *text, size_t len, char **error)
{
	struct reader r = { text, text + len, 1, '\0', error };

	memset(t, 0, sizeof *t);
	if (len >= 2 && (!memcmp(text, "\xff\xfe", 2) ||
	    !memcmp(text, "\xfe\xff", 2)))
		return fail(&r, xstrdup("it is UTF-16: save it as CSV in "
		    "UTF-8"));
	if (len >= 4 && (!memcmp(text, "PK\3\4", 4) ||
	    !memcmp(text, "\xd0\xcf\x11\xe0", 4)))
		return fail(&r, xstrdup("it is a spreadsheet: save it as CSV"));
	if (memchr(text, '\0', len))
		return fail(&r, xstrdup("it is no text"));
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		r.at += 3;
	take_separator(&r);
	if (!r.separator)
		guess_separator(&r);
	while (r.at < r.end)
		if (take_row(&r, t) < 0) {
			csv_free(t);
			return -1;
		}
	return 0;
}

void
csv_free(struct csv_table *t)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		free_row(&t->row[i]);
	free(t->row);
	memset(t, 0, sizeof *t);
}
