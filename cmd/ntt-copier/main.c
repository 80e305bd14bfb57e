/*
 * ntt-copier: one worker.  It claims a range of a medium's inodes, reads each
 * once, stores new contents, links every path, and records the results.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/log.h"
#include "base/medium_files.h"
#include "base/mime.h"
#include "base/num.h"
#include "base/privilege.h"
#include "base/procstat.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "base/use_lock.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/queue.h"
#include "catalogue/store_mark.h"
#include "sql/statements.h"
#include "fibmap_child.h"
#include "inode.h"
#include "kmsg.h"
#include "medium_source.h"

static struct {
	const char *medium, *src_root, *worker_id, *user;
	uint64_t limit, batch_size, max_errors, min_free;
	int dry_run, no_archived, ignore_health, paranoid;
	int mime, blame;
} opt = { .limit = UINT64_MAX, .max_errors = 10 };

static struct {
	char **argv;
	uid_t uid;
} started;
static PGconn *db;
static struct medium_source medium;
static struct queue queue;
static struct copier copier;
static int unexplained;		/* an omission of the volume was recorded */
static uint64_t recheck_days;	/* a blob found good within these is believed */
static uint64_t attempted;	/* inodes, against --limit */

enum { MIME_AUTO, MIME_ALWAYS, MIME_NEVER };
static const char *const mime_words[] = { "auto", "always", "never", NULL };

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 'l', "limit", "N", "stop after exactly N inodes",
		OPT_U64(&opt.limit, 1, UINT64_MAX) },
	{ 0, "batch-size", "N", "commit after N inodes (default: by time)",
		OPT_U64(&opt.batch_size, 1, 8000) },
	{ 0, "max-errors", "N",
		"stop after N errors of unknown kind (default 10, 0: never)",
		OPT_U64(&opt.max_errors, 0, UINT64_MAX) },
	{ 0, "worker-id", "ID", "name in the catalogue (default HOST:PID)",
		OPT_TEXT(&opt.worker_id) },
	{ 0, "dry-run", NULL, "say what would be done, change nothing",
		OPT_FLAG(&opt.dry_run) },
	{ 0, "src-root", "DIR", "read the medium's tree from DIR",
		OPT_TEXT(&opt.src_root) },
	{ 0, "no-archived", NULL, "make no tree of hard links",
		OPT_FLAG(&opt.no_archived) },
	{ 0, "ignore-health", NULL, "copy a medium whose health is failed",
		OPT_FLAG(&opt.ignore_health) },
	{ 0, "blame", NULL,
		"record failures also where the source does not answer",
		OPT_FLAG(&opt.blame) },
	{ 0, "min-free", "BYTES", "stop when the store has less room left",
		OPT_SIZE(&opt.min_free) },
	{ 0, "paranoid", NULL, "read new blobs back, and old ones before bytes are dropped",
		OPT_FLAG(&opt.paranoid) },
	{ 0, "mime", "WHEN",
		"determine MIME types: auto, always or never (default auto)",
		OPT_CHOICE(&opt.mime, mime_words) },
	{ 0, "user", "NAME", "started as root: become this user",
		OPT_TEXT(&opt.user) },
	OPT_END
};

static const struct prog prog = {
	"ntt-copier",
	"[options] MEDIUM",
	"Copy the contents of a medium into the store"
};

/* What is not committed is dropped, and others may have the work. */
static void
let_go(void)
{
	copier_free(&copier);
	queue_close(&queue);
	medium_source_free(&medium);
	PQfinish(db);
}

static void __attribute__((noreturn))
finish(int status)
{
	let_go();
	exit(status);
}

/*
 * The connection was lost: the server, or the one that takes over, has a minute
 * to answer, and then this program begins anew.  Only so often without having
 * committed anything between.
 */
