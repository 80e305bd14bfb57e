/*
 * ntt-copier: one worker.  Claims a range of a medium's inodes, reads each
 * once, stores what is new, links every path, records what happened.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "catalogue.h"
#include "config.h"
#include "copy_inode.h"
#include "db.h"
#include "diag.h"
#include "fibmap_child.h"
#include "kmsg.h"
#include "log.h"
#include "medium_source.h"
#include "num.h"
#include "privilege.h"
#include "procstat.h"
#include "prog.h"
#include "progress.h"
#include "queue.h"
#include "sig.h"
#include "use_lock.h"

static struct {
	const char *medium, *src_root, *worker_id, *user;
	uint64_t limit, batch_size, max_errors, min_free;
	int dry_run, no_archived, ignore_health, paranoid;
	enum { MIME_AUTO, MIME_ALWAYS, MIME_NEVER } mime;
} opt = { .limit = UINT64_MAX, .max_errors = 10 };

static PGconn *db;
static struct medium_source medium;
static struct queue queue;
static struct copier copier;
static uint64_t attempted;	/* inodes, against --limit */

static const struct option_help options[] = {
	{ 'm', "medium", "HASH", "the medium to copy" },
	{ 'l', "limit", "N", "stop after exactly N inodes" },
	{ 0, "batch-size", "N", "commit after N inodes (default: by time)" },
	{ 0, "max-errors", "N",
		"stop after N errors of unknown kind (default 10, 0: never)" },
	{ 0, "worker-id", "ID", "name in the catalogue (default HOST:PID)" },
	{ 0, "dry-run", NULL, "say what would be done, change nothing" },
	{ 0, "src-root", "DIR", "read the medium's tree from DIR" },
	{ 0, "no-archived", NULL, "make no tree of hard links" },
	{ 0, "ignore-health", NULL, "copy a medium whose health is failed" },
	{ 0, "min-free", "BYTES", "stop when the store has less room left" },
	{ 0, "paranoid", NULL, "read every new blob back before it is named" },
	{ 0, "mime", "WHEN",
		"determine MIME types: auto, always or never (default auto)" },
	{ 0, "user", "NAME", "started as root: become this user" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-copier",
	"-m HASH [options]",
	"Copy the contents of a medium into the store",
	options
};

static void __attribute__((noreturn))
finish(int status)
{
	copier_free(&copier);
	queue_close(&queue);
	medium_source_free(&medium);
	PQfinish(db);
	exit(status);
}

/* The destination is in trouble: no inode is to blame, the work goes back. */
static void __attribute__((noreturn))
destination_failed(const char *what)
{
	warn("could not write to %s: %m; the work is given back", what);
	finish(EXIT_AGAIN);
}

static void __attribute__((noreturn))
database_failed(void)
{
	int status = db_status();

	warn("the catalogue failed: %s; the work is given back", db_error());
	finish(status);
}

static void
check_flush(enum copy_flush rc)
{
	if (rc == COPY_NO_STORE)
		destination_failed("the store or the archived tree");
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

enum range_end { RANGE_DONE, RANGE_STOPPED, RANGE_SUSPECT };

/* An inode in its turn: 0, or the errno it may be blamed for. */
static int
do_inode(struct queue_inode *inode, int likely_known)
{
	enum { LARGE = 64 << 20 };
	int err;

	if (!inode->pending) {
		if (copy_directory(&copier, inode) < 0)
			destination_failed(copier.trouble);
		return 0;
	}
	/* what is done must not wait for an hour of reading */
	if (inode->size >= LARGE)
		check_flush(copy_batch_finish(&copier.batch));
	attempted++;
	err = copy_inode(&copier, inode, likely_known);
	if (err < 0)
		destination_failed(copier.trouble);
	return err;
}

/*
 * The inodes of a range.  As long as each of them is ENOENT the mount itself
 * is suspect, and the failures are held back.
 */
static enum range_end
copy_inodes(struct queue_inode *inodes, size_t count, int trusted)
{
	size_t i, held = 0, known_count, tried = 0;
	int64_t *known;
	enum range_end end = RANGE_DONE;
	size_t *missing = xcalloc(count, sizeof *missing);

	ask_sizes(inodes, count, &known, &known_count);
	for (i = 0; i < count; i++) {
		struct queue_inode *inode = &inodes[i];
		int err;

		if (inode->pending && stopping()) {
			end = RANGE_STOPPED;
			break;
		}
		err = do_inode(inode, known_count && bsearch(&inode->size,
		    known, known_count, sizeof *known, compare_sizes));
		if (err == ENOENT && !trusted && held == tried)
			missing[held++] = i;
		else if (err)
			copy_inode_failed(&copier, inode, err);
		tried += (size_t)inode->pending;
		weigh_mime();
		if (copy_batch_full(&copier.batch, opt.batch_size))
			flush();
	}
	if (held > 0 && held == tried && end == RANGE_DONE) {
		end = RANGE_SUSPECT;
		attempted -= held;
	}
	for (i = 0; end != RANGE_SUSPECT && i < held; i++)
		copy_inode_failed(&copier, &inodes[missing[i]], ENOENT);
	free(missing);
	free(known);
	return end;
}

/*
 * Every file of a range was missing.  1: the tree had moved or gone and is
 * open again; 0: it is where it was, so the files are really not there.
 */
static int
recover_source(void)
{
	int remounted = 0;

	if (source_alive(&copier.source) &&
	    (opt.src_root || medium_source_mounted(&medium)))
		return 0;
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
	say("the tree of %s had moved; it is open again", medium.hash);
	if (medium_source_event(db, &medium, "remounted", queue.name) < 0)
		database_failed();
	return 1;
}

static enum range_end
copy_range(const struct queue_range *range)
{
	struct queue_inode *inodes;
	enum range_end end;
	size_t count;
	int trusted;

	for (trusted = 0; ; trusted = 1) {
		if (queue_fetch(&queue, range, &inodes, &count) < 0)
			database_failed();
		end = copy_inodes(inodes, count, trusted);
		queue_inodes_free(inodes, count);
		if (end != RANGE_SUSPECT)
			return end;
		recover_source();
	}
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
	enum range_end end;
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
		end = copy_range(&range);
		if (end == RANGE_DONE)
			copy_batch_range(&copier.batch, &range);
		if (copy_batch_full(&copier.batch, opt.batch_size))
			flush();
	}
	catch_up();
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
	say("%s files, %s new, %s duplicates, %s read, %s failed%s",
	    num_grouped(t->files), num_grouped(t->new_blobs),
	    num_grouped(t->duplicates), num_bytes(t->bytes),
	    num_grouped(t->failed), done ? "; the medium is copied" : "");
	if (t->damaged)
		say("%s files lie over areas that could not be rescued; "
		    "\"ntt-recover-failed list-damaged -m %s\" lists them",
		    num_grouped(t->damaged), medium.hash);
	if (t->undetermined)
		say("of %s files it cannot be told whether they do",
		    num_grouped(t->undetermined));
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
	return t->failed ? EXIT_PARTIAL : EXIT_DONE;
}

static void
open_destination(void)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);
	const char *tree = opt.no_archived ? "" :
	    config_get(CONFIG_ARCHIVED_ROOT);

	if (store_open(&copier.store, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
	if (archived_open(&copier.archived, tree, medium.hash,
	    &copier.store) == 0)
		return;
	if (errno == EXDEV)
		die(EXIT_USAGE, "ARCHIVED_ROOT (%s) and BYHASH_ROOT (%s) are "
		    "on different file systems, so no file can be linked; "
		    "use --no-archived or an empty ARCHIVED_ROOT",
		    quoted(tree), quoted(root));
	die_errno("could not open the archived tree below %s: %m",
	    quoted(tree));
}

static int
mime_arg(const char *value)
{
	if (!strcmp(value, "auto"))
		return MIME_AUTO;
	if (!strcmp(value, "always"))
		return MIME_ALWAYS;
	if (!strcmp(value, "never"))
		return MIME_NEVER;
	die_usage("--mime must be auto, always or never, not %s",
	    quoted(value));
}

static void
open_magic(void)
{
	magic_t magic;

	copier.mime_now = 1;
	if (opt.mime == MIME_NEVER)
		return;
	magic = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS);
	if (magic && magic_load(magic, NULL) == 0) {
		copier.magic = magic;
		return;
	}
	warn("no MIME types: %s", magic ? magic_error(magic) : "no memory");
	if (magic)
		magic_close(magic);
}

