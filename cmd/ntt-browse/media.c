#define _GNU_SOURCE
#include "media.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/procstat.h"
#include "catalogue/db.h"
#include "catalogue/directory.h"
#include "missing.h"
#include "sql/statements.h"

enum { REFRESH_MS = 3000, NAME_LENGTH = 200, BLOB = 32 };

/* Of browse_media. */
enum column { HASH, NAME, RESTRICTED, TABLE, SETTLED, TIME, COMPLETE };

/* One thread asks; the others go on with the last answer. */
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shown **media;		/* in the order they are shown */
static size_t media_count;
static char **only;
static int only_count;
static _Atomic int hidden;
static int64_t read_at;
static unsigned int serial;
static unsigned char *bad;		/* blobs, sorted */
static size_t bad_count;

static int
is_wanted(const char *hash, int restricted)
{
	int i;

	if (only_count == 0)
		return !restricted;
	for (i = 0; i < only_count; i++)
		if (!strcmp(only[i], hash))
			return 1;
	return 0;
}

static int
is_taken(struct shown **list, size_t n, const char *name)
{
	size_t i, len;

	for (i = 0; i < n; i++) {
		len = strlen(list[i]->name);
		/* NAME and NAME.omissions.txt, either way round */
		if (!strcmp(list[i]->name, name) ||
		    (!strncmp(list[i]->name, name, len) &&
		    !strcmp(name + len, MISSING_SUFFIX)) ||
		    (!strncmp(name, list[i]->name, strlen(name)) &&
		    !strcmp(list[i]->name + strlen(name), MISSING_SUFFIX)))
			return 1;
	}
	return 0;
}

/* What people call it, as a file may be called; unlike those before it. */
static char *
directory_name(const char *called, const char *hash, struct shown **list,
    size_t n)
{
	struct buf b = BUF_INIT;
	char *name;
	size_t len;

	for (; *called && b.len < NAME_LENGTH; called += len) {
		len = utf8_char((const unsigned char *)called,
		    strlen(called));
		if (len == 0)
			len = 1;
		if ((unsigned char)*called < 0x20 || *called == 0x7f ||
		    *called == '/')
			buf_putc(&b, '_');
		else
			buf_put(&b, called, len);
	}
	if (b.len == 0)
		buf_puts(&b, hash);
	if (!strcmp(b.data, ".") || !strcmp(b.data, ".."))
		buf_puts(&b, "_");
	name = buf_detach(&b);
	if (is_taken(list, n, name)) {
		char *longer = xasprintf("%s-%s", name, hash);

		free(name);
		name = longer;
	}
	while (is_taken(list, n, name)) {
		char *longer = xasprintf("%s_", name);

		free(name);
		name = longer;
	}
	return name;
}

void
media_question(struct question *q, const struct shown *m, const char *sql,
    const char *name)
{
	memset(q, 0, sizeof *q);
	q->sql = sql_for(sql, m->hash);
	if (name)
		snprintf(q->name, sizeof q->name, "%s_%u", name, serial);
}

static struct shown *
new_medium(const char *hash)
{
	struct shown *m = xcalloc(1, sizeof *m);

	m->hash = xstrdup(hash);
	m->salt = (uint64_t)directory_hash(hash, strlen(hash));
	pthread_mutex_init(&m->lock, NULL);
	serial++;
	media_question(&m->listing, m, sql_browse_listing, "listing");
	media_question(&m->inode, m, sql_browse_inode, "inode");
	media_question(&m->lost, m, sql_browse_lost, "lost");
	media_question(&m->xattrs, m, sql_browse_xattrs, "xattrs");
	return m;
}

static struct shown *
known_medium(const char *hash, int64_t table)
{
	size_t i;

	for (i = 0; i < media_count; i++)
		if (!strcmp(media[i]->hash, hash) && media[i]->table == table)
			return media[i];
	return NULL;
}

