#define _GNU_SOURCE
#include "catalogue/medium.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "catalogue/db.h"
#include "sql/statements.h"

enum { SHORTEST_PREFIX = 4, SURE_PREFIX = 8, LONGEST_HASH = 64 };

/* The columns of the statement "medium" of sql/catalogue.sql. */
enum column {
	HASH, HUMAN, TITLE, MESSAGE, KIND, SOURCE_PATH, IMAGE_PATH,
	ARCHIVE_PATH, HEALTH, FS_TYPE, ADDED_AT, IMAGED_AT, ENUM_DONE,
	COPY_DONE, ARCHIVED_AT, NAME_BASE, FINGERPRINT, FINGERPRINT_FILE,
	ROOT, LISTING, LISTED_AT, FOLLOWS, STATE_NUMBER, SIZE_BYTES, RECORDS,
	RESTRICTED, INVENTORY
};

static int64_t
number(const PGresult *res, enum column col)
{
	return PQgetisnull(res, 0, (int)col) ? -1 : db_int(res, 0, (int)col);
}

int
medium_get(PGconn *db, const char *hash, struct medium *m)
{
	PGresult *res = db_query(db, sql_medium, hash);
	int found = res ? PQntuples(res) : -1;

	memset(m, 0, sizeof *m);
	if (found > 0) {
		m->hash = db_copy(res, 0, HASH);
		m->human = db_copy(res, 0, HUMAN);
		m->title = db_copy(res, 0, TITLE);
		m->message = db_copy(res, 0, MESSAGE);
		m->kind = db_copy(res, 0, KIND);
		m->source_path = db_path_value(res, 0, SOURCE_PATH);
		m->image_path = db_path_value(res, 0, IMAGE_PATH);
		m->archive_path = db_path_value(res, 0, ARCHIVE_PATH);
		m->health = db_copy(res, 0, HEALTH);
		m->fs_type = db_copy(res, 0, FS_TYPE);
		m->added_at = db_copy(res, 0, ADDED_AT);
		m->imaged_at = db_copy(res, 0, IMAGED_AT);
		m->enum_done = db_copy(res, 0, ENUM_DONE);
		m->copy_done = db_copy(res, 0, COPY_DONE);
		m->archived_at = db_copy(res, 0, ARCHIVED_AT);
		m->name_base = db_copy(res, 0, NAME_BASE);
		m->fingerprint = db_copy(res, 0, FINGERPRINT);
		m->fingerprint_file = db_copy(res, 0, FINGERPRINT_FILE);
		m->root = db_copy(res, 0, ROOT);
		m->listing = db_copy(res, 0, LISTING);
		m->listed_at = db_copy(res, 0, LISTED_AT);
		m->follows = db_copy(res, 0, FOLLOWS);
		m->inventory = db_copy(res, 0, INVENTORY);
		m->state_number = (int)number(res, STATE_NUMBER);
		m->size = number(res, SIZE_BYTES);
		m->records = number(res, RECORDS);
		m->restricted = db_bool(res, 0, RESTRICTED);
	}
	PQclear(res);
	return found;
}

void
medium_free(struct medium *m)
{
	char *const strings[] = { m->hash, m->human, m->title, m->message,
		m->kind, m->source_path, m->image_path, m->archive_path,
		m->health, m->fs_type, m->added_at, m->imaged_at,
		m->enum_done, m->copy_done, m->archived_at, m->name_base,
		m->fingerprint, m->fingerprint_file, m->root, m->listing,
		m->listed_at, m->follows, m->inventory };
	size_t i;

	for (i = 0; i < sizeof strings / sizeof strings[0]; i++)
		free(strings[i]);
	memset(m, 0, sizeof *m);
}

const char *
medium_shown(const struct medium *m)
{
	return m->title ? m->title : m->human ? m->human : m->hash;
}

int
medium_has_image(const struct medium *m)
{
	return m->kind && (!strcmp(m->kind, "image") ||
	    !strcmp(m->kind, "device"));
}

/* ---- names ---- */

/* How many rows a way of naming finds; the first hashes are kept. */
static int
ask(PGconn *db, const char *sql, const char *param,
    char *hashes[MEDIUM_CANDIDATES])
{
	PGresult *res = param ? db_query(db, sql, param) : db_query(db, sql);
	int i, n = res ? PQntuples(res) : -1;

	for (i = 0; i < n && i < MEDIUM_CANDIDATES; i++)
		hashes[i] = xstrdup(db_text(res, i, 0));
	PQclear(res);
	return n;
}

