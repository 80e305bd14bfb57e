/*
 * ntt-rebuild: makes a lost catalogue again from the files on the disk.
 *
 * Each medium is made in one transaction from its best source: its catalogue
 * file, the catalogue file in its archive, or its tree.  Then the blobs get
 * their rows, and the catalogue gets the id that is in the marks of the stores.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archive/archive_manifest.h"
#include "archive/archive_read.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/cluster.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/migrate.h"
#include "catalogue/store_mark.h"
#include "keep/depot.h"
#include "sql/statements.h"
#include "store/store.h"
#include "blobs.h"
#include "bring.h"
#include "file.h"
#include "found.h"
#include "rehearse.h"
#include "tree.h"

static int add, rehearsal;
static const char *from, *key;
static PGconn *db;
static int status = EXIT_DONE;	/* EXIT_PARTIAL: something is not known */
static uint64_t made, known;

static const struct prog_option options[] = {
	{ 0, "add", NULL, "into a catalogue that has media: those it lacks",
		OPT_FLAG(&add) },
	{ 0, "from", "DIR",
		"copy what is lost from this place first; or rclone:…",
		OPT_TEXT(&from) },
	{ 0, "rehearse", NULL, "into a database that is compared and dropped",
		OPT_FLAG(&rehearsal) },
	{ 0, "key", "FILE", "with --from: the key of a remote place",
		OPT_TEXT(&key) },
	OPT_END
};

static const struct prog prog = {
	"ntt-rebuild", "[options]",
	"Make a catalogue again that was lost, from archives and trees"
};

/* Something of the collection is not known any more. */
static void __attribute__((format(printf, 1, 2)))
lack(const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	warn("%s", text.data);
	buf_free(&text);
	status = EXIT_PARTIAL;
}

static void
stop_if_caught(void)
{
	if (sig_caught())
		die(EXIT_SIGNAL + sig_caught(), "interrupted; run it again, "
		    "and it goes on");
}

/* ---- the catalogue ---- */

static void
need_cluster(void)
{
	char *argv[] = { (char *)"ntt-db", (char *)"init",
		(char *)"--rebuild", (char *)"-q", NULL };
	int rc;

	if (!config_private_cluster() || cluster_state() != CLUSTER_NONE)
		return;
	rc = run(argv, NULL);
	if (rc != EXIT_DONE && rc != EXIT_REFUSED)
		die(rc, "could not make a new catalogue");
}

static void
open_catalogue(void)
{
	PGconn *first;
	int version;

	need_cluster();
	first = db_connect(1);
	if (!first)
		db_die("could not connect to the database");
	version = migrate_version(first);
	if (version < 0 || (version == 0 && migrate_up(first) < 0))
		db_die("could not make a new catalogue");
	PQfinish(first);
	db = db_need();
}

static PGresult *
ask(const char *sql, const char *a, const char *b)
{
	const char *params[] = { a, b };
	PGresult *res = db_query_n(db, sql, b ? 2 : a ? 1 : 0, params);

	if (!res)
		db_die("could not rebuild the catalogue");
	return res;
}

static void
lock(void)
{
	PGresult *res = ask(sql_rebuild_lock, NULL, NULL);

	if (!db_bool(res, 0, 0))
		die(EXIT_AGAIN, "another ntt-rebuild is at work");
	PQclear(res);
}

/* Whether the catalogue was ever finished. */
static int
refuse_full(void)
{
	PGresult *res = ask(sql_rebuild_state, NULL, NULL);
	int media = db_bool(res, 0, 0), finished = db_bool(res, 0, 1);

	PQclear(res);
	if (media && finished && !add)
		die(EXIT_REFUSED, "the catalogue has media: --add takes in "
		    "those that it lacks");
	return finished;
}

/* Ours, and all roots have a mark: 1; some have none: 0. */
static int
adopt(void)
{
	char id[STORE_MARK_ID + 1], *why;
	int private, all, marked, finished;
	PGresult *res;

	marked = store_mark_whose(id, &private, &all, &why);
	if (marked < 0)
		die(EXIT_FAILED, "cannot rebuild a catalogue: %s", why);
	finished = refuse_full();
	if (!marked)
		return 0;
	res = ask("SELECT id FROM catalogue", NULL, NULL);
	if (finished && strcmp(db_text(res, 0, 0), id))
		die(EXIT_FAILED, "the stores belong to catalogue %s, and this "
		    "is %s: \"ntt-db adopt\" if both are right", id,
		    db_text(res, 0, 0));
	PQclear(res);
	if (!finished)
		PQclear(ask(sql_rebuild_adopt, id, private ? "t" : "f"));
	return all;
}

