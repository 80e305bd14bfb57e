#define _GNU_SOURCE
#include "places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/pgarray.h"
#include "sql/statements.h"

/* The order of bytea. */
static int
compare_paths(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int rc = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return rc ? rc : (a_len > b_len) - (a_len < b_len);
}

static int
compare(const void *a, const void *b)
{
	const struct place *p = &((const struct wanted *)a)->place;
	const struct place *q = &((const struct wanted *)b)->place;
	int rc = strcmp(p->medium, q->medium);

	return rc ? rc : compare_paths(p->path, p->len, q->path, q->len);
}

void
places_add(struct places *p, PGconn *db, struct place_names *names,
    const char *medium, const char *text, size_t len)
{
	struct wanted *w;

	/* room for 1, 2, 4, 8 … */
	if ((p->count & (p->count - 1)) == 0)
		p->list = xrealloc(p->list, (p->count ? 2 * p->count : 1) *
		    sizeof *p->list);
	w = &p->list[p->count++];
	w->found = 0;
	place_named(db, names, medium, text, len, &w->place);
}

void
places_read(struct places *p, PGconn *db, struct place_names *names,
    const char *medium, const char *file, int end)
{
	FILE *in = !strcmp(file, "-") ? stdin : fopen(file, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!in)
		die_errno("could not open %s: %m", quoted(file));
	errno = 0;
	while ((n = getdelim(&line, &size, end, in)) > 0) {
		if (line[n - 1] == end)
			n--;
		if (n > 0)
			places_add(p, db, names, medium, line, (size_t)n);
	}
	if (ferror(in))
		die_errno("could not read %s: %m", quoted(file));
	free(line);
	if (in != stdin)
		fclose(in);
}

void
places_sort(struct places *p)
{
	size_t i, n = 0;

	if (p->count == 0)
		return;
	qsort(p->list, p->count, sizeof *p->list, compare);
	for (i = 1; i < p->count; i++) {
		if (compare(&p->list[n], &p->list[i]) == 0)
			place_free(&p->list[i].place);
		else
			p->list[++n] = p->list[i];
	}
	p->count = n + 1;
}

void
places_free(struct places *p)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		place_free(&p->list[i].place);
	free(p->list);
	p->list = NULL;
	p->count = 0;
}

struct places
places_of(const struct places *p, size_t first)
{
	struct places part = { p->list + first, 0 };

	while (first + part.count < p->count && !strcmp(
	    part.list[part.count].place.medium, part.list[0].place.medium))
		part.count++;
	return part;
}

/* Of one medium: what was met is cut. */
static int
cut_streams(struct places *of, PGconn *db)
{
	const char *medium = of->list[0].place.medium, *param;
	struct pgarray paths;
	int len, format = 1, row;
	struct buf path = BUF_INIT;
	PGresult *res = NULL;
	char *sql;
	size_t i, *cut;

	pgarray_init(&paths, PGARRAY_BYTEA);
	for (i = 0; i < of->count; i++)
		if (memchr(of->list[i].place.path, ':', of->list[i].place.len))
			pgarray_bytes(&paths, of->list[i].place.path,
			    of->list[i].place.len);
	if (paths.count > 0 && medium_loaded(db, medium) == 1) {
		param = pgarray_param(&paths, &len);
		sql = sql_for(sql_restore_streams, medium);
		res = db_check(db, db_exec_params(db, sql, 1, NULL, &param,
		    &len, &format, 0));
		free(sql);
		if (!res) {
			pgarray_free(&paths);
			return -1;
		}
	}
	pgarray_free(&paths);
	/* they stay in their order until all were looked up */
	cut = xcalloc(of->count, sizeof *cut);
	for (row = 0; res && row < PQntuples(res); row++) {
		buf_reset(&path);
		if (db_bytea_value(res, row, 0, &path) < 0)
			continue;
		i = places_index(of, path.data, path.len);
		if (i < of->count)
			cut[i] = 1 + (size_t)db_int(res, row, 1);
	}
	for (i = 0; i < of->count; i++) {
		if (cut[i] > 0) {
			of->list[i].place.len = cut[i] - 1;
			of->list[i].place.path[cut[i] - 1] = '\0';
		}
	}
	free(cut);
	buf_free(&path);
	PQclear(res);
	return 0;
}

int
places_of_streams(struct places *p, PGconn *db)
{
	struct places of;
	size_t i;

	for (i = 0; i < p->count; i += of.count) {
		of = places_of(p, i);
		if (cut_streams(&of, db) < 0)
			return -1;
	}
	places_sort(p);
	return 0;
}

int
places_whole(const struct places *p)
{
	return p->count > 0 && p->list[0].place.len == 0;
}

size_t
places_index(const struct places *p, const char *path, size_t len)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct place *place = &p->list[mid].place;
		int rc = compare_paths(path, len, place->path, place->len);

		if (rc == 0)
			return mid;
		if (rc < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return p->count;
}

int
places_cover(struct places *p, const char *path, size_t len, int mark)
{
	int covered = 0;
	size_t i;

	for (;;) {
		i = places_index(p, path, len);
		if (i < p->count) {
			covered = 1;
			p->list[i].found |= mark;
		}
		if (len == 0 || (covered && !mark))
			return covered;
		while (len > 0 && path[len - 1] != '/')
			len--;
		if (len > 0)
			len--;
	}
}
