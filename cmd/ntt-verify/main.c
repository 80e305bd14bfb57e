/*
 * ntt-verify: reads what is stored and says whether it still is what it was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/id_list.h"
#include "archive/archive_read.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/rotating.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/store_mark.h"
#include "keep/heal.h"
#include "store/store.h"
#include "store/verify_finding.h"
#include "store/verify_link.h"
#include "store/verify_options.h"
#include "sql/statements.h"
#include "b3sum_list.h"
#include "empty_blob.h"
#include "orphans.h"
#include "pool.h"
#include "set.h"
#include "state.h"

enum { LOG_SECONDS = 10 };
static struct verify_options opt;
static PGconn *db;
static char *medium;		/* of -m, in full */
static int store = -1;
static struct verify_pool *pool;
static struct verify_set set;
static struct verify_tree tree = { .root = -1, .dir = -1 };
static char *scope;		/* of the state file, NULL: none */
static uint64_t verified, verified_bytes, links, findings[FINDING_KINDS];
static time_t logged;

static const struct prog prog = {
	"ntt-verify",
	verify_usage,
	"Read what is stored and compare it with what it was"
};

static uint64_t
all_findings(void)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < FINDING_KINDS; i++)
		sum += findings[i];
	return sum;
}

/* On standard output and in the log, as the same line. */
static void
tell(const struct verify_finding *f)
{
	struct buf event = BUF_INIT;

	findings[f->kind]++;
	progress_hide();
	log_begin(&event, LOG_FINDING);
	verify_finding_put(f, &event);
	printf("%s}\n", event.data);
	log_end(&event);
	buf_free(&event);
}

static void __attribute__((noreturn))
finish(int status)
{
	progress_stop();
	if (pool)
		verify_pool_close(pool);
	PQfinish(db);
	exit(status);
}

static void
check_interrupted(void)
{
	if (!sig_caught())
		return;
	progress_stop();
	say("interrupted; the same command goes on from here");
	finish(EXIT_SIGNAL + sig_caught());
}

static void __attribute__((noreturn))
database_failed(const char *what)
{
	progress_stop();
	warn("could not %s: %s", what, db_error());
	finish(db_status());
}

static void
open_store(void)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);

	store = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store < 0)
		die_errno("could not open the store %s: %m", quoted(root));
}

static void
open_catalogue(void)
{
	db = db_need();
	if (opt.medium) {
		medium = medium_named_hash(db, opt.medium);
		switch (medium_loaded(db, medium)) {
		case -1:
			db_die("could not look at %s", medium);
		case 0:
			if (!opt.archive)
				die(EXIT_FAILED, "medium %s is not loaded",
				    medium);
		}
	}
	log_open(config_get(CONFIG_LOG_DIR), "ntt-verify", medium);
}

static void
read_ids(struct buf *ids)
{
	struct id_list list;
	char id[STORE_ID + 1];
	int rc;

	if (id_list_open(&list, opt.from_file) < 0)
		die_errno("could not open %s: %m", quoted(opt.from_file));
	while ((rc = id_list_next(&list, id)) > 0)
		buf_printf(ids, "%s\n", id);
	if (rc < 0)
		id_list_die(&list, opt.from_file);
	id_list_close(&list);
}

static void
open_set(void)
{
	struct buf ids = BUF_INIT;
	int rc;

	if (opt.from_file) {
		read_ids(&ids);
		rc = verify_set_list(&set, db, ids.data, ids.len);
		buf_free(&ids);
	} else if (medium) {
		rc = verify_set_medium(&set, db, medium);
	} else {
		rc = verify_set_all(&set, db);
	}
	if (rc < 0)
		database_failed("find the blobs");
	set.days = opt.days;
}

/* Goes on with an interrupted run of the same question. */
static void
open_state(void)
{
	char *question, *now;

	if (opt.from_file)
		return;
	scope = xstrdup(medium ? medium : opt.days ? "due" : "all");
	question = xasprintf("%llu %llu %llu",
	    (unsigned long long)opt.sample_rate, (unsigned long long)opt.max,
	    (unsigned long long)opt.days);
	if (verify_state_begin(db, scope, question, &set.since) < 0) {
		if (errno == EWOULDBLOCK)
			die(EXIT_AGAIN, "this verification is under way "
			    "already");
		warn("could not lock in %s: %m; this run cannot be continued "
		    "later", quoted(config_get(CONFIG_RUN_DIR)));
		free(scope);
		scope = NULL;
	} else if (set.since) {
		say("going on with the run that was interrupted");
	} else {
		now = verify_now(db);
		if (!now)
			database_failed("ask for the time");
		if (verify_state_note(scope, question, now) < 0)
			warn("could not note the state: %m");
		free(now);
	}
	free(question);
}

