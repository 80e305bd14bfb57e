/*
 * ntt-remove: takes a medium out of the collection.  It deletes the rows and
 * the tree.  The archive stays unless --archive is given.  ntt-reclaim removes
 * the contents that only this medium had.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "base/privilege.h"
#include "base/prog.h"
#include "base/spawn.h"
#include "base/tempfile.h"
#include "base/use_lock.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/queue.h"
#include "catalogue/store_mark.h"
#include "mount/mounted.h"
#include "sql/statements.h"
#include "store/store.h"
#include "content.h"
#include "places.h"

static struct {
	const char *medium, *content, *reason;
	int archive, everywhere, yes, dry_run, force;
} opt;

static PGconn *db;
static struct medium m;
static char *removed_by;
static char inodes[24] = "0", paths[24] = "0", only[24] = "0",
    only_bytes[24] = "0";
static uint64_t not_good;
/* --everywhere */
static struct places_removal copies;
static int status = EXIT_DONE;	/* EXIT_PARTIAL: it is still at a place */
static struct depots places;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "content", "BLOB",
		"remove one content from all media, and delete its bytes",
		OPT_TEXT(&opt.content) },
	{ 0, "reason", "TEXT", "why, for the record", OPT_TEXT(&opt.reason) },
	{ 0, "archive", NULL, "delete its archive too",
		OPT_FLAG(&opt.archive) },
	{ 0, "everywhere", NULL, "at other places as well, and what only it "
		"had goes now", OPT_FLAG(&opt.everywhere) },
	{ 0, "yes", NULL, "do not ask; the medium is named by its whole hash",
		OPT_FLAG(&opt.yes) },
	{ 0, "force", NULL, "though some of its blobs are not good",
		OPT_FLAG(&opt.force) },
	{ 0, "dry-run", NULL, "say what would be removed, change nothing",
		OPT_FLAG(&opt.dry_run) },
	OPT_END
};

static const struct prog prog = {
	"ntt-remove",
	"[options] MEDIUM\n[options] --content BLOB",
	"Remove a medium from the collection, after asking"
};

static void
open_catalogue(void)
{
	const struct invoker *who = config_invoker();

	db = db_need();
	removed_by = who->name ? xstrdup(who->name) :
	    xasprintf("%u", who->uid);
}

static void
find_medium(void)
{
	medium_named(db, opt.medium, &m);
	if (opt.yes && strcmp(opt.medium, m.hash))
		die(EXIT_USAGE, "--yes needs the whole hash, %s", m.hash);
}

/* Its rows are gone already, for a run that was killed: 1, and m.hash. */
static int
find_removed(void)
{
	PGresult *res = db_query(db, sql_remove_removed, opt.medium);
	int found;

	if (!res)
		db_die("could not look for %s", quoted(opt.medium));
	found = PQntuples(res) == 1;
	if (found && !m.hash)
		m.hash = xstrdup(opt.medium);
	PQclear(res);
	return found;
}

static void
copy_number(char to[24], const PGresult *res, int col)
{
	snprintf(to, 24, "%s", db_text(res, 0, col));
}

static void
count(void)
{
	char *sql;
	PGresult *res;
	int loaded = medium_loaded(db, m.hash);

	if (loaded < 0)
		db_die("could not look at %s", m.hash);
	if (!loaded)
		return;
	sql = sql_for(sql_remove_sums, m.hash);
	res = db_query(db, sql);
	if (!res)
		db_die("could not count what %s has", m.hash);
	copy_number(inodes, res, 0);
	copy_number(paths, res, 1);
	copy_number(only, res, 2);
	copy_number(only_bytes, res, 3);
	not_good = (uint64_t)db_int(res, 0, 4);
	PQclear(res);
	free(sql);
}

static void
show_only_there(void)
{
	char *sql = sql_for(sql_remove_only_there, m.hash);
	PGresult *res = db_query(db, sql);
	int row;

	free(sql);
	if (!res)
		db_die("could not list what only %s has", m.hash);
	for (row = 0; row < PQntuples(res); row++) {
		struct buf path = BUF_INIT;

		if (db_bytea_value(res, row, 0, &path) == 0)
			printf("\t%s %s\n",
			    quoted_bytes(path.data, path.len),
			    num_bytes((uint64_t)db_int(res, row, 1)));
		buf_free(&path);
	}
	PQclear(res);
}

