/*
 * Deleting at a place what nothing uses any more.
 *
 * A pack that is mostly such contents is read, its other contents go into a new
 * pack, which is read back, then comes the index of the new one, then the rows of
 * the catalogue, and only then the old one goes.  Whoever is killed on the way
 * leaves contents twice; what is in no row by then is found by its name and asked
 * about again.
 */
#define _GNU_SOURCE
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
#include "base/progress.h"
#include "base/sig.h"
#include "base/tempfile.h"
#include "catalogue/db.h"
#include "mirror.h"
#include "sql/statements.h"
#include "store/blob_read.h"

static void
confirm(const struct mirror *m, int yes)
{
	char answer[DEPOT_NAME + 2] = "";
	const char *name = m->to->name;

	fflush(stdout);
	if (yes)
		return;
	fprintf(stderr, "No medium has them, and they are deleted there.  Type "
	    "the name of the place to go on: ");
	if (!fgets(answer, sizeof answer, stdin) ||
	    strcspn(answer, "\n") != strlen(name) ||
	    strncmp(answer, name, strlen(name)))
		die(EXIT_REFUSED, "not confirmed, nothing changed");
}

static PGresult *
ask(const struct mirror *m, const char *sql, const char *pack)
{
	const char *params[] = { m->to->name, pack };
	PGresult *res = db_query_n(m->db, sql, pack ? 2 : 1, params);

	if (!res)
		db_die("could not ask what %s has", m->to->name);
	return res;
}

/* ---- a directory ---- */

/*
 * The blobs of the batch that is being deleted, one id a line.  The rows go
 * before the files; without this list nobody would know about the files if
 * ntt-mirror were killed in between.
 */
static char *
list_path(const struct mirror *m)
{
	return path_join(m->to->path, ".ntt-compact");
}

static void
write_list(const struct mirror *m, char (*ids)[STORE_ID + 1], size_t count)
{
	char *path = list_path(m);
	struct buf text = BUF_INIT;
	struct tempfile t;
	size_t i;

	for (i = 0; i < count; i++)
		buf_printf(&text, "%s\n", ids[i]);
	if (tempfile_open(&t, path) < 0 ||
	    write_all(t.fd, text.data, text.len) < 0 ||
	    tempfile_commit(&t) < 0)
		die_errno("could not write %s: %m", quoted(path));
	buf_free(&text);
	free(path);
}

static void
unlink_blob(struct mirror *m, const char *id)
{
	char path[STORE_PATH];

	store_path(path, id);
	if (unlinkat(m->to->store.root, path, 0) == 0)
		m->blobs++;
	else if (errno != ENOENT)
		die_errno("could not delete blob %s of %s: %m", id,
		    m->to->name);
}

/* Durably: the list must not go before the files that it names. */
static void
remove_list(const struct mirror *m)
{
	char *path = list_path(m);

	if (store_sync(&m->to->store) < 0 ||
	    (unlink(path) < 0 && errno != ENOENT))
		die_errno("could not write to %s: %m", quoted(m->to->path));
	free(path);
}

static void
delete_files(struct mirror *m, const PGresult *res)
{
	size_t count = (size_t)PQntuples(res), i;
	char (*ids)[STORE_ID + 1] = xcalloc(count, sizeof *ids);

	for (i = 0; i < count; i++)
		snprintf(ids[i], sizeof ids[i], "%s", db_text(res, (int)i, 1));
	write_list(m, ids, count);
	/* the rows first: what is believed to be there is there */
	if (depot_holds_not(m->db, m->to, ids, count) < 0)
		db_die("could not record what %s has", m->to->name);
	for (i = 0; i < count; i++)
		unlink_blob(m, ids[i]);
	remove_list(m);
	free(ids);
}