static void
begin_anew(int committed)
{
	enum { MOST_MS = 60000, PAUSE_MS = 500, TRIES = 3 };
	static const char variable[] = "NTT_COPIER_TRIES";
	const char *before = getenv(variable);
	int tries = committed || !before ? 0 : atoi(before);
	int64_t begun = monotonic_ms();
	PGconn *again = NULL;
	char text[16];

	/* one that has given up rights could not do all of it again */
	if (opt.limit != UINT64_MAX || tries >= TRIES || geteuid() != started.uid)
		return;
	while (!again && !sig_caught() && monotonic_ms() - begun < MOST_MS) {
		again = db_connect(0);
		if (!again)
			poll(NULL, 0, PAUSE_MS);
	}
	PQfinish(again);
	snprintf(text, sizeof text, "%d", tries + 1);
	/* a signal from here on ends what begins */
	sig_block(1);
	if (!again || sig_caught() || setenv(variable, text, 1) < 0)
		return;
	say("the catalogue answers again");
	execv("/proc/self/exe", started.argv);
	warn("could not run this program again: %m");
}

static void __attribute__((noreturn))
database_failed(void)
{
	int status = db_status(), lost = PQstatus(db) == CONNECTION_BAD;
	int committed = copier.batch.totals.inodes > 0;

	warn("the catalogue failed: %s; the work is given back", db_error());
	let_go();
	if (lost)
		begin_anew(committed);
	exit(sig_caught() ? EXIT_SIGNAL + sig_caught() : status);
}

/*
 * The destination is in trouble: no inode is to blame, the work goes back.  A
 * store that is full keeps what fitted.
 */
static void __attribute__((noreturn))
destination_failed(const char *what)
{
	int err = errno;

	if (copier.doubt.database_failed)
		database_failed();
	copy_forgive(&copier);
	if (copy_is_full(err) &&
	    copy_batch_finish(&copier.batch) == COPY_FLUSHED)
		say("what fitted is kept");
	errno = err;
	warn("could not write to %s: %m; the work is given back", what);
	finish(EXIT_AGAIN);
}

static void
check_flush(enum copy_flush rc)
{
	if (rc == COPY_NO_STORE) {
		if (copier.doubt.database_failed)
			database_failed();
		warn("could not write to the store or the archived tree: %m; "
		    "the work is given back");
		finish(EXIT_AGAIN);
	}
	if (rc == COPY_NO_DATABASE)
		database_failed();
}

static void
check_room(void)
{
	uint64_t room;

	if (opt.min_free == 0 || store_free(&copier.store, &room) < 0 ||
	    room >= opt.min_free)
		return;
	check_flush(copy_batch_finish(&copier.batch));
	warn("%s left in the store's file system, less than --min-free",
	    num_bytes(room));
	finish(EXIT_AGAIN);
}

enum { WEIGH_NS = 100000000 };

/*
 * libmagic takes longer than everything else that happens to a small file.
 * While the medium is what we wait for, and no other process has work for the
 * CPU meanwhile, that costs nothing; otherwise the types stay unknown.
 */
static void
weigh_mime(void)
{
	static struct cpu_ticks last, now;
	static uint64_t last_wall, last_waited;
	uint64_t waited = copier.reader.waited_ns, wall = monotonic_ns();

	/* a look at the machine is not for every handful of files */
	if (opt.mime != MIME_AUTO || wall < last_wall + WEIGH_NS ||
	    cpu_ticks(&now) < 0)
		return;
	if (last_wall)
		copier.mime_now =
		    waited - last_waited > (wall - last_wall) / 2 &&
		    now.idle - last.idle > (now.all - last.all) / 4;
	last_wall = wall;
	last_waited = waited;
	last = now;
}

static void
flush(void)
{
	check_flush(copy_batch_flush(&copier.batch));
	progress_set(copier.batch.totals.bytes);
	check_room();
}