static void
show(void)
{
	uint64_t n = strtoull(only, NULL, 10);

	printf("%s %s\n", m.hash, quoted(medium_shown(&m)));
	if (m.message)
		printf("\t%s\n", quoted(m.message));
	printf("%s inodes, %s paths\n",
	    num_grouped(strtoull(inodes, NULL, 10)),
	    num_grouped(strtoull(paths, NULL, 10)));
	if (n == 0) {
		puts("every content of it is on another medium too");
	} else {
		printf("%s contents, %s, are on no other medium%s\n",
		    num_grouped(n),
		    num_bytes(strtoull(only_bytes, NULL, 10)),
		    n > 10 ? "; the largest:" : ":");
		show_only_there();
	}
	if (m.archive_path)
		printf("the archive %s %s\n", quoted(m.archive_path),
		    opt.archive ? "goes too" : "stays");
	fflush(stdout);
}

static void
confirm(void)
{
	char answer[80] = "";

	if (not_good && !opt.force)
		die(EXIT_REFUSED, "%s blobs of it are not good, and its tree "
		    "may have the right bytes: \"ntt-heal -m %s\" first, or "
		    "--force", num_grouped(not_good), m.hash);
	if (opt.yes)
		return;
	fprintf(stderr, "Type the first 8 characters of its hash to remove "
	    "it: ");
	if (!fgets(answer, sizeof answer, stdin) ||
	    strcspn(answer, "\n") != 8 || strncmp(answer, m.hash, 8))
		die(EXIT_REFUSED, "not confirmed, nothing changed");
}

/* Nobody loads, copies, reads or mounts it from now on. */
static void
lock_medium(void)
{
	struct buf who = BUF_INIT;
	struct mounted mounts;
	PGresult *res;
	int workers;

	if (use_lock(m.hash, LOCK_EXCLUSIVE) < 0) {
		if (errno != EWOULDBLOCK)
			die_errno("could not lock %s: %m", m.hash);
		use_lock_holders(m.hash, &who);
		die(EXIT_AGAIN, "%s is in use by %s", m.hash, who.data);
	}
	res = db_query(db, sql_remove_lock, m.hash);
	if (!res)
		db_die("could not lock %s", m.hash);
	if (!db_bool(res, 0, 0))
		die(EXIT_AGAIN, "a loader is at work on %s", m.hash);
	PQclear(res);
	workers = queue_workers(db, m.hash);
	if (workers < 0)
		db_die("could not look for copiers");
	if (workers > 0)
		die(EXIT_AGAIN, "%d copiers are at work on %s: stop them "
		    "first (ntt-stop-workers), or wait", workers, m.hash);
	if (!medium_has_image(&m))
		return;
	if (mounted_call(&mounts, "status", m.hash, NULL, 0) == 0 &&
	    mounted_count(&mounts) > 0)
		die(EXIT_AGAIN, "%s is mounted: \"ntt-mount-helper unmount "
		    "%s\" first", m.hash, m.hash);
	mounted_free(&mounts);
}

/* ---- --everywhere ---- */

/* The places first: as long as the rows are there it is done again. */
static void
remove_copies(void)
{
	char *sql = medium_loaded(db, m.hash) == 1 ?
	    sql_for(sql_remove_alone, m.hash) : NULL;
	PGresult *res = sql ? db_query(db, sql) : NULL;
	int row;

	if (sql && !res)
		db_die("could not list what only %s has", m.hash);
	copies = (struct places_removal){ .db = db, .medium = m.hash,
		.count = sql ? (size_t)PQntuples(res) : 0,
		.archive = opt.archive };
	copies.ids = xcalloc(copies.count + 1, sizeof *copies.ids);
	for (row = 0; row < (int)copies.count; row++)
		snprintf(copies.ids[row], sizeof *copies.ids, "%s",
		    db_text(res, row, 0));
	PQclear(res);
	free(sql);
	places_lock(db, &places);
	status = places_remove(&copies, &places);
}