/* Deletes what a run was deleting that was killed. */
static void
finish_earlier(struct mirror *m)
{
	char *path = list_path(m), *line = NULL;
	struct buf ids = BUF_INIT;
	size_t room = 0;
	FILE *f = fopen(path, "re");
	PGresult *res;
	int row;

	if (!f && errno != ENOENT)
		die_errno("could not read %s: %m", quoted(path));
	free(path);
	if (!f)
		return;
	while (getline(&line, &room, f) > 0)
		if (strspn(line, "0123456789abcdef") == STORE_ID)
			buf_printf(&ids, "%s%.*s", ids.len ? "\n" : "",
			    STORE_ID, line);
	fclose(f);
	free(line);
	res = ask(m, sql_mirror_forgotten, ids.data ? ids.data : "");
	for (row = 0; row < PQntuples(res); row++)
		if (*db_text(res, row, 0))
			unlink_blob(m, db_text(res, row, 0));
	PQclear(res);
	buf_free(&ids);
	remove_list(m);
}

static void
say_deleted(const struct mirror *m)
{
	say("%s: %s contents were deleted", m->to->name, num_grouped(m->blobs));
}

static void
compact_directory(struct mirror *m, int yes)
{
	PGresult *res;
	char last[24] = "0";
	int rows = 1;

	finish_earlier(m);
	if (db_script(m->db, sql_mirror_empty) < 0)
		db_die("could not begin");
	PQclear(ask(m, sql_mirror_dead, NULL));
	res = db_query(m->db, sql_mirror_sum);
	if (!res)
		db_die("could not ask what %s has", m->to->name);
	if (db_int(res, 0, 0) == 0) {
		if (m->blobs > 0)
			say_deleted(m);
		else
			say("%s has nothing that nothing uses", m->to->name);
		PQclear(res);
		return;
	}
	printf("%s has %s contents that nothing uses\n", m->to->name,
	    num_grouped((uint64_t)db_int(res, 0, 0)));
	PQclear(res);
	confirm(m, yes);
	while (rows > 0 && !sig_caught()) {
		res = db_query(m->db, sql_mirror_next, last);
		if (!res)
			db_die("could not ask what %s has", m->to->name);
		rows = PQntuples(res);
		if (rows > 0) {
			snprintf(last, sizeof last, "%s", db_text(res, rows - 1,
			    0));
			delete_files(m, res);
		}
		PQclear(res);
	}
	mirror_interrupted(m);
	say_deleted(m);
}

/* ---- packs ---- */

struct pack {
	char name[STORE_ID + 1];
	int tar, index, known;	/* where it is: objects, the catalogue */
	int chosen, gone;
	uint64_t total, live;	/* bytes of contents */
};

static struct {
	struct pack *list;
	size_t count, room;
} packs;

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct pack *)a)->name,
	    ((const struct pack *)b)->name);
}

static void
add_pack(const char *name, int tar, int index, int known)
{
	struct pack *p;

	if (packs.count == packs.room) {
		packs.room = packs.room ? 2 * packs.room : 64;
		packs.list = xrealloc(packs.list, packs.room *
		    sizeof *packs.list);
	}
	p = &packs.list[packs.count++];
	*p = (struct pack){ .tar = tar, .index = index, .known = known };
	memcpy(p->name, name, STORE_ID);
}

/* One entry of each, which knows all three. */
static void
join_packs(void)
{
	size_t i, n = 0;

	if (packs.count == 0)
		return;
	qsort(packs.list, packs.count, sizeof *packs.list, by_name);
	for (i = 1; i < packs.count; i++) {
		struct pack *to = &packs.list[n], *p = &packs.list[i];

		if (strcmp(to->name, p->name)) {
			packs.list[++n] = *p;
			continue;
		}
		to->tar |= p->tar;
		to->index |= p->index;
		to->known |= p->known;
	}
	packs.count = n + 1;
}