static int
compare_sizes(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sizes of large files of the range that blobs of the store have. */
static void
ask_sizes(const struct queue_inode *inodes, size_t count, int64_t **known,
    size_t *known_count)
{
	struct pgarray sizes;
	size_t i;

	pgarray_init(&sizes, PGARRAY_INT8);
	for (i = 0; i < count; i++)
		if (inodes[i].size >= COPY_BUFFER)
			pgarray_int8(&sizes, inodes[i].size);
	if (queue_known_sizes(&queue, &sizes, known, known_count) < 0)
		database_failed();
	pgarray_free(&sizes);
}

/* The second signal means at once; nothing half-done has a name. */
static int
interrupted(void)
{
	if (sig_count() > 1)
		_exit(EXIT_SIGNAL + sig_caught());
	return sig_caught() != 0;
}

static int
stopping(void)
{
	return interrupted() || attempted >= opt.limit ||
	    (opt.max_errors && copier.unknown_errors >= opt.max_errors);
}

static void
do_inode(struct queue_inode *inode, int likely_known)
{
	enum { LARGE = 64 << 20 };

	if (!inode->pending) {
		if (copy_directory(&copier, inode) < 0)
			destination_failed(copier.trouble);
		return;
	}
	/* what is done must not wait for an hour of reading */
	if (inode->size >= LARGE)
		check_flush(copy_batch_finish(&copier.batch));
	attempted++;
	if (copy_inode(&copier, inode, likely_known) < 0)
		destination_failed(copier.trouble);
}

/* Where what is lost fails; those of an older mount are no use. */
static void
open_views(void)
{
	lost_close(copier.lost);
	copier.lost = copier.live || opt.src_root ? NULL :
	    lost_open(medium.hash);
}

/* The tree has moved or gone: it is opened again, or the program ends. */
static void
reopen_source(void)
{
	int remounted = 0;

	source_close(&copier.source);
	if (!opt.src_root && medium_source_open(&medium, &remounted) < 0) {
		warn("%s is not mounted any more and could not be mounted: "
		    "%s", quoted(medium.hash), medium.error);
		finish(EXIT_AGAIN);
	}
	if (source_open(&copier.source, medium.root) < 0) {
		warn("could not open %s: %m", quoted(medium.root));
		finish(EXIT_AGAIN);
	}
	open_views();
	say("the tree of %s had moved; it is open again", medium.hash);
	if (medium_source_event(db, &medium, "remounted", queue.name) < 0)
		database_failed();
}

/* Every file that is held failed so. */
static int
all_held(int (*so)(int err))
{
	size_t i;

	for (i = 0; i < copier.held_count; i++)
		if (!so(copier.held[i].err))
			return 0;
	return 1;
}

static int
is_path_error(int err)
{
	return copy_class_of(err) == COPY_PATH_ERROR;
}

static int
source_moved(void)
{
	if (!source_alive(&copier.source))
		return 1;
	/* a mount that is gone shows what is below it, or nothing */
	return !opt.src_root && (all_held(is_path_error) ||
	    all_held(presence_gone)) && !medium_source_mounted(&medium);
}

/* What is done is kept, and nothing is blamed. */
static void __attribute__((noreturn))
source_failed(const char *why)
{
	size_t count = copier.held_count;

	copy_forgive(&copier);
	check_flush(copy_batch_finish(&copier.batch));
	if (copy_events_save(&copier.events, db, medium.hash, queue.name) < 0)
		database_failed();
	progress_stop();
	warn("the source of %s does not answer: %s.  %s files failed since, "
	    "none is blamed and what was copied is kept: run the same command "
	    "again when it is back", medium.hash, why, num_grouped(count));
	finish(EXIT_AGAIN);
}

/*
 * Is what failed lost, or has the source gone?  Returns if it is there.  Where
 * no file was ever read, a few failures are believed and many are not.
 */
static void
confirm_source(void)
{
	enum { FEW = 16 };
	char *why = NULL;

	switch (presence_ask(&copier.presence, &copier.source, db,
	    medium.hash, &why)) {
	case PRESENT:
		return;
	case NO_CATALOGUE:
		database_failed();
	case ABSENT:
		if (!opt.blame)
			source_failed(xasprintf("%s; if it is there and that "
			    "bad, --blame records the failures", why));
		free(why);
		return;
	case UNPROVEN:
		if (copier.held_count >= FEW && !opt.blame)
			source_failed("no file of it could be read; if it is "
			    "there and that bad, --blame records the failures");
	}
}

/* The inodes whose failures are held, once more. */
static void
try_held_again(void)
{
	size_t i, count = copier.held_count;
	struct queue_inode **inodes = xcalloc(count, sizeof *inodes);

	for (i = 0; i < count; i++)
		inodes[i] = copier.held[i].inode;
	copy_forgive(&copier);
	for (i = 0; i < count; i++)
		do_inode(inodes[i], 0);
	attempted -= count;
	free(inodes);
}

static void
settle_held(void)
{
	if (copier.held_count == 0)
		return;
	if (!copier.answered && source_moved()) {
		reopen_source();
		try_held_again();
	}
	if (copier.held_count > 0 && !copier.answered)
		confirm_source();
	copy_blame(&copier);
}

/* 1, or 0: it was stopped before the end. */
static int
copy_inodes(struct queue_inode *inodes, size_t count)
{
	enum { MANY_HELD = 64 };
	size_t i, known_count;
	int64_t *known;

	ask_sizes(inodes, count, &known, &known_count);
	for (i = 0; i < count; i++) {
		struct queue_inode *inode = &inodes[i];

		if (inode->pending && stopping())
			break;
		do_inode(inode, known_count && bsearch(&inode->size, known,
		    known_count, sizeof *known, compare_sizes));
		if (copier.answered || copier.held_count == MANY_HELD)
			settle_held();
		weigh_mime();
		if (copy_batch_full(&copier.batch, opt.batch_size))
			flush();
	}
	settle_held();
	free(known);
	return i == count;
}

/* As copy_inodes(). */
static int
copy_range(const struct queue_range *range)
{
	struct queue_inode *inodes;
	size_t count;
	int all;

	if (queue_fetch(&queue, range, &inodes, &count) < 0)
		database_failed();
	all = copy_inodes(inodes, count);
	queue_inodes_free(inodes, count);
	return all;
}

/* Everything done so far is committed, then the events about it. */
static void
catch_up(void)
{
	check_flush(copy_batch_finish(&copier.batch));
	if (copy_events_save(&copier.events, db, medium.hash, queue.name) < 0)
		database_failed();
}

static void
nap(int ms)
{
	poll(NULL, 0, ms);
}

static void
work(void)
{
	struct queue_range range;
	int n, wait_ms;

	while (!stopping()) {
		check_room();
		n = queue_claim(&queue, &range, &wait_ms);
		if (n < 0)
			database_failed();
		if (n == 0) {
			/* retries become due when they are committed */
			catch_up();
			n = queue_claim(&queue, &range, &wait_ms);
			if (n < 0)
				database_failed();
		}
		if (n == 0) {
			if (wait_ms < 0)
				break;
			nap(wait_ms);
			continue;
		}
		if (copy_range(&range))
			copy_batch_range(&copier.batch, &range);
		if (copy_batch_full(&copier.batch, opt.batch_size))
			flush();
	}
	catch_up();
}

/* Lost areas that a volume needs for nobody knows what. */
static void
account_for_views(void)
{
	int64_t bytes;

	if (!copier.lost || !copier.damage)
		return;
	bytes = lost_unexplained(copier.lost, copier.damage, db,
	    medium.hash);
	if (bytes < 0)
		database_failed();
	if (bytes > 0)
		warn("a file system of %s asked for %s that were not rescued, "
		    "and it is not known what for", medium.hash,
		    num_bytes((uint64_t)bytes));
	unexplained = bytes > 0;
}

/* What this run found out about the medium as a whole. */
static void
record_problems(void)
{
	enum { ENOUGH = 100, HIGH_PERCENT = 10 };
	const struct copy_totals *t = &copier.batch.totals;
	int rc = 0;

	if (copier.beyond_end)
		rc = copy_problem(db, medium.hash, "beyond_eof_detected",
		    "true");
	if (rc == 0 && copier.unstable)
		rc = copy_problem(db, medium.hash, "unstable_files", "true");
	if (rc == 0 && t->inodes >= ENOUGH &&
	    t->failed * 100 > t->inodes * HIGH_PERCENT)
		rc = copy_problem(db, medium.hash, "high_error_rate", "true");
	if (rc == 0 && t->excluded && t->excluded == t->inodes)
		rc = copy_problem(db, medium.hash, "all_excluded", "true");
	if (rc < 0)
		database_failed();
}

static int
conclude(void)
{
	const struct copy_totals *t = &copier.batch.totals;
	int done = queue_finish_medium(&queue);

	progress_stop();
	if (done < 0)
		database_failed();
	record_problems();
	if (done)
		account_for_views();
	say("%s files, %s new, %s duplicates, %s read, %s failed%s",
	    num_grouped(t->files), num_grouped(t->new_blobs),
	    num_grouped(t->duplicates), num_bytes(t->bytes),
	    num_grouped(t->failed), done ? "; the medium is copied" : "");
	if (copier.doubt.heal.healed)
		say("healed %s blobs: the store had other bytes, and the old "
		    "files are in %s/.bad",
		    num_grouped(copier.doubt.heal.healed),
		    quoted(config_get(CONFIG_BYHASH_ROOT)));
	if (copier.doubt.checked)
		say("%s blobs were read again before anything was dropped for "
		    "them", num_grouped(copier.doubt.checked));
	if (t->damaged)
		say("%s files lie over areas that could not be rescued; "
		    "\"ntt-recover-failed list-damaged -m %s\" lists them",
		    num_grouped(t->damaged), medium.hash);
	if (t->undetermined)
		say("of %s files it cannot be told whether they do",
		    num_grouped(t->undetermined));
	if (t->taken_over)
		say("%s files are as they were in the state before, and were "
		    "not read", num_grouped(t->taken_over));
	if (copier.unstable)
		say("%s files changed whenever they were read: what the last "
		    "reading gave is stored, and marked unstable",
		    num_grouped(copier.unstable));
	if (t->unread)
		say("extended attributes of %s files could not be read; "
		    "\"ntt-recover-failed list-omissions -m %s\" lists them",
		    num_grouped(t->unread), medium.hash);
	if (t->shortened)
		say("%s names are longer than a file system takes: the tree "
		    "has them shortened, with \"~\" and 16 digits",
		    num_grouped(t->shortened));
	if (t->overflows)
		say("%s files got copies of their own, because the file "
		    "system allows no more links to one blob",
		    num_grouped(t->overflows));
	if (sig_caught())
		return EXIT_SIGNAL + sig_caught();
	if (opt.max_errors && copier.unknown_errors >= opt.max_errors) {
		warn("stopped after %s errors of unknown kind",
		    num_grouped(copier.unknown_errors));
		return EXIT_FAILED;
	}
	return t->failed || t->damaged || t->undetermined || t->unread ||
	    unexplained ?
	    EXIT_PARTIAL : EXIT_DONE;
}

/*
 * The medium is copied; what ntt-streams takes of its image belongs to that, also
 * for who copies by hand.  status: of the copy.
 */
static int
take_streams(int status)
{
	char *argv[] = { (char *)"ntt-streams", (char *)"--quiet", medium.hash,
		NULL };
	PGresult *res;
	int missing, known, taken;

	if (status != EXIT_DONE && status != EXIT_PARTIAL)
		return status;
	res = db_query(db, sql_streams_missing, medium.hash);
	if (!res)
		database_failed();
	missing = !opt.src_root && db_bool(res, 0, 0);
	known = db_bool(res, 0, 1);
	PQclear(res);
	if (!missing)
		return status;
	if (!medium.image_path || access(medium.image_path, R_OK) < 0) {
		say("named streams were not looked for, because this user "
		    "cannot read the image: \"ntt-streams %s\" does that",
		    medium.hash);
		return known ? EXIT_PARTIAL : status;
	}
	taken = run(argv, NULL);
	return taken == EXIT_DONE ? status : taken;
}

static void
open_destination(void)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);
	const char *tree = opt.no_archived ? "" :
	    config_get(CONFIG_ARCHIVED_ROOT);

	store_mark_need(db, CONFIG_BYHASH_ROOT, !opt.dry_run);
	if (*tree)
		store_mark_need(db, CONFIG_ARCHIVED_ROOT, !opt.dry_run);
	store_mark_need_owner(CONFIG_BYHASH_ROOT);
	if (*tree)
		store_mark_need_owner(CONFIG_ARCHIVED_ROOT);
	if (store_open(&copier.store, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
	if (store_mark_private(CONFIG_BYHASH_ROOT))
		store_private(&copier.store);
	if (archived_open(&copier.archived, tree, medium.hash,
	    &copier.store) == 0)
		return;
	if (errno == EXDEV)
		die(EXIT_USAGE, "ARCHIVED_ROOT (%s) and BYHASH_ROOT (%s) are "
		    "on different file systems, so no file can be linked; "
		    "use --no-archived or an empty ARCHIVED_ROOT",
		    quoted(tree), quoted(root));
	if (errno == EOPNOTSUPP)
		die(EXIT_USAGE, "the file system of ARCHIVED_ROOT (%s) has no "
		    "hard links; use --no-archived or an empty ARCHIVED_ROOT",
		    quoted(tree));
	die_errno("could not open the archived tree below %s: %m",
	    quoted(tree));
}

static void
open_magic(void)
{
	const char *why;

	copier.mime_now = 1;
	if (opt.mime == MIME_NEVER)
		return;
	copier.magic = mime_open(MAGIC_MIME_TYPE, &why);
	if (!copier.magic)
		warn("no MIME types: %s", why);
}

static void
parse_options(int argc, char **argv)
{
	char *wrong;

	prog_start(&prog, argc, argv);
	prog_options(options);
	opt.medium = prog_need_medium(0, 0);
	prog_operands(0, 0);
	prog_config();
	recheck_days = num_arg("NTT_RECHECK", config_get(CONFIG_RECHECK), 0,
	    36500);
	wrong = digests_init(&copier.digests, config_get(CONFIG_DIGESTS));
	if (wrong)
		die(EXIT_USAGE, "NTT_DIGESTS: %s is none of md5, sha1 and "
		    "sha256", quoted(wrong));
}

/* Refusals that change nothing. */
static void
check_state(void)
{
	int loaded = medium_loaded(db, medium.hash);

	if (loaded < 0)
		db_die("could not look at %s", medium.hash);
	if (!loaded)
		die(EXIT_FAILED, "medium %s is not loaded yet: run "
		    "ntt-loader first", medium.hash);
	if (medium.health && !strcmp(medium.health, "failed") &&
	    !opt.ignore_health)
		die(EXIT_REFUSED, "the health of %s is failed: less than 20 %% "
		    "could be read; --ignore-health copies what there is",
		    medium.hash);
	if (medium.health && strcmp(medium.health, "ok"))
		say("the health of %s is %s: files over lost areas hold zeros "
		    "there", medium.hash, medium.health);
}

/* The first inodes to be done, when --limit asks for some. */
static void
list_pending(void)
{
	char *sql = sql_for(sql_copier_first_pending, medium.hash), number[24];
	PGresult *res;
	int row;

	snprintf(number, sizeof number, "%llu",
	    (unsigned long long)opt.limit);
	res = db_query(db, sql, number);
	if (!res)
		db_die("could not list what is pending");
	for (row = 0; row < PQntuples(res); row++) {
		struct buf name = BUF_INIT;

		if (db_bytea_value(res, row, 2, &name) < 0)
			buf_puts(&name, "");
		printf("%s %15s %s\n", db_text(res, row, 1),
		    db_text(res, row, 0), quoted_bytes(name.data, name.len));
		buf_free(&name);
	}
	PQclear(res);
	free(sql);
}

static int
dry_run(void)
{
	char *sql = sql_for(sql_copier_pending, medium.hash);
	PGresult *res = db_query(db, sql);

	if (!res)
		db_die("could not count what is pending");
	printf("%s: %s inodes, %s to copy into %s\n", medium.hash,
	    num_grouped((uint64_t)db_int(res, 0, 0)),
	    num_bytes((uint64_t)db_int(res, 0, 1)),
	    quoted(config_get(CONFIG_BYHASH_ROOT)));
	if (opt.limit != UINT64_MAX)
		list_pending();
	PQclear(res);
	free(sql);
	return EXIT_DONE;
}

static void
open_source(void)
{
	if (!opt.src_root && medium_source_open(&medium, NULL) < 0)
		die(medium.status, "could not reach the tree of %s: %s",
		    medium.hash, medium.error);
	if (opt.src_root)
		medium.root = xstrdup(opt.src_root);
	if (source_open(&copier.source, medium.root) < 0)
		die_errno("could not open %s: %m", quoted(medium.root));
}

static void
open_presence(void)
{
	char *image = copier.live || opt.src_root ? NULL :
	    medium.image_path ? xstrdup(medium.image_path) :
	    medium_image(medium.hash);

	presence_open(&copier.presence, image, medium.registered);
	copier.confirm = confirm_source;
	free(image);
}

/* Which files lie over what was not rescued is only known from a map. */
static void
open_damage(int mapper)
{
	char *error;

	if (!medium.image_path)
		return;
	copier.damage = damage_open(db, medium.hash, medium.image_path,
	    copier.lost != NULL, mapper, &error);
	if (error)
		warn("damaged files cannot be told from others: %s", error);
	free(error);
}

/* What is known to be wrong in the store, and what is believed of the rest. */
static void
open_doubt(void)
{
	char *now;

	doubt_init(&copier.doubt, db, &copier.store,
	    config_get(CONFIG_ARCHIVED_ROOT), opt.paranoid, recheck_days);
	if (doubt_turn(&copier.doubt, &now) < 0)
		database_failed();
	free(now);
}

static void
open_queue(void)
{
	char host[256] = "", *name, *sql;
	PGresult *res;

	gethostname(host, sizeof host - 1);
	name = opt.worker_id ? xstrdup(opt.worker_id) :
	    xasprintf("%s:%ld", host, (long)getpid());
	if (queue_open(&queue, db, medium.hash, name) < 0)
		database_failed();
	free(name);
	sql = sql_for(sql_copier_had_meta, medium.hash);
	res = db_query(db, sql);
	free(sql);
	if (!res)
		database_failed();
	copier.batch.rows.forget = db_bool(res, 0, 0);
	PQclear(res);
	res = db_query(db, sql_copier_left, medium.hash);
	if (!res)
		database_failed();
	progress_start("copying", "", PROGRESS_BYTES,
	    (uint64_t)db_int(res, 0, 0));
	PQclear(res);
}

int
main(int argc, char **argv)
{
	int lock, status, mapper = -1;

	started.argv = argv;
	started.uid = geteuid();
	sig_block(0);
	parse_options(argc, argv);
	db = db_need();
	if (medium_source_find(&medium, db, opt.medium) < 0)
		db_die("could not look up %s", quoted(opt.medium));
	check_state();
	if (opt.dry_run)
		return dry_run();
	lock = use_lock(medium.hash, LOCK_SHARED);
	if (lock < 0)
		die_errno("could not lock %s for use: %m", medium.hash);
	open_source();
	copier.live = !medium.kind || (strcmp(medium.kind, "image") &&
	    strcmp(medium.kind, "device"));
	open_views();
	open_presence();
	copier.kmsg = kmsg_open();
	if (medium.image_path && geteuid() == 0)
		mapper = fibmap_start(opt.user);
	if (privilege_drop(opt.user) < 0)
		die_errno("could not give up root rights: %m");
	log_open(config_get(CONFIG_LOG_DIR), prog.name, medium.hash);
	open_destination();
	open_magic();
	open_damage(mapper);
	sig_catch();
	copier.health_known = medium.health != NULL;
	open_doubt();
	if (copier_init(&copier, &queue, opt.paranoid, interrupted) < 0)
		die_errno("could not prepare: %m");
	open_queue();
	work();
	status = take_streams(conclude());
	use_lock_release(lock);
	finish(status);
}