/* What remove_rows() marked: into the trash. */
static void
reclaim_now(void)
{
	/* older than all but those of 1970 */
	char *argv[] = { (char *)"ntt-reclaim", (char *)"--quiet",
		(char *)"--days", (char *)"20000", NULL };

	if (run(argv, NULL) != 0)
		die(EXIT_FAILED, "ntt-reclaim failed: the contents that only "
		    "%s had are in the store", m.hash);
}

/* The lists of what it had. */
static void
remove_lists(void)
{
	unsigned int number = 1;
	char *raw = medium_raw(m.hash), *file;
	int rc;

	if (unlink(raw) < 0 && errno != ENOENT)
		die_errno("could not delete %s: %m", quoted(raw));
	free(raw);
	do {
		file = medium_catalogue(m.hash, number++);
		rc = unlink(file);
		if (rc < 0 && errno != ENOENT)
			die_errno("could not delete %s: %m", quoted(file));
		if (rc == 0)
			fsync_parent(file);
		free(file);
	} while (rc == 0 || number == 2);
}

static int
do_for(const char *statement)
{
	char *sql = sql_for(statement, m.hash);
	int rc = db_do(db, sql);

	free(sql);
	return rc;
}

static int
mark_alone(void)
{
	char *ids = places_ids(&copies);
	int rc = copies.count ? db_do(db, sql_remove_now, ids) : 0;

	free(ids);
	return rc;
}

static void
remove_rows(void)
{
	char *source = db_path(m.source_path);
	char *archive = opt.archive ? NULL : db_path(m.archive_path);
	const char *params[] = { m.hash, m.human, source, removed_by,
		opt.reason, inodes, paths, only, only_bytes, archive };
	PGresult *res = NULL;
	int loaded = medium_loaded(db, m.hash), ok;

	ok = loaded >= 0 && db_begin(db) == 0;
	if (ok)
		res = db_query_n(db, sql_remove_note, 10, params);
	ok = ok && res &&
	    (!loaded || do_for(sql_remove_count_down) == 0) &&
	    db_do(db, "SELECT catalogue_drop_partitions($1)", m.hash) == 0 &&
	    db_do(db, sql_remove_unlink, m.hash) == 0 &&
	    mark_alone() == 0 &&
	    db_do(db, sql_remove_minutes, m.hash) == 0 &&
	    db_do(db, sql_remove_medium, m.hash) == 0 && db_commit(db) == 0;
	if (!ok)
		db_die("could not remove the rows of %s", m.hash);
	PQclear(res);
	free(source);
	free(archive);
}

/* Beside, so that nobody takes what is left of it for the tree. */
static void
remove_tree(void)
{
	char *tree, *gone;
	char *argv[] = { (char *)"rm", (char *)"-rf", (char *)"--", NULL,
		NULL };

	if (!*config_get(CONFIG_ARCHIVED_ROOT))
		return;
	tree = medium_tree(m.hash);
	gone = xasprintf("%s/.removed-%s", config_get(CONFIG_ARCHIVED_ROOT),
	    m.hash);
	argv[3] = gone;
	if (rename(tree, gone) < 0 && errno != ENOENT)
		die_errno("could not move away the tree %s: %m",
		    quoted(tree));
	if (access(gone, F_OK) == 0 && run(argv, NULL) != 0)
		die(EXIT_FAILED, "could not remove %s", quoted(gone));
	free(tree);
	free(gone);
}

static void
remove_archive(void)
{
	if (!opt.archive || !m.archive_path)
		return;
	if (unlink(m.archive_path) < 0 && errno != ENOENT)
		die_errno("could not delete the archive %s: %m",
		    quoted(m.archive_path));
	fsync_parent(m.archive_path);
}

