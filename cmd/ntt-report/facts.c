#define _GNU_SOURCE
#include "facts.h"

#include <stdlib.h>
#include <string.h>

#include "catalogue/db.h"
#include "sql/statements.h"

/* The values of GROUPING() below: a bit for what is not grouped by. */
enum { BY_STATE = 31, BY_YEAR = 111, BY_TYPE = 119, BY_DIR1 = 123,
	BY_DIR2 = 121, BY_DIR3 = 120 };

enum { G, KIND, STATUS, CLASS, YEAR, TYPE, DIR1, DIR2, DIR3, COUNT, BYTES,
	GROUPS };

/*
 * Both sides come in the order of (dev, ino) out of their indexes.  A name in
 * the "escape" form of bytea is ASCII with its slashes as they were; OFFSET 0
 * lets the server take it apart once and not once for each column.  Times
 * beyond the calendar of the server are years that it has.
 */

static struct facts_sum
sum_of(const PGresult *res, int row)
{
	return (struct facts_sum){ (uint64_t)db_int(res, row, COUNT),
		(uint64_t)db_int(res, row, BYTES) };
}

static void
add_directory(struct facts *f, int row, int depth)
{
	struct facts_directory *d = &f->directories[f->directory_count++];
	struct buf path = BUF_INIT;
	int i;

	for (i = 0; i < depth; i++) {
		if (i > 0)
			buf_putc(&path, '/');
		db_bytea_value(f->res, row, DIR1 + i, &path);
	}
	d->len = path.len;
	d->path = buf_detach(&path);
	d->depth = depth;
	d->sum = sum_of(f->res, row);
	/* the first of its level */
	if (f->directory_count == 1 || d[-1].depth != depth)
		f->all_directories += (uint64_t)db_int(f->res, row, GROUPS);
}

static void
add_state(struct facts *f, int row)
{
	struct facts_state *s = &f->states[f->state_count++];

	s->type = *db_text(f->res, row, KIND);
	s->status = db_text(f->res, row, STATUS);
	s->error = db_text_null(f->res, row, CLASS);
	s->sum = sum_of(f->res, row);
	if (s->type == 'f') {
		f->files.count += s->sum.count;
		f->files.bytes += s->sum.bytes;
	}
}

static void
add_row(struct facts *f, int row)
{
	switch (db_int(f->res, row, G)) {
	case BY_STATE:
		add_state(f, row);
		break;
	case BY_YEAR:
		f->years[f->year_count].year = (int)db_int(f->res, row, YEAR);
		f->years[f->year_count++].sum = sum_of(f->res, row);
		break;
	case BY_TYPE:
		f->types[f->type_count].name = db_text(f->res, row, TYPE);
		f->types[f->type_count++].sum = sum_of(f->res, row);
		f->all_types = (uint64_t)db_int(f->res, row, GROUPS);
		break;
	case BY_DIR1:
		add_directory(f, row, 1);
		break;
	case BY_DIR2:
		add_directory(f, row, 2);
		break;
	case BY_DIR3:
		add_directory(f, row, 3);
		break;
	}
}

int
facts_load(struct facts *f, PGconn *db, const char *medium)
{
	char *sql = sql_for(sql_report_facts, medium);
	int row, rows;

	memset(f, 0, sizeof *f);
	f->res = db_query(db, sql);
	free(sql);
	if (!f->res)
		return -1;
	rows = PQntuples(f->res);
	f->states = xcalloc((size_t)rows + 1, sizeof *f->states);
	f->years = xcalloc((size_t)rows + 1, sizeof *f->years);
	f->types = xcalloc((size_t)rows + 1, sizeof *f->types);
	f->directories = xcalloc((size_t)rows + 1, sizeof *f->directories);
	for (row = 0; row < rows; row++)
		add_row(f, row);
	return 0;
}

void
facts_free(struct facts *f)
{
	size_t i;

	for (i = 0; i < f->directory_count; i++)
		free(f->directories[i].path);
	free(f->directories);
	free(f->states);
	free(f->years);
	free(f->types);
	PQclear(f->res);
	memset(f, 0, sizeof *f);
}

struct facts_sum
facts_of(const struct facts *f, const char *types, const char *status)
{
	struct facts_sum sum = { 0, 0 };
	size_t i;

	for (i = 0; i < f->state_count; i++) {
		const struct facts_state *s = &f->states[i];

		if ((types && !strchr(types, s->type)) ||
		    (status && strcmp(status, s->status)))
			continue;
		sum.count += s->sum.count;
		sum.bytes += s->sum.bytes;
	}
	return sum;
}
