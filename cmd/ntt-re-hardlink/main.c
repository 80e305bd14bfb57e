/*
 * ntt-re-hardlink: makes the tree of a medium as the catalogue describes it.
 *
 * Inodes are read in batches by key, so that no transaction is open while links
 * are made; the next batch is on its way while one is worked on.  An entry that
 * is right already costs two look-ups, so an interrupted run can be repeated.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/privilege.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/pgarray.h"
#include "catalogue/store_mark.h"
#include "store/archived.h"
#include "store/id_list.h"
#include "store/store.h"
#include "sql/statements.h"
#include "link_count.h"
#include "relink.h"

enum { SHOWN = 20, LOG_SECONDS = 10 };

static struct {
	const char *medium, *from_file;
	uint64_t batch_size;
	int check_only, verify_after, json;
} opt = { .batch_size = 10000 };

static PGconn *db;
static char *only;		/* the medium of -m, in full */
static struct relink at = RELINK_INIT;

/* A pass over the names of a medium. */
static struct pass {
	const char *medium;
	int check;		/* change nothing */
	char *inodes;		/* table, quoted */
	uint64_t looked_at, expected;	/* inodes */
} pass;

/* Of the whole run; a name is one of made, good, failed. */
static uint64_t names, made, good, failures, corrected;
/* Blobs of names that are not in the tree, not in the database yet. */
static struct pgarray failed_ids;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "batch-size", "N", "inodes at a time (default 10000)",
		OPT_U64(&opt.batch_size, 1, 1000000) },
	{ 0, "check-only", NULL, "report what is wrong, change nothing",
		OPT_FLAG(&opt.check_only) },
	{ 0, "verify-after", NULL, "look at everything again at the end",
		OPT_FLAG(&opt.verify_after) },
	{ 0, "from-file", "F",
		"only the blobs whose ids F lists, - for stdin",
		OPT_TEXT(&opt.from_file) },
	{ 0, "json", NULL, "print JSON", OPT_FLAG(&opt.json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-re-hardlink",
	"[options] MEDIUM\n"
	"[options] --from-file F [MEDIUM]",
	"Repair the links between the store and the trees of media"
};

static void __attribute__((noreturn))
database_failed(const char *what)
{
	progress_stop();
	db_die("could not %s", what);
}

/* What was made is found again by the next run. */
static void
check_interrupted(void)
{
	if (!sig_caught())
		return;
	progress_stop();
	say("interrupted after %s names; the same command goes on",
	    num_grouped(names));
	exit(EXIT_SIGNAL + sig_caught());
}

static void
fail_name(const struct relink_name *n, const char *why)
{
	struct buf event = BUF_INIT;

	if (n->type == 'f')
		pgarray_text(&failed_ids, n->id);
	if (failures++ < SHOWN) {
		progress_hide();
		warn("%s: %s: %s", pass.medium, quoted(n->path), why);
	} else if (failures == SHOWN + 1) {
		progress_hide();
		warn("more of this is in the log only");
	}
	log_begin(&event, LOG_RELINK_FAILED);
	json_name(&event, "path", n->path, strlen(n->path));
	json_text(&event, "blobid", *n->id ? n->id : NULL);
	json_text(&event, "error", why);
	log_end(&event);
	buf_free(&event);
}

/* Either the name is at fault, or the tree and the store for all names. */
static void
judge_failure(const struct relink_name *n, int err)
{
	uint64_t size;

	if (n->type != 'd' && store_has(&at.store, n->id, &size) == 0) {
		fail_name(n, "its blob is missing in the store");
		return;
	}
	if (archived_conflict(err) || err == EBADMSG) {
		fail_name(n, err == EBADMSG ? "its blob is damaged" :
		    strerror(err));
		return;
	}
	progress_stop();
	errno = err;
	die_errno("could not repair %s in the tree of %s: %m",
	    quoted(n->path), pass.medium);
}

static void
repair_name(const struct relink_name *n)
{
	int rc = relink_repair(&at, n);

	if (rc < 0)
		judge_failure(n, errno);
	else if (rc > 0)
		made++;
	else
		good++;
}

static void
check_name(const struct relink_name *n)
{
	enum verify_outcome outcome;
	uint64_t size;

	if (n->type != 'd' && store_has(&at.store, n->id, &size) == 0) {
		fail_name(n, "its blob is missing in the store");
		return;
	}
	outcome = relink_check(&at, n);
	if (outcome == VERIFY_GOOD)
		good++;
	else
		fail_name(n, outcome == VERIFY_MISSING ?
		    "missing in the tree" : outcome == VERIFY_MISMATCH ?
		    "something else stands in the tree" :
		    "could not be read in the tree");
}

static int64_t
cell_int8(const PGresult *res, int row, int col)
{
	uint64_t big;

	memcpy(&big, PQgetvalue(res, row, col), sizeof big);
	return (int64_t)be64toh(big);
}

/* Asks for the inodes behind (dev, ino). */
static void
send_batch(int64_t dev, int64_t ino)
{
	char after_dev[24], after_ino[24], n[24];
	const char *params[] = { after_dev, after_ino, n };
	char *sql = sql_for(opt.from_file ? sql_link_names_chosen :
	    sql_link_names, pass.medium);
	int sent;

	snprintf(after_dev, sizeof after_dev, "%" PRId64, dev);
	snprintf(after_ino, sizeof after_ino, "%" PRId64, ino);
	snprintf(n, sizeof n, "%" PRIu64, opt.batch_size);
	sent = PQsendQueryParams(db, sql, 3, NULL, params, NULL, NULL, 1);
	free(sql);
	if (sent != 1) {
		PQclear(db_check(db, NULL));
		database_failed("read the names");
	}
}

static PGresult *
receive_batch(void)
{
	PGresult *res = db_check(db, PQgetResult(db)), *end;

	if (!res)
		database_failed("read the names");
	while ((end = PQgetResult(db)))
		PQclear(end);
	return res;
}

static int
compare_names(const void *a, const void *b)
{
	const struct relink_name *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* By path, so that each directory is opened once. */
static void
do_batch(PGresult *res)
{
	size_t rows = (size_t)PQntuples(res), count = 0, i;
	struct relink_name *list = xcalloc(rows, sizeof *list);
	int row;

	for (row = 0; row < (int)rows; row++) {
		if (PQgetisnull(res, row, 4) ||
		    PQgetlength(res, row, 4) == 0)
			continue;
		list[count].type = *PQgetvalue(res, row, 2);
		list[count].id = PQgetvalue(res, row, 3);
		list[count++].path = PQgetvalue(res, row, 4);
	}
	qsort(list, count, sizeof *list, compare_names);
	for (i = 0; i < count; i++) {
		check_interrupted();
		names++;
		if (pass.check)
			check_name(&list[i]);
		else
			repair_name(&list[i]);
	}
	free(list);
}

static void
count_inodes(PGresult *res)
{
	int row;

	for (row = 0; row < PQntuples(res); row++)
		pass.looked_at += row == 0 || cell_int8(res, row, 1) !=
		    cell_int8(res, row - 1, 1);
	progress_set(pass.looked_at);
}

/* For those who watch from elsewhere. */
static void
log_counts(enum log_event stage)
{
	struct buf event = BUF_INIT;

	log_begin(&event, stage);
	json_u64(&event, "inodes", pass.looked_at);
	json_u64(&event, "expected", pass.expected);
	json_u64(&event, "names", names);
	json_u64(&event, "made", made);
	json_u64(&event, "good", good);
	json_u64(&event, "failed", failures);
	json_u64(&event, "corrected", corrected);
	log_end(&event);
	buf_free(&event);
}

static void
do_names(void)
{
	time_t logged = time(NULL);
	PGresult *res;
	int last;

	/* by key: a table that is joined as a whole for each batch is slow */
	if (db_script(db, sql_link_by_key) < 0)
		database_failed("prepare");
	send_batch(INT64_MIN, INT64_MIN);
	for (;;) {
		res = receive_batch();
		if (link_add(db, sql_link_failed_add, &failed_ids) < 0)
			database_failed("note what failed");
		last = PQntuples(res) - 1;
		if (last < 0)
			break;
		send_batch(cell_int8(res, last, 0), cell_int8(res, last, 1));
		do_batch(res);
		count_inodes(res);
		PQclear(res);
		if (time(NULL) >= logged + LOG_SECONDS) {
			log_counts(LOG_RELINK_PROGRESS);
			logged = time(NULL);
		}
	}
	PQclear(res);
	if (db_script(db, "RESET enable_hashjoin; RESET enable_mergejoin") < 0)
		database_failed("prepare");
}

/* What a blob of the list has in this medium. */
static void
choose_inodes(void)
{
	char *sql = sql_for(sql_link_choose, pass.medium);

	if (db_script(db, sql) < 0)
		database_failed("find the files of the blobs");
	free(sql);
}

static uint64_t
expected_inodes(void)
{
	PGresult *res = db_query(db, sql_link_expected, pass.inodes);
	uint64_t n;

	if (!res)
		database_failed("look at the medium");
	n = PQntuples(res) ? (uint64_t)db_int(res, 0, 0) : 0;
	PQclear(res);
	return n;
}

/* 0: the medium has no tree, and without -m none is made. */
static int
open_tree(void)
{
	const char *root = config_get(CONFIG_ARCHIVED_ROOT);
	int rc = verify_tree_open(&at.there, root, pass.medium);

	if (rc >= 0 && !pass.check && (rc || only))
		rc = archived_open(&at.tree, root, pass.medium,
		    &at.store) < 0 ? -1 : 1;
	if (rc < 0 && errno == EXDEV)
		die(EXIT_USAGE, "ARCHIVED_ROOT (%s) and BYHASH_ROOT (%s) are "
		    "on different file systems, so no file can be linked",
		    quoted(root), quoted(config_get(CONFIG_BYHASH_ROOT)));
	if (rc < 0)
		die_errno("could not open the tree of %s below %s: %m",
		    pass.medium, quoted(root));
	return rc;
}

static void
do_medium(const char *medium, int check)
{
	pass = (struct pass){ .medium = medium, .check = check };
	/* without -m only trees that are there are repaired */
	if (!open_tree() && !only) {
		detail("%s has no tree", medium);
		return;
	}
	log_medium(medium);
	if (opt.from_file)
		choose_inodes();
	pass.inodes = opt.from_file ? xstrdup("link_inode") :
	    db_ident(db, "inode_p_", medium);
	pass.expected = expected_inodes();
	progress_start(check ? "checking" : "linking", "inodes",
	    PROGRESS_COUNT, pass.expected);
	do_names();
	progress_stop();
	if (!check && (archived_sync(&at.tree) < 0 ||
	    store_sync(&at.store) < 0))
		die_errno("could not make the links durable: %m");
	relink_close(&at);
	free(pass.inodes);
}

static void
do_media(int check)
{
	PGresult *res;
	int row;

	if (only) {
		do_medium(only, check);
		return;
	}
	res = db_query(db, sql_medium_all_loaded);
	if (!res)
		database_failed("list the media");
	for (row = 0; row < PQntuples(res); row++)
		do_medium(db_text(res, row, 0), check);
	PQclear(res);
}

static void
read_ids(void)
{
	struct id_list list;
	struct pgarray ids;
	char id[STORE_ID + 1];
	int rc;

	if (id_list_open(&list, opt.from_file) < 0)
		die_errno("could not open %s: %m", quoted(opt.from_file));
	pgarray_init(&ids, PGARRAY_TEXT);
	while ((rc = id_list_next(&list, id)) > 0) {
		pgarray_text(&ids, id);
		if (ids.count == 10000 &&
		    link_add(db, sql_link_blob_add, &ids) < 0)
			database_failed("note the blobs");
	}
	if (rc < 0)
		id_list_die(&list, opt.from_file);
	if (link_add(db, sql_link_blob_add, &ids) < 0)
		database_failed("note the blobs");
	pgarray_free(&ids);
	id_list_close(&list);
}

/* Ids nobody knows are failures too. */
static void
check_ids(void)
{
	PGresult *res = db_query(db, sql_link_unknown);
	int row;

	if (!res)
		database_failed("look up the blobs");
	for (row = 0; row < PQntuples(res); row++, failures++)
		if (failures < SHOWN)
			warn("the catalogue has no blob %s",
			    db_text(res, row, 0));
	PQclear(res);
}

static void
recount(void)
{
	int64_t n;

	progress_start("counting links", "blobs", PROGRESS_COUNT, 0);
	if (!opt.from_file && link_blobs_of(db, only) < 0)
		database_failed("list the blobs");
	n = link_recount(db, config_get(CONFIG_ARCHIVED_ROOT));
	progress_stop();
	if (n < 0)
		database_failed("count the links of blobs");
	corrected = (uint64_t)n;
}

static void
open_store(void)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);

	if (!*config_get(CONFIG_ARCHIVED_ROOT))
		die(EXIT_USAGE, "ARCHIVED_ROOT is empty: there are no trees");
	/* a disk that is not there has lost nothing */
	store_mark_need(db, CONFIG_BYHASH_ROOT, 0);
	store_mark_need(db, CONFIG_ARCHIVED_ROOT, 1);
	if (!opt.check_only) {
		store_mark_need_owner(CONFIG_BYHASH_ROOT);
		store_mark_need_owner(CONFIG_ARCHIVED_ROOT);
	}
	if (store_open(&at.store, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
	if (store_mark_private(CONFIG_BYHASH_ROOT))
		store_private(&at.store);
	at.heal.store = &at.store;
	at.heal.trees = config_get(CONFIG_ARCHIVED_ROOT);
}

static void
report(void)
{
	struct buf b = BUF_INIT;

	log_counts(LOG_RELINK_DONE);
	if (opt.json) {
		json_begin_object(&b, NULL);
		json_text(&b, "medium", only);
		json_u64(&b, "names", names);
		json_u64(&b, "made", made);
		json_u64(&b, "good", good);
		json_u64(&b, "failed", failures);
		json_u64(&b, "corrected", corrected);
		json_u64(&b, "healed", at.heal.healed);
		json_end_object(&b);
		puts(b.data);
		buf_free(&b);
		return;
	}
	printf("%s names, %s made, %s were right, %s %s",
	    num_grouped(names), num_grouped(made), num_grouped(good),
	    num_grouped(failures), opt.check_only ? "wrong" : "failed");
	if (corrected)
		printf("; the number of links of %s blobs was corrected",
		    num_grouped(corrected));
	if (at.heal.healed)
		printf("; %s blobs were healed from the tree",
		    num_grouped(at.heal.healed));
	putchar('\n');
}

/* The same names again; what failed is not counted twice. */
static void
verify_after(void)
{
	uint64_t names_before = names, good_before = good;
	uint64_t failures_before = failures;

	failures = 0;
	do_media(1);
	say("%s names looked at again, %s wrong",
	    num_grouped(names - names_before), num_grouped(failures));
	if (failures < failures_before)
		failures = failures_before;
	names = names_before;
	good = good_before;
}

static void
parse_options(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	opt.medium = prog_medium(0, 0);
	prog_operands(0, 0);
	if (!opt.medium && !opt.from_file)
		die_usage("a medium or --from-file F is missing");
	prog_config();
}

static void
open_catalogue(void)
{
	int loaded;

	db = db_need();
	if (opt.medium) {
		only = medium_named_hash(db, opt.medium);
		loaded = medium_loaded(db, only);
		if (loaded < 0)
			db_die("could not look at %s", only);
		if (!loaded)
			die(EXIT_FAILED, "medium %s is not loaded", only);
	}
	if (link_count_begin(db) < 0)
		database_failed("prepare");
}

int
main(int argc, char **argv)
{
	parse_options(argc, argv);
	open_catalogue();
	if (privilege_drop(NULL) < 0)
		die_errno("could not give up root rights: %m");
	log_open(config_get(CONFIG_LOG_DIR), prog.name, only);
	open_store();
	pgarray_init(&failed_ids, PGARRAY_TEXT);
	if (opt.from_file) {
		read_ids();
		check_ids();
	}
	sig_catch();
	do_media(opt.check_only);
	if (!opt.check_only)
		recount();
	if (opt.verify_after && !opt.check_only)
		verify_after();
	report();
	PQfinish(db);
	free(only);
	return failures ? EXIT_PARTIAL : EXIT_DONE;
}