static int
compare_places(const void *a, const void *b)
{
	const struct verify_item *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

/*
 * The next batch, in the order of inode numbers, which is that of creation
 * and nearly that of the disk.
 */
static size_t
fill(int slot)
{
	struct verify_item *items = verify_pool_items(pool, slot);
	char hex[STORE_ID + 1], path[STORE_PATH];
	struct verify_choice c;
	struct stat st;
	size_t n;
	int rc = 1;

	for (n = 0; n < VERIFY_BATCH; n++) {
		rc = verify_set_next(&set, &c);
		if (rc <= 0)
			break;
		memcpy(items[n].id, c.id, sizeof c.id);
		items[n].size = c.size;
		hex_encode(hex, c.id, sizeof c.id);
		store_path(path, hex);
		items[n].ino = fstatat(store, path, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
		if (!c.has_row) {
			struct verify_finding f =
			    FINDING_INIT(FINDING_ORPHAN);

			f.id = hex;
			f.detail = "inodes name it, but it has no row in blobs";
			tell(&f);
		}
	}
	if (rc < 0)
		die_errno("could not read the list of blobs: %m");
	qsort(items, n, sizeof *items, compare_places);
	return n;
}

/* A copier that meets the bytes again heals what is marked. */
static void
mark(const char *hex, enum store_state state, uint64_t ino)
{
	const struct store s = { .root = store, .temporaries = -1 };

	if (heal_mark(db, &s, hex, state, ino) < 0)
		database_failed("mark a blob");
}

static void
tell_item(const struct verify_item *item, const char *hex)
{
	static const enum store_state states[] = {
		[VERIFY_MISMATCH] = STORE_BAD,
		[VERIFY_MISSING] = STORE_MISSING,
		[VERIFY_UNREADABLE] = STORE_UNREADABLE,
	};
	static const enum verify_kind kinds[] = {
		[VERIFY_MISMATCH] = FINDING_MISMATCH,
		[VERIFY_MISSING] = FINDING_MISSING,
		[VERIFY_UNREADABLE] = FINDING_UNREADABLE,
	};
	struct verify_finding f = FINDING_INIT(kinds[item->outcome]);
	char actual[STORE_ID + 1], path[STORE_PATH];

	store_path(path, hex);
	f.id = hex;
	f.size = item->size;
	f.path = path;
	f.path_len = strlen(path);
	if (item->outcome == VERIFY_MISMATCH) {
		hex_encode(actual, item->got, sizeof item->got);
		f.actual = actual;
		f.actual_size = item->got_size;
	} else if (item->outcome == VERIFY_UNREADABLE) {
		f.err = item->err;
	}
	/* this machine's want of descriptors says nothing of a blob */
	if (exit_for_errno(f.err) == EXIT_AGAIN) {
		progress_stop();
		errno = f.err;
		warn("could not read the store: %m");
		finish(EXIT_AGAIN);
	}
	tell(&f);
	mark(hex, states[item->outcome], item->ino);
}

/*
 * Blobs that are right and marked: put right by hand, or by somebody who was
 * killed before all trees had the new file.
 */
static void
unmark(const PGresult *res)
{
	static int said;
	struct store s = { .root = store, .temporaries = -1,
		.private = store_mark_private(CONFIG_BYHASH_ROOT) };
	struct heal heal = { .db = db, .store = &s,
		.trees = config_get(CONFIG_ARCHIVED_ROOT) };
	int row;

	for (row = 0; row < PQntuples(res); row++) {
		struct heal_item item = { .temp = { .fd = -1 } };

		memcpy(item.id, db_text(res, row, 0), STORE_ID);
		item.size = (uint64_t)db_int(res, row, 1);
		switch (heal_blobs(&heal, &item, 1)) {
		case HEAL_NO_DATABASE:
			database_failed("unmark a blob");
		case HEAL_NO_STORE:
			if (!said++)
				warn("blob %s is right and stays marked: could "
				    "not link the trees to it: %m", item.id);
			break;
		case HEAL_DONE:
			break;
		}
	}
}

/*
 * Those found good are dated in one statement.  A finding is marked, and keeps
 * its age, so that it is looked at first the next time.
 */
static void
settle(int slot, size_t n)
{
	static char hex[VERIFY_BATCH][STORE_ID + 1];
	static const char *good[VERIFY_BATCH];
	const struct verify_item *items = verify_pool_items(pool, slot);
	PGresult *marked;
	size_t i, count = 0;

	for (i = 0; i < n; i++) {
		hex_encode(hex[i], items[i].id, sizeof items[i].id);
		if (items[i].outcome == VERIFY_GOOD) {
			good[count++] = hex[i];
			verified_bytes += items[i].got_size;
		}
	}
	for (i = 0; i < n; i++)
		if (items[i].outcome != VERIFY_GOOD)
			tell_item(&items[i], hex[i]);
	verified += n;
	if (verify_mark(db, good, count, &marked) < 0)
		database_failed("record what was checked");
	if (marked)
		unmark(marked);
	PQclear(marked);
}

static void
tell_link(const struct verify_link *l, const struct buf *path,
    enum verify_outcome outcome)
{
	struct verify_finding f = FINDING_INIT(outcome == VERIFY_MISSING ?
	    FINDING_MISSING : outcome == VERIFY_MISMATCH ?
	    FINDING_MISMATCH : FINDING_UNREADABLE);
	char hex[STORE_ID + 1];

	hex_encode(hex, l->id, sizeof l->id);
	f.id = hex;
	f.path = path->data;
	f.path_len = path->len;
	f.detail = outcome == VERIFY_MISSING ?
	    "the archived tree lacks this path" :
	    "the archived tree has something else there";
	tell(&f);
}

/* Some paths of the tree, while the pool is busy; 0 when there are no more. */
static int
check_links(unsigned int max)
{
	static struct buf path;
	static char *bytes;
	struct verify_link l;
	char hex[STORE_ID + 1];
	int rc = 1;

	if (tree.root < 0)
		return 0;
	if (!bytes)
		bytes = xmalloc(VERIFY_BUFFER);
	while (max-- > 0 && (rc = verify_set_next_link(&set, &l, &path)) > 0) {
		enum verify_outcome outcome;

		hex_encode(hex, l.id, sizeof l.id);
		outcome = verify_link_check(&tree, store, hex, path.data,
		    l.symlink, bytes);
		links++;
		/* without its blob a path cannot be right: said once */
		if (outcome != VERIFY_GOOD)
			tell_link(&l, &path, outcome);
	}
	if (rc < 0)
		die_errno("could not read the list of paths: %m");
	return rc;
}

static void
start(int slot, size_t n)
{
	if (n > 0 && verify_pool_start(pool, slot, n) < 0)
		die_errno("could not give work to a process: %m");
}

static void
await(int slot)
{
	if (verify_pool_wait(pool, slot, progress_set, sig_caught) == 0)
		return;
	check_interrupted();
	progress_stop();
	warn("a process that reads has died");
	finish(EXIT_FAILED);
}

static void
log_counts(enum log_event stage)
{
	struct buf event = BUF_INIT;
	int i;

	logged = time(NULL);
	log_begin(&event, stage);
	json_u64(&event, "blobs", set.blobs);
	json_u64(&event, "chosen", set.chosen);
	json_u64(&event, "chosen_bytes", set.chosen_bytes);
	json_u64(&event, "verified", verified);
	json_u64(&event, "bytes", verified_bytes);
	json_u64(&event, "links", links);
	for (i = 0; i < FINDING_KINDS; i++)
		json_u64(&event, verify_kind_name((enum verify_kind)i),
		    findings[i]);
	log_end(&event);
	buf_free(&event);
}

static void
verify_set_blobs(void)
{
	size_t n[VERIFY_SLOTS];
	int slot = 0;

	progress_start("verifying", NULL, PROGRESS_BYTES, set.chosen_bytes);
	n[0] = fill(0);
	start(0, n[0]);
	while (n[slot] > 0) {
		n[!slot] = fill(!slot);
		start(!slot, n[!slot]);
		check_links(2 * VERIFY_BATCH);
		await(slot);
		settle(slot, n[slot]);
		if (time(NULL) >= logged + LOG_SECONDS)
			log_counts(LOG_VERIFY_PROGRESS);
		slot = !slot;
	}
	while (check_links(VERIFY_BATCH) > 0)
		check_interrupted();
	progress_stop();
	check_interrupted();
}

static void
say_ages(void)
{
	struct verify_ages ages;

	if (verify_set_ages(&set, &ages) < 0)
		database_failed("ask how old the checks are");
	if (ages.never > 0)
		say("%s have never been checked", num_grouped(ages.never));
	else if (ages.oldest_days >= 0)
		say("the oldest check is %.1f days old", ages.oldest_days);
}

/* What a person can conclude from the run. */
static void
say_statement(void)
{
	uint64_t n = verified + set.done;

	say("%s of %s blobs verified, %s%s%s%s", num_grouped(n),
	    num_grouped(set.blobs), num_bytes(verified_bytes),
	    links ? ", " : "", links ? num_grouped(links) : "",
	    links ? " paths of the tree" : "");
	if (all_findings() > 0)
		say("%s mismatches, %s missing, %s unreadable, %s orphans",
		    num_grouped(findings[FINDING_MISMATCH]),
		    num_grouped(findings[FINDING_MISSING]),
		    num_grouped(findings[FINDING_UNREADABLE]),
		    num_grouped(findings[FINDING_ORPHAN]));
	else if (set.days && set.chosen == 0)
		say("nothing is due");
	else if (n >= set.blobs)
		say("every one of them is good");
	else if (n > 0)
		say("all of them are good: with 95 %% confidence at most "
		    "%.3g %% of the others are not", n < 3 ? 100.0 :
		    300.0 / (double)n);
	if (!opt.from_file)
		say_ages();
}

static int
worker_count(void)
{
	if (opt.workers)
		return (int)opt.workers;
	return is_rotating(config_get(CONFIG_BYHASH_ROOT)) == 1 ? 1 : 4;
}

static void
open_tree(void)
{
	const char *root = config_get(CONFIG_ARCHIVED_ROOT);
	int there;

	if (!medium)
		return;
	there = verify_tree_open(&tree, root, medium);
	if (there < 0)
		die_errno("could not open the tree of %s below %s: %m",
		    medium, quoted(root));
	if (!there && *root)
		say("there is no tree of %s below %s: its paths are not "
		    "checked", medium, quoted(root));
}

static void
verify_content(void)
{
	open_set();
	open_state();
	open_tree();
	/* a date of a check that a crash forgets is checked again */
	if (db_do(db, "SET synchronous_commit = off") < 0 ||
	    verify_set_choose(&set, opt.sample_rate, opt.max ? opt.max :
	    INT64_MAX, tree.root >= 0) < 0)
		database_failed("choose the blobs");
	log_counts(LOG_VERIFY_START);
	verify_set_blobs();
	/* a commit is waited for when it logs something, with those before */
	if (db_do(db, "SET synchronous_commit = on") < 0 ||
	    db_do(db, "SELECT pg_logical_emit_message(true, 'ntt', '')") < 0)
		database_failed("make the dates durable");
	log_counts(LOG_VERIFY_COMPLETE);
	if (scope)
		verify_state_end(scope);
	say_statement();
}

static void
check_orphans(void)
{
	struct verify_orphans o;

	if (verify_orphans(&o, db, store, tell, sig_caught) < 0) {
		check_interrupted();
		if (errno)
			die_errno("could not read the store %s: %m",
			    quoted(config_get(CONFIG_BYHASH_ROOT)));
		database_failed("compare the store with the catalogue");
	}
	say("%s files and %s rows compared: %s orphans, %s missing%s",
	    num_grouped(o.files), num_grouped(o.rows),
	    num_grouped(findings[FINDING_ORPHAN]),
	    num_grouped(findings[FINDING_MISSING]),
	    o.young ? "; files of copiers at work were left out" : "");
}

static uint64_t unused, unused_bytes;

/* No finding: it is right, and only takes room. */
static int
tell_unused(void *arg, const char *text, size_t len)
{
	char id[STORE_ID + 1], since[32];
	unsigned long long size;
	struct buf line = BUF_INIT;

	(void)arg;
	(void)len;
	if (sscanf(text, "%64s %llu %31s", id, &size, since) != 3)
		return 0;
	json_begin_object(&line, NULL);
	json_text(&line, "unused", id);
	json_u64(&line, "size", size);
	json_text(&line, "since", since);
	json_end_object(&line);
	puts(line.data);
	buf_free(&line);
	unused++;
	unused_bytes += size;
	return 0;
}

static void
list_unused(void)
{
	if (verify_copy_out(db, sql_verify_unused, tell_unused, NULL) < 0)
		database_failed("list the blobs that nothing uses");
	if (unused)
		say("%s blobs, %s, are used by no medium",
		    num_grouped(unused), num_bytes(unused_bytes));
}

static void
tell_archive(const char *hash, const char *path, enum verify_kind kind,
    int err, const char *detail)
{
	struct verify_finding f = FINDING_INIT(kind);

	log_medium(hash);
	f.path = path;
	f.path_len = strlen(path);
	f.detail = detail;
	f.err = err;
	tell(&f);
}

static void
verify_archive(const char *hash, const char *path)
{
	struct archive_manifest m;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	char *error = NULL;

	if (fd < 0) {
		tell_archive(hash, path, errno == ENOENT ? FINDING_MISSING :
		    FINDING_UNREADABLE, errno, "the archive is not there");
		return;
	}
	if (opt.uncached)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	progress_start("reading", NULL, PROGRESS_BYTES, 0);
	if (archive_prove(fd, &m, progress_set, sig_caught, &error) < 0) {
		err = errno;
		check_interrupted();
		tell_archive(hash, path, err == EBADMSG ? FINDING_MISMATCH :
		    FINDING_UNREADABLE, err == EBADMSG ? 0 : err, error);
	} else if (strcmp(m.medium, hash)) {
		tell_archive(hash, path, FINDING_MISMATCH, 0,
		    "it is the archive of another medium");
	} else {
		detail("%s is good: %zu members", quoted(path), m.count);
		verified++;
	}
	progress_stop();
	archive_manifest_free(&m);
	free(error);
	close(fd);
}

static void
verify_archives(void)
{
	PGresult *res = db_query_n(db, sql_verify_archives, 1,
	    (const char *[]){ medium });
	int i;

	if (!res)
		database_failed("list the archives");
	if (PQntuples(res) == 0 && medium)
		die(EXIT_FAILED, "%s is not archived", medium);
	for (i = 0; i < PQntuples(res); i++)
		verify_archive(db_text(res, i, 0), db_text(res, i, 1));
	say("%s of %d archives are good", num_grouped(verified),
	    PQntuples(res));
	PQclear(res);
}

static void
print_manifest(void)
{
	char *root = path_absolute(config_get(CONFIG_BYHASH_ROOT));
	uint64_t replaced;

	if (b3sum_list(stdout, db, medium, root, &replaced) < 0) {
		if (errno)
			die_errno("could not write the list: %m");
		database_failed("read the paths");
	}
	if (replaced)
		say("%s paths cannot be written in a list of b3sum (they are "
		    "not UTF-8): it has their blobs below %s instead",
		    num_grouped(replaced), quoted(root));
	free(root);
}

static void
migrate_empty(void)
{
	int rc = empty_blob_migrate(db, store);

	if (rc < 0 && errno)
		die_errno("could not rename the empty file: %m");
	if (rc < 0)
		database_failed("rename the empty file");
	say(rc ? "the empty file has its BLAKE3 for a name now" :
	    "the empty file has its BLAKE3 for a name already");
}

int
main(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	verify_options_parse(&opt);
	prog_config();
	sig_catch();
	if (!opt.manifest && !opt.archive) {
		open_store();
		/* before there is a connection that children would share */
		pool = verify_pool_open(store, worker_count(), opt.rate,
		    opt.uncached);
		if (!pool)
			die_errno("could not start processes: %m");
	}
	open_catalogue();
	/* a store whose disk is not there has lost nothing */
	if (!opt.manifest && !opt.archive)
		store_mark_need(db, CONFIG_BYHASH_ROOT, 0);
	if (opt.migrate && store >= 0)
		migrate_empty();
	if (opt.manifest)
		print_manifest();
	else if (opt.archive)
		verify_archives();
	else if (medium || opt.all || opt.from_file)
		verify_content();
	if (opt.orphans) {
		check_orphans();
		list_unused();
	}
	finish(all_findings() ? EXIT_PARTIAL : EXIT_DONE);
}