/* Lines that are there stay, also of a catalogue that was lost. */
static void
write_list(void)
{
	char *path = path_join(config_get(CONFIG_ARCHIVE_ROOT),
	    "removed.jsonl");
	int fd = open(path, O_RDONLY | O_CLOEXEC), row, rc = 0;
	int missing = fd < 0 && errno == ENOENT;
	PGresult *res;
	struct buf text = BUF_INIT;
	struct tempfile t = { .fd = -1 };
	char piece[65536];
	ssize_t n = 0;

	while (fd >= 0 && (n = read(fd, piece, sizeof piece)) > 0)
		buf_put(&text, piece, (size_t)n);
	if (n < 0 || (fd < 0 && !missing))
		die_errno("could not read %s: %m", quoted(path));
	res = db_query(db, sql_remove_lines);
	if (!res)
		db_die("could not list what was removed");
	for (row = 0; row < PQntuples(res); row++) {
		char *line = xasprintf("%s\n", db_text(res, row, 0));

		if (!text.data || !strstr(text.data, line))
			buf_puts(&text, line);
		free(line);
	}
	if (text.len > 0)
		rc = tempfile_open(&t, path) < 0 ||
		    write_all(t.fd, text.data, text.len) < 0 ||
		    tempfile_commit(&t) < 0;
	if (rc)
		die_errno("could not write %s: %m", quoted(path));
	PQclear(res);
	buf_free(&text);
	free(path);
}

static void
need_stores(void)
{
	if (privilege_drop(NULL) < 0)
		die_errno("could not give up root rights: %m");
	store_mark_need(db, CONFIG_ARCHIVE_ROOT, 1);
	if (!*config_get(CONFIG_ARCHIVED_ROOT))
		return;
	store_mark_need(db, CONFIG_ARCHIVED_ROOT, 1);
	store_mark_need_owner(CONFIG_ARCHIVED_ROOT);
}

/* Nothing is asked: whoever removed its rows was. */
static void
finish_removal(void)
{
	printf("%s was removed already; what is left of it goes\n", m.hash);
	fflush(stdout);
	need_stores();
	lock_medium();
	/* it was taken in again before it was locked */
	if (!find_removed())
		die(EXIT_AGAIN, "%s is in the catalogue again", m.hash);
	write_list();
	remove_tree();
	m.archive_path = medium_archive(m.hash);
	remove_archive();
	if (opt.everywhere) {
		remove_copies();
		remove_lists();
		reclaim_now();
	}
	say("%s is removed", m.hash);
}

static int
remove_content(void)
{
	const struct content_removal r = { .db = db, .id = opt.content,
		.reason = opt.reason, .by = removed_by, .yes = opt.yes,
		.dry_run = opt.dry_run };

	if (!opt.dry_run) {
		need_stores();
		store_mark_need(db, CONFIG_BYHASH_ROOT, 0);
		store_mark_need_owner(CONFIG_BYHASH_ROOT);
	}
	status = content_remove(&r);
	if (!opt.dry_run)
		write_list();
	PQfinish(db);
	return status;
}

static void
parse_options(int argc, char **argv)
{
	uint8_t id[STORE_ID / 2];

	prog_start(&prog, argc, argv);
	prog_options(options);
	opt.medium = opt.content ? prog_medium(0, 0) : prog_need_medium(0, 0);
	prog_operands(0, 0);
	if (opt.content && (opt.medium || opt.archive || opt.force))
		die_usage("--content goes with no medium, --archive or "
		    "--force; it always is --everywhere");
	if (opt.content && (hex_decode(id, opt.content, sizeof id) < 0 ||
	    !strcmp(opt.content, store_empty_id)))
		die_usage("%s is not the id of a blob that can go",
		    quoted(opt.content));
	prog_config();
}

int
main(int argc, char **argv)
{
	parse_options(argc, argv);
	open_catalogue();
	if (opt.content)
		return remove_content();
	if (!opt.dry_run && find_removed()) {
		finish_removal();
		medium_free(&m);
		free(removed_by);
		PQfinish(db);
		return status;
	}
	find_medium();
	count();
	show();
	if (opt.dry_run)
		return EXIT_DONE;
	need_stores();
	confirm();
	lock_medium();
	if (opt.everywhere)
		remove_copies();
	remove_rows();
	write_list();
	remove_tree();
	remove_archive();
	if (opt.everywhere) {
		remove_lists();
		reclaim_now();
		say("%s is removed; what only it had is in the trash of the "
		    "store, and \"ntt-reclaim --empty\" deletes it", m.hash);
	} else {
		say("%s is removed; \"ntt-reclaim\" takes back the room of "
		    "what only it had", m.hash);
	}
	medium_free(&m);
	free(removed_by);
	PQfinish(db);
	return status;
}