static void
list_packs(const struct mirror *m)
{
	struct buf names = BUF_INIT;
	PGresult *res = ask(m, sql_mirror_packs, NULL);
	int status = remote_list("packs/", &names, INT32_MAX), row;
	char *at = names.data, *line;

	if (status != 0 && status != REMOTE_NO_DIRECTORY)
		die(EXIT_AGAIN, "rclone could not list packs/ of %s",
		    m->to->name);
	for (row = 0; row < PQntuples(res); row++)
		add_pack(db_text(res, row, 0), 0, 0, 1);
	PQclear(res);
	while (at && (line = strsep(&at, "\n"))) {
		size_t hex = strspn(line, "0123456789abcdef");

		/* nothing else is ours */
		if (hex == STORE_ID && !strcmp(line + hex, ".tar"))
			add_pack(line, 1, 0, 0);
		else if (hex == STORE_ID && !strcmp(line + hex, ".index"))
			add_pack(line, 0, 1, 0);
	}
	buf_free(&names);
	join_packs();
}

/*
 * What is in a pack by its index.  One that the catalogue does not know, because
 * it was put back from a dump or somebody was killed, is recorded, so that nothing
 * goes that something uses.
 */
static void
read_index(const struct mirror *m, struct pack *p)
{
	char *object = xasprintf("packs/%s.index", p->name);
	char id[STORE_ID + 1];
	struct buf text = BUF_INIT;
	struct pack_index x;
	const char *at;
	uint64_t start, size;
	int rc;

	if (remote_read(object, &text, INT32_MAX) != 0)
		die(EXIT_AGAIN, "rclone could not read %s of %s", object,
		    m->to->name);
	pack_index_init(&x);
	at = text.data ? text.data : "";
	while ((rc = pack_index_next(&at, id, &start, &size)) > 0) {
		pack_index_add(&x, id, start, size);
		p->total += size;
	}
	if (rc < 0)
		die(EXIT_FAILED, "the index %s of %s is damaged: \"ntt-mirror "
		    "--check %s\"", object, m->to->name, m->to->name);
	if (!p->known && pack_record(m->db, m->to->name, p->name, &x) < 0)
		db_die("could not record what %s has", m->to->name);
	p->known = 1;
	pack_index_free(&x);
	buf_free(&text);
	free(object);
}

static void
look_at(struct mirror *m, struct pack *p, unsigned int percent)
{
	PGresult *res;
	int row;

	/* cut off while it was sent: no index was ever there */
	if (!p->known && !p->index) {
		p->chosen = 1;
		return;
	}
	if (!p->tar || !p->index) {
		warn("packs/%s.%s is not there: \"ntt-mirror --check %s\"",
		    p->name, p->tar ? "index" : "tar", m->to->name);
		m->bad = 1;
		return;
	}
	read_index(m, p);
	res = ask(m, sql_mirror_pack_live, p->name);
	for (row = 0; row < PQntuples(res); row++)
		p->live += (uint64_t)db_int(res, row, 2);
	/* empty contents have no bytes, and are always used */
	p->chosen = PQntuples(res) == 0 || (p->total > p->live &&
	    (p->total - p->live) * 100.0 > percent * (double)p->total);
	PQclear(res);
}

/* All live contents of it go to a new one; those that are wrong stay. */
static void
move_pack(struct mirror *m, const struct pack *p, char *buf)
{
	char *object = xasprintf("packs/%s.tar", p->name), id[STORE_ID + 1];
	PGresult *res = ask(m, sql_mirror_pack_live, p->name);
	struct remote_io io = { .fd = -1 };
	uint64_t at = 0;
	int row, rc;

	for (row = 0; row < PQntuples(res); row++) {
		const char *blob = db_text(res, row, 0);
		uint64_t start = (uint64_t)db_int(res, row, 1);
		uint64_t size = (uint64_t)db_int(res, row, 2);
		int err;

		rc = remote_read_member(&io, &at, object, start, size, id);
		if (rc < 0)
			remote_abort(&io);
		mirror_interrupted(m);
		progress_set(m->bytes);
		if (rc == 0 && !strcmp(id, blob)) {
			remote_add_packed(m, blob, size, p->name, start, buf);
			continue;
		}
		if (store_check(&m->home, blob, &err) == STORE_GOOD) {
			remote_add(m, blob, size, buf);
			continue;
		}
		progress_hide();
		printf("%s is %s in packs/%s.tar, which stays: \"ntt-mirror "
		    "--check %s\"\n", blob, rc < 0 ? "unreadable" : "bad",
		    p->name, m->to->name);
		m->bad = 1;
	}
	if (io.fd >= 0)
		remote_abort(&io);
	PQclear(res);
	free(object);
}