/* ---- what was removed ---- */

static void
read_removed(const char *path)
{
	char *line = NULL;
	FILE *f = fopen(path, "re");
	size_t size = 0;
	ssize_t len;

	if (!f && errno != ENOENT)
		die_errno("could not open %s: %m", quoted(path));
	while (f && (len = getline(&line, &size, f)) > 0) {
		line[len - (line[len - 1] == '\n')] = '\0';
		if (db_do(db, sql_rebuild_removal, line) == 0)
			continue;
		if (db_status() == EXIT_AGAIN)
			db_die("could not read %s", quoted(path));
		lack("a line of %s says nothing: %s", quoted(path),
		    db_error());
	}
	if (f && ferror(f))
		die_errno("could not read %s: %m", quoted(path));
	if (f)
		fclose(f);
	free(line);
}

/* Here, and at the place: each may know what the other does not. */
static void
read_all_removed(void)
{
	char *path = path_join(config_get(CONFIG_ARCHIVE_ROOT),
	    "removed.jsonl");

	read_removed(path);
	free(path);
	if (!from)
		return;
	path = bring_removed(from);
	if (path)
		read_removed(path);
	bring_removed_done(path);
}

/* Since the first line of its file was written, NULL: ever. */
static int
was_removed(const char *medium, const char *line)
{
	const char *params[] = { medium, line };
	PGresult *res = db_query_n(db, sql_rebuild_removed, 2, params);
	int removed;

	/* a line that is no JSON says nothing, and its file is refused */
	if (!res && line && db_status() != EXIT_AGAIN)
		return 0;
	if (!res)
		db_die("could not ask whether %s was removed", medium);
	removed = PQntuples(res) > 0;
	if (removed && !rehearsal)
		printf("%s: was removed %s, and is not made again\n", medium,
		    db_text(res, 0, 0));
	PQclear(res);
	return removed;
}

/* ---- a medium ---- */

enum outcome { MADE, REMOVED, UNUSABLE };

static void
begin(void)
{
	if (db_begin(db) < 0)
		db_die("could not begin");
}

/* What failed for the server's sake fails for every medium. */
static void
roll_back(void)
{
	if (PQstatus(db) != CONNECTION_OK)
		db_die("lost the catalogue");
	db_rollback(db);
}

static void
commit(const char *medium)
{
	if (db_commit(db) < 0)
		db_die("could not record %s", medium);
}

static const char *
inodes_text(uint64_t n)
{
	static char text[64];

	snprintf(text, sizeof text, "%s inode%s", num_grouped(n),
	    n == 1 ? "" : "s");
	return text;
}

/*
 * The archive is where archives are, whatever the row says.  created: when
 * it was made, where the row is older than the archive.
 */
static void
set_archive(const struct found *m, const char *created)
{
	PGresult *res = ask(sql_rebuild_archive, m->hash, NULL);
	char *said = PQntuples(res) ? db_path_value(res, 0, 0) : NULL;
	char *path = medium_archive(m->hash), *text = db_path(path);
	const char *params[] = { m->hash, text, created };
	PGresult *updated = res;

	if (m->archive && (created || (said && access(said, F_OK) < 0)))
		updated = db_query_n(db, sql_rebuild_set_archive, 3, params);
	else if (said && access(said, F_OK) < 0)
		lack("the archive %s of %s is not there", quoted(said),
		    m->hash);
	if (!updated)
		db_die("could not record the archive of %s", m->hash);
	if (updated != res)
		PQclear(updated);
	PQclear(res);
	free(said);
	free(path);
	free(text);
}

/*
 * fd is a catalogue file, called name; created: see set_archive().  *why, which the
 * caller frees, is what is wrong with an unusable one.
 */
