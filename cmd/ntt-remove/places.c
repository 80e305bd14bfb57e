#define _GNU_SOURCE
#include "places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "catalogue/db.h"
#include "sql/statements.h"

void
places_lock(PGconn *db, struct depots *d)
{
	size_t i;

	if (depots_read(db, NULL, d) < 0)
		db_die("could not list the places");
	for (i = 0; i < d->count; i++) {
		int locked = depot_lock(db, &d->list[i]);

		if (locked < 0)
			db_die("could not lock the place %s",
			    d->list[i].name);
		if (!locked)
			die(EXIT_AGAIN, "an ntt-mirror is at work on %s",
			    d->list[i].name);
	}
}

/* Those that are called "<id>" or "<id>.<date>". */
static void
unlink_kept(int store, const char *dir, const char *id)
{
	int fd = openat(store, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	while (stream && (e = readdir(stream)))
		if (!strncmp(e->d_name, id, STORE_ID) &&
		    unlinkat(fd, e->d_name, 0) < 0)
			die_errno("could not delete %s/%s: %m", dir,
			    e->d_name);
	if (stream)
		closedir(stream);
	else if (errno != ENOENT)
		die_errno("could not open %s of the store: %m", dir);
}

void
places_delete_blob(const struct store *store, const char *root, const char *id)
{
	char path[STORE_PATH];

	store_path(path, id);
	if (unlinkat(store->root, path, 0) < 0 && errno != ENOENT)
		die_errno("could not delete blob %s of %s: %m", id,
		    quoted(root));
	unlink_kept(store->root, ".bad", id);
	unlink_kept(store->root, STORE_TRASH, id);
}

char *
places_ids(const struct places_removal *r)
{
	struct buf ids = BUF_INIT;
	size_t i;

	buf_puts(&ids, "{");
	for (i = 0; i < r->count; i++)
		buf_printf(&ids, "%s%s", i ? "," : "", r->ids[i]);
	buf_puts(&ids, "}");
	return buf_detach(&ids);
}

/* Packs are not changed.  How many have something. */
static int
show_packs(const struct places_removal *r, const struct depot *p)
{
	char *ids = places_ids(r);
	PGresult *res = db_query(r->db, sql_remove_packs, p->name, ids);
	int row, count;

	free(ids);
	if (!res)
		db_die("could not ask what %s has", p->name);
	count = PQntuples(res);
	for (row = 0; row < count; row++)
		printf("the pack %s of the place %s has %s of them, and stays "
		    "until \"ntt-mirror --compact --dead 0 %s\"\n",
		    db_text(res, row, 0), p->name,
		    num_grouped((uint64_t)db_int(res, row, 1)), p->name);
	PQclear(res);
	return count;
}

static void
delete_blobs(const struct places_removal *r, struct depot *p)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		places_delete_blob(&p->store, p->path, r->ids[i]);
	if (r->count > 0 && store_sync(&p->store) < 0)
		die_errno("could not make that durable at %s: %m", p->name);
	if (r->count > 0 &&
	    depot_holds_not(r->db, p, r->ids, r->count) < 0)
		db_die("could not record what %s has", p->name);
}

/* A disk on a shelf: the next run of the same command finds them there. */
static void
delete_later(const struct places_removal *r, const struct depot *p)
{
	char *ids = places_ids(r);

	if (db_do(r->db, sql_remove_later, p->name, r->medium, ids) < 0)
		db_die("could not record what is to go at %s", p->name);
	free(ids);
}

/* What an earlier run could not reach. */
static void
delete_waiting(const struct places_removal *r, struct depot *p)
{
	PGresult *res = db_query(r->db, sql_remove_waiting, p->name,
	    r->medium);
	struct places_removal waiting = { .db = r->db };
	int row;

	if (!res)
		db_die("could not ask what is to go at %s", p->name);
	waiting.count = (size_t)PQntuples(res);
	waiting.ids = xcalloc(waiting.count + 1, sizeof *waiting.ids);
	for (row = 0; row < PQntuples(res); row++)
		snprintf(waiting.ids[row], sizeof *waiting.ids, "%s",
		    db_text(res, row, 0));
	PQclear(res);
	delete_blobs(&waiting, p);
	if (db_do(r->db, sql_remove_waited, p->name, r->medium) < 0)
		db_die("could not record what %s has", p->name);
	free(waiting.ids);
}

static void
delete_file(const struct depot *p, const char *name)
{
	char *path;

	if (p->remote) {
		if (remote_delete(name) != 0)
			die(EXIT_AGAIN, "rclone could not delete %s of %s",
			    name, p->name);
		return;
	}
	path = path_join(p->path, name);
	if (unlink(path) < 0 && errno != ENOENT)
		die_errno("could not delete %s: %m", quoted(path));
	fsync_parent(path);
	free(path);
}

static void
delete_files(const struct places_removal *r, const struct depot *p)
{
	PGresult *res = db_query(r->db, sql_remove_files, p->name, r->medium,
	    r->archive ? "t" : "f");
	int row;

	if (!res)
		db_die("could not ask what %s has", p->name);
	for (row = 0; row < PQntuples(res); row++) {
		delete_file(p, db_text(res, row, 0));
		if (db_do(r->db, sql_places_file_is_not, p->name,
		    db_text(res, row, 0)) < 0)
			db_die("could not record what %s has", p->name);
	}
	PQclear(res);
}

int
places_remove(const struct places_removal *r, struct depots *d)
{
	int status = EXIT_DONE;
	char *why;
	size_t i;

	for (i = 0; i < d->count; i++) {
		struct depot *p = &d->list[i];

		if (p->remote && show_packs(r, p) > 0)
			status = EXIT_PARTIAL;
		if (p->remote && !r->medium)
			continue;
		if (!depot_open(p, &why)) {
			printf("the place %s may have it and is not in reach: "
			    "%s; the same command removes it there later\n",
			    p->name, why);
			free(why);
			status = EXIT_PARTIAL;
			if (r->medium && !p->remote)
				delete_later(r, p);
			continue;
		}
		if (!p->remote)
			delete_blobs(r, p);
		if (r->medium && !p->remote)
			delete_waiting(r, p);
		if (r->medium)
			delete_files(r, p);
	}
	fflush(stdout);
	return status;
}
