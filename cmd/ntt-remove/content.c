#define _GNU_SOURCE
#include "content.h"

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
#include "catalogue/queue.h"
#include "sql/statements.h"
#include "store/short_name.h"
#include "store/store.h"
#include "places.h"

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
	PGresult *res = db_query(r->db, sql_medium_all_loaded);

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
	int n = queue_workers(r->db, NULL);

	if (n < 0)
		db_die("could not look for copiers");
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

static void
delete_bytes(const char *id)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);
	struct store store;

	if (store_open(&store, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
	places_delete_blob(&store, root, id);
	if (store_sync(&store) < 0)
		die_errno("could not make that durable: %m");
	store_close(&store);
}

int
content_remove(const struct content_removal *r)
{
	char ids[1][STORE_ID + 1];
	const struct places_removal copies = { .db = r->db, .ids = ids,
		.count = 1 };
	struct depots places;
	struct found f;
	int archives;
	int rc, status;
	size_t i;

	find(r, &f);
	archives = show(r, &f);
	if (r->dry_run)
		return EXIT_DONE;
	confirm(r);
	refuse_copiers(r);
	places_lock(r->db, &places);
	/* names first: rows lead whoever was interrupted back to them */
	unlink_names(&f);
	if (f.has_row || f.count > 0)
		remove_rows(r, &f);
	delete_bytes(r->id);
	snprintf(ids[0], sizeof ids[0], "%s", r->id);
	status = places_remove(&copies, &places);
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