static enum outcome
from_file(const struct found *m, int fd, const char *name,
    const char *created, char **why)
{
	struct buf line = BUF_INIT;
	enum outcome outcome = UNUSABLE;
	uint64_t inodes;

	*why = NULL;
	if (file_first_line(fd, &line, why) < 0)
		goto out;
	if (was_removed(m->hash, line.data)) {
		outcome = REMOVED;
		goto out;
	}
	begin();
	if (file_take(db, m->hash, fd, &inodes, why) < 0) {
		roll_back();
		goto out;
	}
	set_archive(m, created);
	PQclear(ask(sql_rebuild_note_links, m->hash, line.data));
	commit(m->hash);
	if (!rehearsal)
		printf("%s: %s, from %s\n", m->hash, inodes_text(inodes),
		    name);
	outcome = MADE;
out:
	stop_if_caught();
	buf_free(&line);
	return outcome;
}

/* One of ARCHIVE_ROOT; first: is there another one? */
static enum outcome
from_path(const struct found *m, const char *path, const char *name,
    int first)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum outcome outcome = UNUSABLE;
	char *why = NULL, *kept;

	if (fd >= 0) {
		outcome = from_file(m, fd, name, NULL, &why);
		close(fd);
	} else if (errno != ENOENT || first) {
		why = xstrdup(strerror(errno));
	}
	if (outcome == UNUSABLE && why && from &&
	    bring_again(from, path, &kept)) {
		say("%s cannot be used for %s: %s; it is %s now, and that of "
		    "the place has its name", name, m->hash, why, quoted(kept));
		free(kept);
		free(why);
		why = NULL;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			die_errno("could not open %s: %m", name);
		outcome = from_file(m, fd, name, NULL, &why);
		close(fd);
	}
	if (why)
		lack("%s cannot be used for %s: %s", name, m->hash, why);
	free(why);
	return outcome;
}

/* The newest that can be read. */
static enum outcome
from_files(const struct found *m)
{
	enum outcome outcome = UNUSABLE;
	unsigned int number;

	for (number = m->newest; outcome == UNUSABLE && number > 0; number--) {
		char *path = medium_catalogue(m->hash, number);
		char *name = xstrdup(quoted(path));

		outcome = from_path(m, path, name, number == m->newest);
		if (outcome == MADE && number < m->newest)
			lack("what was found out about %s later than that is "
			    "not known any more", m->hash);
		free(name);
		free(path);
	}
	return outcome;
}

static int
put_fd(void *arg, const void *bytes, size_t len)
{
	return write_all(*(int *)arg, bytes, len);
}

/* A file without a name. */
static int
temporary(void)
{
	FILE *f = tmpfile();
	int fd = f ? fcntl(fileno(f), F_DUPFD_CLOEXEC, 0) : -1;

	if (f)
		fclose(f);
	return fd;
}

/* The member of an archive, which is older than the archive. */
static enum outcome
from_archive(const struct found *m)
{
	char *path = medium_archive(m->hash), *why = NULL, *name;
	char *member = xasprintf("%s" CATALOGUE_FILE_SUFFIX, m->hash);
	int fd = open(path, O_RDONLY | O_CLOEXEC), out = temporary();
	struct archive_manifest manifest = ARCHIVE_MANIFEST_INIT;
	enum outcome outcome = UNUSABLE;
	char created[32] = "";
	struct stat st;
	struct tm tm;

	name = xasprintf("the archive %s", quoted(path));
	if (fd >= 0 && fstat(fd, &st) == 0 && gmtime_r(&st.st_mtime, &tm))
		strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (fd < 0 || out < 0 || !*created) {
		lack("could not open %s: %s", quoted(path), strerror(errno));
	} else if (archive_read_manifest(fd, &manifest, &why) < 0) {
		lack("%s cannot be used: %s", name, why);
	} else if (!archive_manifest_find(&manifest, member)) {
		lack("%s is older than catalogue files and has none", name);
	} else if (archive_extract(fd, member, 0, UINT64_MAX, put_fd, &out,
	    &why) < 0) {
		lack("%s cannot be used: %s", name, why);
	} else {
		outcome = from_file(m, out, name, created, &why);
		if (why)
			lack("%s cannot be used for %s: %s", name, m->hash, why);
	}
	if (outcome == MADE)
		lack("what was found out about %s after it was archived is "
		    "not known any more", m->hash);
	if (fd >= 0)
		close(fd);
	if (out >= 0)
		close(out);
	archive_manifest_free(&manifest);
	free(why);
	free(name);
	free(member);
	free(path);
	return outcome;
}

