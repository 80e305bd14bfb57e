#define _GNU_SOURCE
#include "add.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "catalogue/db.h"
#include "catalogue/store_mark.h"
#include "keep/depot.h"
#include "sql/statements.h"

static const char *const own[] = { "by-hash", "archived", "archives", "pg" };

/* "/a/b" is in "/a", and in "/a/b". */
static int
is_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (path[len] == '/' || !path[len]);
}

/*
 * The directory must be neither in a store nor around one, also if the store
 * belongs to another catalogue.
 */
static void
refuse_stores(const char *path)
{
	static const enum config_key roots[] = { CONFIG_HOME,
		CONFIG_IMAGE_ROOT, CONFIG_RAW_ROOT, CONFIG_BYHASH_ROOT,
		CONFIG_ARCHIVED_ROOT, CONFIG_ARCHIVE_ROOT };
	struct depot_mark mark;
	char *up = xstrdup(path), *slash;
	enum depot_look look;
	size_t i;

	for (i = 0; i < sizeof roots / sizeof roots[0]; i++) {
		const char *root = config_get(roots[i]);
		char real[PATH_MAX];

		if (!root || !*root || !realpath(root, real))
			continue;
		if (is_in(real, path) || (roots[i] != CONFIG_HOME &&
		    is_in(path, real)))
			die(EXIT_REFUSED, "%s is where %s is, which is what "
			    "is to be copied", quoted(path),
			    config_name(roots[i]));
	}
	while ((slash = strrchr(up, '/')) && slash > up) {
		*slash = '\0';
		look = depot_look(up, &mark);
		if (look == DEPOT_MARKED || look == DEPOT_STORE)
			die(EXIT_REFUSED, "%s is in %s, which has a "
			    STORE_MARK, quoted(path), quoted(up));
	}
	free(up);
}

static int
is_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e = NULL;
	int there = dir != NULL;

	while (dir && (e = readdir(dir)) && is_dot(e->d_name))
		;
	if (dir)
		closedir(dir);
	return there && !e;
}

/* What stands there without a mark is somebody's, by its names. */
static void
refuse_collections(const char *path)
{
	size_t i;

	for (i = 0; i < sizeof own / sizeof own[0]; i++) {
		char *name = path_join(path, own[i]);
		struct depot_mark mark;

		if (depot_look(name, &mark) != DEPOT_NONE ||
		    (access(name, F_OK) == 0 && !is_empty(name)))
			die(EXIT_REFUSED, "%s is there already: %s holds "
			    "another collection, or something else",
			    quoted(name), quoted(path));
		free(name);
	}
}

/*
 * The directory, made if its parent is there: below the mount point of a disk
 * that is not mounted there is none.
 */
static char *
find_directory(const char *where)
{
	char *path = path_absolute(where), *real;
	struct stat st;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		die_errno("could not make %s: %m", quoted(path));
	real = realpath(path, NULL);
	if (!real || stat(real, &st) < 0)
		die_errno("could not look at %s: %m", quoted(path));
	if (!S_ISDIR(st.st_mode))
		die(EXIT_USAGE, "%s is not a directory", quoted(path));
	free(path);
	return real;
}

static void
warn_of_one_disk(const char *path)
{
	const char *store = config_get(CONFIG_BYHASH_ROOT);
	struct stat a, b;

	if (stat(path, &a) == 0 && stat(store, &b) == 0 &&
	    a.st_dev == b.st_dev)
		warn("%s is on the file system of the store, so it is no "
		    "second disk: what takes one takes both", quoted(path));
}

/* 1: it was a place of this catalogue before. */
static int
make(const char *path, struct depot_mark *mark)
{
	struct depot_mark there;
	char *sub;
	int before = 0;

	switch (depot_look(path, &there)) {
	case DEPOT_FAILED:
		die_errno("could not read %s/" STORE_MARK ": %m",
		    quoted(path));
	case DEPOT_STORE:
		die(EXIT_REFUSED, "%s is the store of a collection",
		    quoted(path));
	case DEPOT_MARKED:
		if (strcmp(there.catalogue, mark->catalogue))
			die(EXIT_REFUSED, "%s is a place of another "
			    "collection, %s", quoted(path), there.catalogue);
		memcpy(mark->id, there.id, sizeof mark->id);
		before = 1;
		break;
	case DEPOT_NONE:
		/* killed before the mark: parts of ours, and nothing in them */
		sub = path_join(path, "by-hash");
		if (depot_look(sub, &there) == DEPOT_NONE)
			refuse_collections(path);
		else if (store_mark_put(sub, mark->catalogue,
		    mark->private) < 0)
			die(EXIT_REFUSED, "%s holds another collection",
			    quoted(path));
		else
			before = 1;
		free(sub);
		break;
	}
	if (depot_make(path, mark) < 0)
		die_errno("could not make a place of %s: %m", quoted(path));
	return before;
}

static void
refuse_known(PGconn *db, const char *name)
{
	struct depots d;

	if (depots_read(db, name, &d) < 0)
		db_die("could not look for places");
	if (d.count > 0)
		die(EXIT_REFUSED, "there is a place %s already, %s", name,
		    quoted(d.list[0].path));
	depots_free(&d);
}