static void
delete_object(const struct mirror *m, const char *name, const char *suffix)
{
	char *object = xasprintf("packs/%s%s", name, suffix);

	if (remote_delete(object) != 0)
		die(EXIT_AGAIN, "rclone could not delete %s of %s", object,
		    m->to->name);
	free(object);
}

/*
 * Those that nothing is in any more.  The catalogue is asked of each: a pack that
 * a killed run did not finish may be the one that has just been sent whole.
 */
static void
delete_packs(struct mirror *m, size_t end)
{
	size_t i;

	for (i = 0; i < end; i++) {
		struct pack *p = &packs.list[i];
		PGresult *res;
		int gone;

		if (!p->chosen || p->gone)
			continue;
		mirror_interrupted(m);
		res = ask(m, sql_mirror_pack_gone, p->name);
		gone = db_bool(res, 0, 0);
		PQclear(res);
		if (!gone)
			continue;
		/* without its index it is no pack */
		if (p->index)
			delete_object(m, p->name, ".index");
		if (p->tar)
			delete_object(m, p->name, ".tar");
		p->gone = 1;
		m->files++;
	}
}

static int
show(const struct mirror *m)
{
	uint64_t chosen = 0, contents = 0, bytes = 0;
	size_t i;

	for (i = 0; i < packs.count; i++) {
		PGresult *res;

		if (!packs.list[i].chosen)
			continue;
		chosen++;
		res = ask(m, sql_mirror_pack_dead, packs.list[i].name);
		contents += (uint64_t)db_int(res, 0, 0);
		bytes += (uint64_t)db_int(res, 0, 1);
		PQclear(res);
	}
	if (chosen > 0)
		printf("%s of %s packs of %s have %s contents, %s, that "
		    "nothing uses\n", num_grouped(chosen),
		    num_grouped(packs.count), m->to->name,
		    num_grouped(contents), num_bytes(bytes));
	return chosen > 0;
}

static void
compact_packs(struct mirror *m, unsigned int percent, int yes)
{
	char *buf = xmalloc(BLOB_BLOCK);
	uint64_t sent, live = 0;
	size_t i;

	list_packs(m);
	for (i = 0; i < packs.count; i++) {
		mirror_interrupted(m);
		look_at(m, &packs.list[i], percent);
		if (packs.list[i].chosen)
			live += packs.list[i].live;
	}
	if (!show(m)) {
		say("%s has no pack with more than %u %% that nothing uses",
		    m->to->name, percent);
		free(buf);
		return;
	}
	confirm(m, yes);
	progress_start("moving", NULL, PROGRESS_BYTES, live);
	for (i = 0; i < packs.count; i++) {
		sent = m->blobs;
		if (packs.list[i].chosen)
			move_pack(m, &packs.list[i], buf);
		/* a pack was full: those before are free */
		if (m->blobs > sent)
			delete_packs(m, i);
	}
	remote_flush(m, buf);
	delete_packs(m, packs.count);
	progress_stop();
	say("%s: %s packs were deleted; %s contents, %s, are in new ones",
	    m->to->name, num_grouped(m->files), num_grouped(m->blobs),
	    num_bytes(m->bytes));
	free(packs.list);
	free(buf);
}

void
compact(struct mirror *m, unsigned int percent, int yes)
{
	if (m->to->remote)
		compact_packs(m, percent, yes);
	else
		compact_directory(m, yes);
}