static enum outcome
from_tree(const struct found *m)
{
	uint64_t names;
	char *why;

	begin();
	if (tree_take(db, m->hash, &names, &why) < 0) {
		roll_back();
		stop_if_caught();
		lack("the tree of %s cannot be used: %s", m->hash, why);
		free(why);
		return UNUSABLE;
	}
	commit(m->hash);
	if (!rehearsal)
		printf("%s: %s names, from its tree\n", m->hash,
		    num_grouped(names));
	lack("of %s only names and contents are known: not where it came "
	    "from, modes, owners, times, attributes, hard links, what failed "
	    "or was left out", m->hash);
	return MADE;
}

/* A run that was interrupted made it, or nobody lost it: its links remain. */
static void
note_links(const struct found *m)
{
	char *path = medium_catalogue(m->hash, m->newest), *why = NULL;
	int fd = m->newest ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct buf line = BUF_INIT;

	if (fd >= 0 && file_first_line(fd, &line, &why) == 0 &&
	    db_do(db, sql_rebuild_note_links, m->hash, line.data) < 0)
		why = xstrdup(db_error());
	if (why)
		lack("%s cannot be read: %s", quoted(path), why);
	if (fd >= 0)
		close(fd);
	free(why);
	free(path);
	buf_free(&line);
}

static void
make(const struct found *m)
{
	struct medium there;
	int found = medium_get(db, m->hash, &there);
	enum outcome outcome = UNUSABLE;

	if (found < 0)
		db_die("could not look up %s", m->hash);
	if (found) {
		medium_free(&there);
		note_links(m);
		known++;
		return;
	}
	if (m->newest)
		outcome = from_files(m);
	if (outcome == UNUSABLE && m->archive)
		outcome = from_archive(m);
	if (outcome == UNUSABLE && was_removed(m->hash, NULL))
		outcome = REMOVED;
	if (outcome == UNUSABLE && m->tree)
		outcome = from_tree(m);
	if (outcome == UNUSABLE)
		lack("%s is not made again: there is neither a catalogue file "
		    "nor a tree that can be used", m->hash);
	made += outcome == MADE;
	fflush(stdout);
}

static void
link_media(void)
{
	PGresult *res;
	int i;

	PQclear(ask(sql_rebuild_links, NULL, NULL));
	res = ask(sql_rebuild_unlinked, NULL, NULL);
	for (i = 0; i < PQntuples(res); i++)
		lack("%s belongs to %s, which is not there",
		    db_text(res, i, 0), db_text(res, i, 1));
	PQclear(res);
}

/* ---- blobs ---- */

static uint64_t
list_blobs(void)
{
	uint64_t count;
	char *path;

	if (blobs_list(db, config_get(CONFIG_BYHASH_ROOT), &count,
	    &path) == 0)
		return count;
	stop_if_caught();
	if (errno)
		die_errno("could not read %s: %m", quoted(path));
	db_die("could not list the store");
}

static void
make_blobs(void)
{
	enum { SHOWN = 20 };
	int tree = *config_get(CONFIG_ARCHIVED_ROOT) != '\0', i;
	PGresult *res = ask("SELECT FROM removal WHERE blobid IS NOT NULL",
	    NULL, NULL);

	if (PQntuples(res) > 0 &&
	    db_script(db, sql_rebuild_removed_contents) < 0)
		db_die("could not exclude contents that were removed");
	PQclear(res);
	PQclear(ask(sql_rebuild_blobs, tree ? "t" : "f", NULL));
	res = ask(sql_rebuild_missing, NULL, NULL);
	for (i = 0; i < PQntuples(res) && i < SHOWN; i++)
		lack("blob %s is not in the store", db_text(res, i, 0));
	if (i < PQntuples(res))
		lack("and %d more", PQntuples(res) - i);
	PQclear(res);
}

/*
 * A file that was cut off would pass for the blob, with its own size, and
 * nothing of the right size would heal it: those alone are read.
 */
