#define _GNU_SOURCE
#include "content.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "keep/depot.h"
#include "sql/statements.h"
#include "store/short_name.h"
#include "store/store.h"

/* A path that has it. */
struct name {
	char *medium, *path;
};

struct found {
	struct name *names;
	size_t count;
	uint64_t inodes, size;
	int has_row;
};

static void
add_name(struct found *f, const char *medium, char *path)
{
	f->names = xrealloc(f->names, (f->count + 1) * sizeof *f->names);
	f->names[f->count].medium = xstrdup(medium);
	f->names[f->count++].path = path;
}

static void
find_in(const struct content_removal *r, const char *medium, struct found *f)
{
	char *sql = sql_for(sql_content_names, medium);
	PGresult *res = db_query(r->db, sql, r->id);
	int row;

	free(sql);
	if (!res)
		db_die("could not find the content in %s", medium);
	for (row = 0; row < PQntuples(res); row++) {
		struct buf path = BUF_INIT;

		if (db_bytea_value(res, row, 0, &path) < 0)
			die(EXIT_FAILED, "could not read a path of %s",
			    medium);
		add_name(f, medium, buf_detach(&path));
	}
	PQclear(res);
}

static PGresult *
loaded_media(const struct content_removal *r)
{
	PGresult *res = db_query(r->db, sql_heal_media);

	if (!res)
		db_die("could not list the media");
	return res;
}

static void
find(const struct content_removal *r, struct found *f)
{
	PGresult *res = db_query(r->db, sql_heal_blob, r->id), *media;
	int row;

	memset(f, 0, sizeof *f);
	if (!res)
		db_die("could not look up the blob");
	f->has_row = PQntuples(res) > 0;
	f->size = f->has_row ? (uint64_t)db_int(res, 0, 1) : 0;
	PQclear(res);
	media = loaded_media(r);
	for (row = 0; row < PQntuples(media); row++)
		find_in(r, db_text(media, row, 0), f);
	PQclear(media);
}

/* What a person must know: archives stay as they are. */
static int
show_medium(const struct content_removal *r, const char *hash)
{
	struct medium m;
	int in_archive;

	if (medium_get(r->db, hash, &m) < 1)
		db_die("could not look up %s", hash);
	printf("%s %s\n", m.hash, quoted(medium_shown(&m)));
	in_archive = medium_has_image(&m) && m.archive_path;
	if (in_archive)
		printf("\tthe image in %s has it, and stays\n",
		    quoted(m.archive_path));
	medium_free(&m);
	return in_archive;
}

static int
show(const struct content_removal *r, const struct found *f)
{
	int archives = 0;
	size_t i;

	printf("%s, %s, %s paths\n", r->id, num_bytes(f->size),
	    num_grouped(f->count));
	for (i = 0; i < f->count; i++) {
		if (i == 0 || strcmp(f->names[i].medium,
		    f->names[i - 1].medium))
			archives += show_medium(r, f->names[i].medium);
		printf("\t%s\n", quoted(f->names[i].path));
	}
	fflush(stdout);
	return archives;
}

static void
confirm(const struct content_removal *r)
{
	char answer[80] = "";

	if (r->yes)
		return;
	fprintf(stderr, "This deletes its bytes.\nType the first 8 characters "
	    "of its id to go on: ");
	if (!fgets(answer, sizeof answer, stdin) ||
	    strcspn(answer, "\n") != 8 || strncmp(answer, r->id, 8))
		die(EXIT_REFUSED, "not confirmed, nothing changed");
}

/* A copier would link it again. */
static void
refuse_copiers(const struct content_removal *r)
{
	PGresult *res = db_query(r->db, sql_content_copiers);
	int n;

	if (!res)
		db_die("could not look for copiers");
	n = (int)db_int(res, 0, 0);
	PQclear(res);
	if (n > 0)
		die(EXIT_AGAIN, "%d copiers are at work: stop them first "
		    "(ntt-stop-workers), or wait", n);
}

static void
unlink_names(const struct found *f)
{
	size_t i;

	for (i = 0; *config_get(CONFIG_ARCHIVED_ROOT) && i < f->count; i++) {
		char *tree = medium_tree(f->names[i].medium);
		int root = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
		    O_NOFOLLOW), dir = -1;
		struct buf room = BUF_INIT;
		const char *base;

		if (root >= 0)
			dir = open_parent_beneath(root,
			    short_path(f->names[i].path, &room), &base);
		if (dir >= 0 && unlinkat(dir, base, 0) < 0 &&
		    errno != ENOENT && errno != EISDIR)
			die_errno("could not remove %s from %s: %m",
			    quoted(f->names[i].path), quoted(tree));
		if (dir >= 0)
			close(dir);
		if (root >= 0)
			close(root);
		buf_free(&room);
		free(tree);
	}
}