static char *
lowercase(const char *name)
{
	char *lower = xstrdup(name), *p;

	for (p = lower; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return lower;
}

static int
by_hash(PGconn *db, const char *name, char *hashes[MEDIUM_CANDIDATES])
{
	char *lower = lowercase(name);
	int n = ask(db,
	    "SELECT medium_hash FROM medium WHERE medium_hash = $1", lower,
	    hashes);

	free(lower);
	return n;
}

static int
by_title(PGconn *db, const char *name, char *hashes[MEDIUM_CANDIDATES])
{
	return ask(db, sql_medium_by_title, name,
	    hashes);
}

static int
by_prefix(PGconn *db, const char *name, char *hashes[MEDIUM_CANDIDATES])
{
	size_t len = strlen(name);
	char *lower;
	int n;

	if (len < SHORTEST_PREFIX || len >= LONGEST_HASH ||
	    strspn(name, "0123456789abcdefABCDEF") != len)
		return 0;
	lower = lowercase(name);
	n = ask(db, sql_medium_by_prefix, lower,
	    hashes);
	free(lower);
	return n;
}

/* A directory that was taken in several times means its latest state. */
static int
by_path(PGconn *db, const char *name, char *hashes[MEDIUM_CANDIDATES])
{
	char *absolute, *path;
	int n;

	if (!strchr(name, '/'))
		return 0;
	absolute = path_absolute(name);
	path = db_path(absolute);
	n = ask(db, sql_medium_by_path,
	    path, hashes);
	free(path);
	free(absolute);
	return n;
}

/* Every word, in any order and case. */
static int
by_message(PGconn *db, const char *name, char *hashes[MEDIUM_CANDIDATES])
{
	return ask(db, sql_medium_by_words, name, hashes);
}

static int
by_date(PGconn *db, const char *name, char *hashes[MEDIUM_CANDIDATES])
{
	return strcmp(name, "last") ? 0 : ask(db, sql_medium_last, NULL,
	    hashes);
}

typedef int way(PGconn *db, const char *name, char **hashes);

/* The first of the ways that finds any. */
static int
find(PGconn *db, const char *name, char **hashes, way *const *ways)
{
	int n = 0;

	if (!*name || !utf8_valid(name, strlen(name)))
		return strchr(name, '/') ? by_path(db, name, hashes) : 0;
	for (; n == 0 && *ways; ways++)
		n = (*ways)(db, name, hashes);
	return n;
}

int
medium_find(PGconn *db, const char *name, char *hashes[MEDIUM_CANDIDATES])
{
	static way *const ways[] = {
		by_hash, by_title, by_prefix, by_path, by_message, by_date,
		NULL
	};

	return find(db, name, hashes, ways);
}

int
medium_find_exact(PGconn *db, const char *name,
    char *hashes[MEDIUM_CANDIDATES])
{
	static way *const ways[] = { by_hash, by_title, by_path, NULL };
	int n = find(db, name, hashes, ways);

	return n == 0 && strlen(name) >= SURE_PREFIX ?
	    by_prefix(db, name, hashes) : n;
}

static void
list_candidates(PGconn *db, char **hashes, int n)
{
	struct medium m;
	int i;

	for (i = 0; i < n && i < MEDIUM_CANDIDATES; i++) {
		if (medium_get(db, hashes[i], &m) < 1)
			continue;
		fprintf(stderr, "  %s  %s%s%s\n", m.hash,
		    quoted(medium_shown(&m)), m.message ? "  " : "",
		    m.message ? quoted(m.message) : "");
		medium_free(&m);
	}
	if (n > MEDIUM_CANDIDATES)
		fprintf(stderr, "  and %d more\n", n - MEDIUM_CANDIDATES);
}

char *
medium_named_hash(PGconn *db, const char *name)
{
	char *hashes[MEDIUM_CANDIDATES];
	int n = medium_find(db, name, hashes);

	if (n == 1)
		return hashes[0];
	if (n < 0)
		db_die("could not look up medium %s", quoted(name));
	if (n == 0)
		die(EXIT_FAILED, "the catalogue has no medium %s",
		    quoted(name));
	warn("%s means %d media:", quoted(name), n);
	list_candidates(db, hashes, n);
	exit(EXIT_USAGE);
}

void
medium_named(PGconn *db, const char *name, struct medium *m)
{
	char *hash = medium_named_hash(db, name);
	int found = medium_get(db, hash, m);

	if (found < 0)
		db_die("could not look up medium %s", hash);
	if (found == 0)
		die(EXIT_FAILED, "medium %s was just removed", hash);
	free(hash);
}

int
medium_loaded(PGconn *db, const char *hash)
{
	PGresult *res = db_query(db,
	    "SELECT to_regclass(quote_ident('inode_p_' || $1)) IS NOT NULL",
	    hash);
	int loaded = res ? db_bool(res, 0, 0) : -1;

	PQclear(res);
	return loaded;
}

char *
medium_removed(PGconn *db, const char *hash, int *failed)
{
	PGresult *res = db_query(db, sql_medium_removed, hash);
	char *how = res && PQntuples(res) ? xstrdup(db_text(res, 0, 0)) : NULL;

	*failed = !res;
	PQclear(res);
	return how;
}