static void
refuse_mark(PGconn *db, const char *path)
{
	struct depot_mark mark;
	PGresult *res;

	if (depot_look(path, &mark) != DEPOT_MARKED)
		return;
	res = db_query(db, sql_places_marked, mark.id);
	if (!res)
		db_die("could not look for places");
	if (PQntuples(res) > 0)
		die(EXIT_REFUSED, "%s is the place %s already", quoted(path),
		    db_text(res, 0, 0));
	PQclear(res);
}

/* What is there from before. */
static void
adopt(PGconn *db, const char *name, const char *path)
{
	uint64_t count;
	int rc = depot_adopt(db, name, path, &count);

	if (rc < 0 && errno)
		die_errno("could not list what is in %s: %m", quoted(path));
	if (rc < 0)
		db_die("could not record what %s has", name);
	if (count > 0)
		say("%s has %s contents from before; \"ntt-mirror --check "
		    "%s\" reads them", quoted(path), num_grouped(count),
		    name);
}

static void
new_mark(PGconn *db, const char *name, struct depot_mark *mark)
{
	PGresult *res = db_query(db, sql_places_ids);

	if (!res || PQntuples(res) != 1)
		db_die("could not ask for the id of the catalogue");
	memset(mark, 0, sizeof *mark);
	snprintf(mark->catalogue, sizeof mark->catalogue, "%s",
	    db_text(res, 0, 0));
	mark->private = db_bool(res, 0, 1);
	snprintf(mark->id, sizeof mark->id, "%s", db_text(res, 0, 2));
	snprintf(mark->name, sizeof mark->name, "%s", name);
	PQclear(res);
}

void
add_place(PGconn *db, const char *name, const char *where)
{
	struct depot_mark mark;
	char *path, *text;
	int before;

	refuse_known(db, name);
	new_mark(db, name, &mark);
	path = find_directory(where);
	refuse_stores(path);
	refuse_mark(db, path);
	before = make(path, &mark);
	text = db_path(path);
	if (db_begin(db) < 0 ||
	    db_do(db, sql_places_add, name, text, mark.id, "directory",
	    "t") < 0)
		db_die("could not record the place");
	if (before)
		adopt(db, name, path);
	if (db_commit(db) < 0)
		db_die("could not record the place");
	warn_of_one_disk(path);
	say("%s is the place %s: \"ntt-mirror %s\" sends to it", quoted(path),
	    name, name);
	free(text);
	free(path);
}

/* ---- remote ---- */

/* The key, without which nothing there can be read. */
static void
need_key(const char *name, const char *url, const char *file)
{
	int made;

	made = remote_make_key(file, name, url);
	if (made < 0 && errno == ENOENT)
		die(EXIT_NOPROG, "could not make a key with \"rclone\": "
		    "install package rclone");
	if (made < 0)
		die_errno("could not make the key %s: %m", quoted(file));
	if (made)
		warn("the key of %s is in %s: keep a copy of this file "
		    "elsewhere, for without it the copies are lost", name,
		    quoted(file));
}

static int
mark_remote(const char *url, struct depot_mark *mark)
{
	struct depot_mark there;

	switch (depot_look_remote(&there)) {
	case DEPOT_FAILED:
		if (errno == ENOENT)
			die(EXIT_NOPROG, "could not find \"rclone\": install "
			    "package rclone");
		die(EXIT_AGAIN, "rclone could not read %s, or it is "
		    "encrypted with another key", quoted(url));
	case DEPOT_STORE:
		die(EXIT_REFUSED, "%s is the store of a collection",
		    quoted(url));
	case DEPOT_MARKED:
		if (strcmp(there.catalogue, mark->catalogue))
			die(EXIT_REFUSED, "%s is a place of another "
			    "collection, %s", quoted(url), there.catalogue);
		memcpy(mark->id, there.id, sizeof mark->id);
		return 1;
	case DEPOT_NONE:
		break;
	}
	if (depot_make_remote(mark) < 0)
		die(EXIT_AGAIN, "rclone could not write to %s", quoted(url));
	return 0;
}

void
add_remote(PGconn *db, const char *name, const char *url, int clear)
{
	char *key = clear ? NULL : remote_key_path(name);
	struct depot_mark mark;
	uint64_t count = 0;
	PGresult *res;
	int before;

	refuse_known(db, name);
	new_mark(db, name, &mark);
	if (key)
		need_key(name, url, key);
	if (remote_use(url, key) < 0)
		die_errno("could not read the key %s: %m", quoted(key));
	before = mark_remote(url, &mark);
	res = db_query(db, sql_places_marked, mark.id);
	if (!res)
		db_die("could not look for places");
	if (PQntuples(res) > 0)
		die(EXIT_REFUSED, "%s is the place %s already", quoted(url),
		    db_text(res, 0, 0));
	PQclear(res);
	if (db_begin(db) < 0 || db_do(db, sql_places_add, name, url, mark.id,
	    "rclone", clear ? "t" : "f") < 0)
		db_die("could not record the place");
	if (before && depot_adopt_remote(db, name, &count) < 0) {
		if (errno)
			die_errno("could not read what is in %s: %m",
			    quoted(url));
		db_die("could not record what %s has", name);
	}
	if (db_commit(db) < 0)
		db_die("could not record the place");
	say("%s is the place %s, %s, with %s contents", quoted(url), name,
	    clear ? "not encrypted" : "encrypted", num_grouped(count));
	free(key);
}