static void
parse_options(int argc, char **argv)
{
	const char *name, *value;

	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value))) {
		if (!strcmp(name, "medium"))
			opt.medium = value;
		else if (!strcmp(name, "limit"))
			opt.limit = num_arg("--limit", value, 1, UINT64_MAX);
		else if (!strcmp(name, "batch-size"))
			opt.batch_size = num_arg("--batch-size", value, 1,
			    8000);
		else if (!strcmp(name, "max-errors"))
			opt.max_errors = num_arg("--max-errors", value, 0,
			    UINT64_MAX);
		else if (!strcmp(name, "worker-id"))
			opt.worker_id = value;
		else if (!strcmp(name, "dry-run"))
			opt.dry_run = 1;
		else if (!strcmp(name, "src-root"))
			opt.src_root = value;
		else if (!strcmp(name, "no-archived"))
			opt.no_archived = 1;
		else if (!strcmp(name, "ignore-health"))
			opt.ignore_health = 1;
		else if (!strcmp(name, "min-free"))
			opt.min_free = size_arg("--min-free", value);
		else if (!strcmp(name, "paranoid"))
			opt.paranoid = 1;
		else if (!strcmp(name, "mime"))
			opt.mime = mime_arg(value);
		else
			opt.user = value;
	}
	prog_operands(0, 0);
	if (!opt.medium)
		die_usage("-m HASH is missing");
	prog_config();
}