static void
remove_rows(const struct content_removal *r, const struct found *f)
{
	char paths[24], size[24];
	const char *params[] = { r->id, r->by, r->reason, paths, size };
	PGresult *media = loaded_media(r), *res = NULL;
	int row, ok = db_begin(r->db) == 0;

	snprintf(paths, sizeof paths, "%zu", f->count);
	snprintf(size, sizeof size, "%llu", (unsigned long long)f->size);
	for (row = 0; ok && row < PQntuples(media); row++) {
		const char *hash = db_text(media, row, 0);
		char *exclude = sql_for(sql_content_exclude, hash);
		char *forget = sql_for(sql_content_forget, hash);

		ok = db_do(r->db, exclude, r->id) == 0 &&
		    db_do(r->db, forget, r->id) == 0;
		free(exclude);
		free(forget);
	}
	ok = ok && db_do(r->db, sql_content_streams, r->id) == 0 &&
	    db_do(r->db, sql_content_nowhere, r->id) == 0;
	if (ok)
		res = db_query_n(r->db, sql_content_note, 5, params);
	ok = ok && res && db_do(r->db, sql_content_row, r->id) == 0 &&
	    db_commit(r->db) == 0;
	if (!ok)
		db_die("could not remove the rows of the content");
	PQclear(res);
	PQclear(media);
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

static void
delete_in(const struct store *store, const char *root, const char *id)
{
	char path[STORE_PATH];

	store_path(path, id);
	if (unlinkat(store->root, path, 0) < 0 && errno != ENOENT)
		die_errno("could not delete blob %s of %s: %m", id,
		    quoted(root));
	unlink_kept(store->root, ".bad", id);
	unlink_kept(store->root, STORE_TRASH, id);
	if (store_sync(store) < 0)
		die_errno("could not make that durable: %m");
}

static void
delete_bytes(const char *id)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);
	struct store store;

	if (store_open(&store, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
	delete_in(&store, root, id);
	store_close(&store);
}

/* ---- other places ---- */

/* Nobody sends it there from now on. */
static void
lock_places(const struct content_removal *r, struct depots *d)
{
	size_t i;

	if (depots_read(r->db, NULL, d) < 0)
		db_die("could not list the places");
	for (i = 0; i < d->count; i++) {
		int locked = depot_lock(r->db, &d->list[i]);

		if (locked < 0)
			db_die("could not lock the place %s",
			    d->list[i].name);
		if (!locked)
			die(EXIT_AGAIN, "an ntt-mirror is at work on %s",
			    d->list[i].name);
	}
}

/* Packs are not changed. */
static void
show_pack(const struct content_removal *r, const struct depot *p)
{
	PGresult *res = db_query(r->db, sql_places_where, p->name, r->id);

	if (!res)
		db_die("could not ask what %s has", p->name);
	if (PQntuples(res) > 0)
		printf("the pack %s of the place %s has it, and stays\n",
		    db_text(res, 0, 0), p->name);
	PQclear(res);
}

static void
delete_copies(const struct content_removal *r, struct depots *d)
{
	char ids[1][STORE_ID + 1], *why;
	size_t i;

	snprintf(ids[0], sizeof ids[0], "%s", r->id);
	for (i = 0; i < d->count; i++) {
		struct depot *p = &d->list[i];

		if (p->remote) {
			show_pack(r, p);
			continue;
		}
		if (depot_open(p, &why)) {
			delete_in(&p->store, p->path, r->id);
			if (depot_holds_not(r->db, p, ids, 1) < 0)
				db_die("could not record what %s has",
				    p->name);
			continue;
		}
		printf("the place %s may have it and is not in reach: %s; the "
		    "same command removes it there later\n", p->name, why);
		free(why);
	}
	fflush(stdout);
}

int
content_remove(const struct content_removal *r)
{
	struct depots places;
	struct found f;
	int archives;
	int rc, status = EXIT_DONE;
	size_t i;

	find(r, &f);
	archives = show(r, &f);
	if (r->dry_run)
		return EXIT_DONE;
	confirm(r);
	refuse_copiers(r);
	lock_places(r, &places);
	/* names first: rows lead whoever was interrupted back to them */
	unlink_names(&f);
	if (f.has_row || f.count > 0)
		remove_rows(r, &f);
	delete_bytes(r->id);
	delete_copies(r, &places);
	depots_free(&places);
	for (i = 0; i < f.count; i++) {
		/* names of one medium follow each other */
		if (i > 0 && !strcmp(f.names[i].medium, f.names[i - 1].medium))
			continue;
		rc = catalogue_file_renew(r->db, f.names[i].medium, "removed");
		status = rc ? rc : status;
	}
	for (i = 0; i < f.count; i++) {
		free(f.names[i].medium);
		free(f.names[i].path);
	}
	free(f.names);
	if (archives)
		say("%d archives have images with this content in them",
		    archives);
	return status;
}