static void
take_media(const PGresult *res)
{
	int rows = PQntuples(res), row;
	struct shown **list = xcalloc((size_t)rows + 1, sizeof *list), *m;
	int left_out = 0;
	size_t n = 0, i;
	char *name;

	for (row = 0; row < rows; row++) {
		const char *hash = cell(res, row, HASH, NULL);
		int64_t table = cell_int(res, row, TABLE, 0);
		int restricted = cell_true(res, row, RESTRICTED);

		if (!is_wanted(hash, restricted)) {
			left_out += restricted;
			continue;
		}
		m = known_medium(hash, table);
		if (!m) {
			m = new_medium(hash);
			m->table = table;
		}
		m->changes += (unsigned int)(m->settled !=
		    cell_true(res, row, SETTLED));
		m->settled = cell_true(res, row, SETTLED);
		m->time = cell_int(res, row, TIME, 0);
		m->complete = cell_true(res, row, COMPLETE);
		name = directory_name(cell(res, row, NAME, NULL), hash, list,
		    n);
		/* others may be reading it */
		if (!m->name || strcmp(m->name, name))
			m->name = name;
		else
			free(name);
		list[n++] = m;
	}
	for (i = 0; i < media_count; i++) {
		size_t j = 0;

		while (j < n && list[j] != media[i])
			j++;
		media[i]->gone = j == n;
	}
	hidden = left_out;
	free(media);
	media = list;
	media_count = n;
}

static void
take_bad(const PGresult *res)
{
	int rows = PQntuples(res), row;
	size_t len;

	free(bad);
	bad = xmalloc((size_t)rows * BLOB + 1);
	bad_count = 0;
	for (row = 0; row < rows; row++) {
		const char *id = cell(res, row, 0, &len);

		if (id && len == BLOB)
			memcpy(bad + bad_count++ * BLOB, id, BLOB);
	}
}

/* 0, or -1: the catalogue did not answer. */
static int
read_again(void)
{
	static struct question of_media = { .name = "media" },
	    of_bad = { .name = "not_good" };
	PGresult *res;

	of_media.sql = sql_browse_media;
	of_bad.sql = sql_browse_not_good;
	read_at = monotonic_ms();
	res = ask(&of_media, 0, NULL);
	if (!res)
		return -1;
	pthread_mutex_lock(&lock);
	take_media(res);
	pthread_mutex_unlock(&lock);
	PQclear(res);
	res = ask(&of_bad, 0, NULL);
	if (!res)
		return -1;
	pthread_mutex_lock(&lock);
	take_bad(res);
	pthread_mutex_unlock(&lock);
	PQclear(res);
	return 0;
}

void
media_refresh(void)
{
	if (pthread_mutex_trylock(&asking))
		return;
	if (monotonic_ms() - read_at >= REFRESH_MS)
		read_again();
	pthread_mutex_unlock(&asking);
}

void
media_start(char **hashes, int count)
{
	only = hashes;
	only_count = count;
	if (read_again() < 0)
		die(EXIT_AGAIN, "could not read which media there are");
}

int
media_hidden(void)
{
	return hidden;
}

struct shown *
media_find(const char *name, size_t len)
{
	struct shown *m = NULL;
	size_t i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < media_count && !m; i++)
		if (strlen(media[i]->name) == len &&
		    !memcmp(media[i]->name, name, len))
			m = media[i];
	pthread_mutex_unlock(&lock);
	return m;
}

struct shown **
media_all(void)
{
	struct shown **all;

	pthread_mutex_lock(&lock);
	all = xcalloc(media_count + 1, sizeof *all);
	memcpy(all, media, media_count * sizeof *all);
	pthread_mutex_unlock(&lock);
	return all;
}

static int
compare_blobs(const void *a, const void *b)
{
	return memcmp(a, b, BLOB);
}

int
media_blob_is_bad(const unsigned char blob[32])
{
	int found;

	pthread_mutex_lock(&lock);
	found = bad_count && bsearch(blob, bad, bad_count, BLOB,
	    compare_blobs);
	pthread_mutex_unlock(&lock);
	return found;
}