/* Refusals that change nothing. */
static void
check_state(void)
{
	int loaded = catalogue_loaded(db, medium.hash);

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
list_pending(const char *inode)
{
	char *path = db_ident(db, "path_p_", medium.hash), number[24];
	char *sql = xasprintf("SELECT i.size, i.fs_type, (SELECT p.path FROM "
	    "%s p WHERE p.dev = i.dev AND p.ino = i.ino AND p.exclude_reason "
	    "IS NULL LIMIT 1) FROM %s i WHERE i.status = 'pending' "
	    "ORDER BY i.dev, i.ino LIMIT $1", path, inode);
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
	free(path);
	free(sql);
}

static int
dry_run(void)
{
	char *inode = db_ident(db, "inode_p_", medium.hash);
	char *sql = sql_on("SELECT count(*), coalesce(sum(size), 0) FROM %s "
	    "WHERE status = 'pending'", inode);
	PGresult *res = db_query(db, sql);

	if (!res)
		db_die("could not count what is pending");
	printf("%s: %s inodes, %s to copy into %s\n", medium.hash,
	    num_grouped((uint64_t)db_int(res, 0, 0)),
	    num_bytes((uint64_t)db_int(res, 0, 1)),
	    quoted(config_get(CONFIG_BYHASH_ROOT)));
	if (opt.limit != UINT64_MAX)
		list_pending(inode);
	PQclear(res);
	free(inode);
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

/* Which files lie over what was not rescued is only known from a map. */
static void
open_damage(int mapper)
{
	char *error;

	if (!medium.image_path)
		return;
	copier.damage = damage_open(db, medium.hash, medium.image_path,
	    mapper, &error);
	if (error)
		warn("damaged files cannot be told from others: %s", error);
	free(error);
}

static void
open_queue(void)
{
	char host[256] = "", *name;
	PGresult *res;

	gethostname(host, sizeof host - 1);
	name = opt.worker_id ? xstrdup(opt.worker_id) :
	    xasprintf("%s:%ld", host, (long)getpid());
	if (queue_open(&queue, db, medium.hash, name) < 0)
		database_failed();
	free(name);
	res = db_query(db, "SELECT coalesce(sum(bytes), 0) FROM work_range "
	    "WHERE medium_hash = $1 AND NOT done", medium.hash);
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

	parse_options(argc, argv);
	db = db_open();
	if (!db)
		db_die("could not open the catalogue");
	if (medium_source_find(&medium, db, opt.medium) < 0)
		db_die("could not look up %s", quoted(opt.medium));
	check_state();
	if (opt.dry_run)
		return dry_run();
	lock = use_lock(medium.hash, LOCK_SHARED);
	if (lock < 0)
		die_errno("could not lock %s for use: %m", medium.hash);
	open_source();
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
	if (copier_init(&copier, &queue, opt.paranoid, interrupted) < 0)
		die_errno("could not prepare: %m");
	open_queue();
	work();
	status = conclude();
	use_lock_release(lock);
	finish(status);
}