static void
check_sizes(void)
{
	PGresult *res = ask(sql_rebuild_other_size, NULL, NULL);
	struct store store = { .temporaries = -1 };
	enum store_state state;
	int i, err;

	store.root = open(config_get(CONFIG_BYHASH_ROOT), O_RDONLY |
	    O_DIRECTORY | O_CLOEXEC);
	for (i = 0; i < PQntuples(res); i++) {
		const char *id = db_text(res, i, 0);

		stop_if_caught();
		state = store_check(&store, id, &err);
		if (state == STORE_GOOD)
			continue;
		lack("blob %s in the store is %s", id,
		    store_state_name(state));
		if (db_do(db, sql_rebuild_not_good, id,
		    store_state_name(state), db_text(res, i, 1)) < 0)
			db_die("could not mark a blob");
	}
	PQclear(res);
	if (store.root >= 0)
		close(store.root);
}

static void
mark_stores(int all)
{
	char *why;

	if (!all && store_mark_adopt(db, &why) < 0) {
		lack("the stores were not marked: %s", why);
		free(why);
	}
	store_mark_record(db);
}

static void
find(struct found_list *found)
{
	const char *root;

	if (found_scan(found, &root) < 0)
		die_errno("could not read %s: %m", quoted(root));
	if (found->count == 0 && !store_mark_orphan() && !from)
		die(EXIT_FAILED, "there is nothing to make a catalogue of in "
		    "%s and %s", quoted(config_get(CONFIG_ARCHIVE_ROOT)),
		    quoted(config_get(CONFIG_BYHASH_ROOT)));
}

static void
bad_copy(const char *id)
{
	lack("blob %s of the place is not what its name says, and was not "
	    "copied", id);
}

static void
not_copied(const char *why)
{
	lack("%s", why);
}

/* What catalogue files do not have, a dump may. */
static void
show_dump(void)
{
	char *dump = bring_dump(from);

	if (dump)
		warn("the newest dump of the catalogue there is %s, which may "
		    "know more: \"ntt-db restore\" takes it into an empty "
		    "catalogue", quoted(dump));
	free(dump);
}

/* Everything that is found; how many blobs the store has. */
static uint64_t
make_all(const struct found_list *found)
{
	uint64_t blobs;
	size_t i;

	if (db_script(db, sql_rebuild_begin) < 0)
		db_die("could not begin");
	read_all_removed();
	if (from)
		bring_blobs(db, from, bad_copy, not_copied);
	blobs = list_blobs();
	for (i = 0; i < found->count; i++) {
		stop_if_caught();
		make(&found->media[i]);
	}
	link_media();
	make_blobs();
	check_sizes();
	return blobs;
}

/* In the database of a rehearsal: no file is written. */
static int
make_rehearsal(void)
{
	struct found_list found;

	from = NULL;
	find(&found);
	open_catalogue();
	lock();
	adopt();
	make_all(&found);
	found_free(&found);
	PQfinish(db);
	return status;
}

static void
parse_options(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(0, 0);
	if (key && !from)
		die_usage("--key goes with --from");
	if (rehearsal && add)
		die_usage("--rehearse and --add exclude each other");
	if (rehearsal && from && !strncmp(from, DEPOT_REMOTE,
	    sizeof DEPOT_REMOTE - 1))
		die_usage("--rehearse reads places that are directories; "
		    "\"ntt-mirror --check\" reads a remote one");
	prog_config();
}

int
main(int argc, char **argv)
{
	struct found_list found;
	uint64_t blobs;
	int all;

	parse_options(argc, argv);
	sig_catch();
	if (rehearsal)
		return rehearse(from, make_rehearsal);
	if (from)
		bring_look(from, key);
	else
		find(&found);
	open_catalogue();
	lock();
	if (from) {
		refuse_full();
		bring_files(from, not_copied);
		find(&found);
	}
	all = adopt();
	blobs = make_all(&found);
	mark_stores(all);
	if (from)
		bring_add(db, from, not_copied);
	if (from && status != EXIT_DONE)
		show_dump();
	found_free(&found);
	PQfinish(db);
	say("%s media made again%s%s, %s blobs in the store; \"ntt-verify "
	    "--all --sample-rate 1\" reads them", num_grouped(made),
	    known ? ", those there already stay as they are" : "",
	    status ? ", not everything is known" : "", num_grouped(blobs));
	return status;
}
