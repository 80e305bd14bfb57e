/*
 * ntt-loader: loads a .raw into the catalogue, all of it or nothing.
 *
 * Path rows go to the server while the input is read; inode rows wait in a
 * spool, because a connection does one COPY at a time and because only at the
 * end of the input it is known whether every name of an inode is excluded.  If
 * the input is a pipe, which may take hours, path rows wait, too: no
 * transaction is open before the last byte has come.
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

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/log.h"
#include "base/medium_files.h"
#include "base/medium_name.h"
#include "base/num.h"
#include "base/procstat.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/queue.h"
#include "raw/pattern.h"
#include "raw/raw.h"
#include "intake.h"
#include "load.h"
#include "strip.h"

enum {
	WAIT_SECONDS = 600,
	PREFIX_MIN = 8,			/* digits; shorter ones are labels */
	DUPLICATES_LOGGED = 1000,
	LEAST_RECORD = 40		/* bytes, for an estimate */
};

static struct {
	const char *unless_same, *take_over;
	const char *input, *medium, *given_prefix, *ignore_file, *kind;
	int replace, add, refresh, force, drop, yes, json, no_index;
	uint64_t expected;		/* UINT64_MAX: any number */
	unsigned int wait;
	/* the input */
	int fd;
	int streamed;			/* a regular file: never waited for */
	uint64_t input_bytes;
	struct raw_reader reader;
	struct strip strip;
	struct pattern_set *patterns;
	struct load_medium row;
	char *human, *source_path, *image_path, image_size[24];
	char listing[LISTING_HEX + 1];	/* "": of no directory, or unknown */
	struct load load;
	struct intake intake;
	double started;
} job;

static const char *const kinds[] = {
	"device", "image", "directory", "carved", "raw", NULL
};

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "strip", "PREFIX", "what the paths begin with, to be taken off",
		OPT_TEXT(&job.given_prefix) },
	{ 0, "replace", NULL, "replace what is loaded of the medium",
		OPT_FLAG(&job.replace) },
	{ 0, "add", NULL, "add what a second walk of the medium found",
		OPT_FLAG(&job.add) },
	{ 0, "refresh", NULL, "the same of a directory, which may have changed",
		OPT_FLAG(&job.refresh) },
	{ 0, "unless-same-as", "MEDIUM", "load nothing if its listing is this",
		OPT_TEXT(&job.unless_same) },
	{ 0, "take-over", "MEDIUM", "files that are as they were in this state "
		"of the directory need not be read",
		OPT_TEXT(&job.take_over) },
	{ 0, "force", NULL, "with --replace, even if inodes are copied",
		OPT_FLAG(&job.force) },
	{ 0, "ignore", "FILE", "patterns of paths that are not to be copied",
		OPT_TEXT(&job.ignore_file) },
	{ 0, "expect", "N", "load nothing unless there are N records",
		OPT_U64(&job.expected, 0, UINT64_MAX - 1) },
	{ 0, "kind", "KIND", "device, image, directory, carved or raw",
		OPT_WORD(&job.kind, kinds) },
	{ 0, "wait", "SECONDS", "for locks that others hold (600)",
		OPT_UINT(&job.wait, 0, 1 << 30) },
	{ 0, "no-index", NULL, "leave the index of names to \"ntt-db index\"",
		OPT_FLAG(&job.no_index) },
	{ 0, "drop", NULL, "remove the medium's inodes and paths",
		OPT_FLAG(&job.drop) },
	{ 0, "yes", NULL, "with --drop: do not ask", OPT_FLAG(&job.yes) },
	{ 0, "json", NULL, "print the result as JSON", OPT_FLAG(&job.json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-loader",
	"[options] FILE.raw|- MEDIUM\n--drop MEDIUM",
	"Load the list of a medium's files into the catalogue"
};

/* Nothing was committed, and ending the connection leaves nothing behind. */
static void __attribute__((noreturn, format(printf, 2, 3)))
give_up(int status, const char *fmt, ...)
{
	struct buf why = BUF_INIT, event = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&why, fmt, ap);
	va_end(ap);
	progress_stop();
	log_begin(&event, LOG_LOAD_FAILED);
	json_text(&event, "reason", why.data);
	json_i64(&event, "status", status);
	log_end(&event);
	die(status, "%s", why.data);
}

static void __attribute__((noreturn))
interrupted(void)
{
	give_up(EXIT_SIGNAL + sig_caught(), "interrupted by %s; nothing was "
	    "loaded", strsignal(sig_caught()));
}

/* After a function of load.h or copyin.h returned -1. */
static void __attribute__((noreturn))
load_failed(const char *doing)
{
	int err = job.load.err;

	if (err == EINTR && sig_caught())
		interrupted();
	if (err == 0)
		give_up(db_status(), "could not %s: %s", doing, db_error());
	errno = err;
	give_up(exit_for_errno(err), "could not %s: %m", doing);
}

static void
on_blocked(const char *text)
{
	struct buf event = BUF_INIT;

	progress_hide();
	warn("waiting for a lock; in the way: %s", text);
	log_begin(&event, LOG_LOAD_BLOCKED);
	json_text(&event, "by", text);
	log_end(&event);
	buf_free(&event);
}

static void __attribute__((noreturn))
lock_held(const char *holder)
{
	give_up(EXIT_AGAIN, "medium %s is being loaded by %s", job.medium,
	    *holder ? holder : "another session");
}

/* The hash of the medium of an option, named as people name one. */
static const char *
state_before(const char *name)
{
	return name ? medium_named_hash(job.load.db, name) : NULL;
}

static void
open_catalogue(void)
{
	struct buf holder = BUF_INIT;
	int rc = load_open(&job.load, job.medium, job.wait, &holder);

	if (rc < 0)
		load_failed("open the catalogue");
	if (rc > 0)
		lock_held(holder.data ? holder.data : "");
	job.load.blocked = on_blocked;
	job.unless_same = state_before(job.unless_same);
	job.load.take_over = state_before(job.take_over);
	job.load.merge = job.add ? LOAD_ADD : job.refresh ? LOAD_REFRESH :
	    LOAD_REPLACE;
	buf_free(&holder);
}

/* Who removed it may have had to. */
static void
refuse_if_removed(void)
{
	int failed;
	char *how = medium_removed(job.load.db, job.medium, &failed);

	if (failed)
		load_failed("ask whether the medium was removed");
	if (how && !job.force)
		give_up(EXIT_REFUSED, "medium %s was removed %s: --force takes "
		    "it in again", job.medium, how);
	free(how);
}

static void
refuse_if_loaded(void)
{
	refuse_if_removed();
	if (job.load.state == LOAD_NEW || job.add || job.refresh)
		return;
	if (!job.replace)
		give_up(EXIT_REFUSED, "medium %s is loaded already (--replace "
		    "loads it again)", job.medium);
	if (job.load.state == LOAD_COPIED && !job.force)
		give_up(EXIT_REFUSED, "inodes of medium %s are copied already "
		    "(--replace --force forgets that)", job.medium);
}

/* After a function of intake.h returned -1. */
static void __attribute__((noreturn))
intake_failed(void)
{
	load_failed(job.intake.doing);
}

static void
on_duplicate(const struct intake_entry *e, uint64_t number, const char *path,
    size_t len)
{
	struct buf event = BUF_INIT;

	if (job.intake.counts.duplicates > DUPLICATES_LOGGED)
		return;
	log_begin(&event, LOG_DUPLICATE_PATH);
	json_name(&event, "path", path, len);
	json_u64(&event, "record", number);
	json_u64(&event, "dev", e->dev);
	json_u64(&event, "ino", e->ino);
	log_end(&event);
	buf_free(&event);
}

static void
take_record(const struct raw_record *r)
{
	int rc = intake_record(&job.intake, r, job.reader.records);

	if (rc < 0)
		intake_failed();
	if (rc > 0)
		give_up(EXIT_FAILED, "%s, byte %llu: path %s is not below %s "
		    "(see --strip)", quoted(job.input),
		    (unsigned long long)r->path_at,
		    quoted_bytes(r->path, r->path_len),
		    quoted(job.strip.prefix));
}

/* A record, or 0 at the end. */
static int
next_record(struct raw_record *r)
{
	int rc;

	while ((rc = raw_next(&job.reader, r)) < 0 && errno == EINTR)
		if (sig_caught())
			interrupted();
	if (rc >= 0)
		return rc;
	if (errno)
		give_up(exit_for_errno(errno), "could not read %s: %m",
		    quoted(job.input));
	give_up(EXIT_FAILED, "%s is damaged at byte %llu (record %llu): %s; "
	    "nothing was loaded", quoted(job.input),
	    (unsigned long long)job.reader.offset,
	    (unsigned long long)job.reader.records + 1, job.reader.error);
}

static int
is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return xstrdup(slash && slash[1] ? slash + 1 : path);
}

/* An ordinary directory: neither a mount, nor where images are mounted. */
static int
is_plain_directory(const char *root)
{
	char *point = medium_mount_point(job.medium);
	char *above = path_join(root, "..");
	struct stat st, parent;
	int plain = strcmp(root, point) != 0 && stat(root, &st) == 0 &&
	    stat(above, &parent) == 0 && st.st_dev == parent.st_dev;

	free(above);
	free(point);
	return plain;
}

/* What the row of a medium that nobody has registered can say. */
static void
describe_medium(const struct raw_record *first)
{
	int carved = job.strip.rule == STRIP_MEDIUM && first->type != 'd';
	char *root = path_absolute(first->path);
	char *image = medium_image(job.medium);
	struct stat st;

	if ((!job.kind || !strcmp(job.kind, "image")) && !carved &&
	    !is_plain_directory(root) && stat(image, &st) == 0 &&
	    S_ISREG(st.st_mode)) {
		job.kind = "image";
		job.row.image_path = job.image_path = db_path(image);
		snprintf(job.image_size, sizeof job.image_size, "%lld",
		    (long long)st.st_size);
		job.row.image_size = job.image_size;
	}
	free(image);
	job.row.kind = job.kind ? job.kind : carved ? "carved" :
	    job.strip.rule != STRIP_MOUNT && intake_type(first) != 'f' &&
	    is_directory(root) ? "directory" : "raw";
	if (!strcmp(job.row.kind, "directory")) {
		job.human = base_name(root);
		job.source_path = db_path(root);
	} else if (strcmp(job.input, "-") != 0) {
		job.human = base_name(job.input);
	}
	if (job.human && utf8_valid(job.human, strlen(job.human)))
		job.row.human = job.human;
	job.row.source_path = job.source_path;
	free(root);
}

static void
find_prefix(const struct raw_record *first)
{
	if (strip_init(&job.strip, job.given_prefix,
	    config_get(CONFIG_MOUNT_ROOT), job.medium, first) < 0)
		give_up(EXIT_FAILED, "%s: the first record, %s, is no "
		    "directory, so what to take off the paths is unknown "
		    "(see --strip)", quoted(job.input),
		    quoted_bytes(first->path, first->path_len));
	describe_medium(first);
	detail("taking %s off the paths", quoted(job.strip.prefix));
}

static void
begin_load(void)
{
	uint64_t rows = job.streamed ? job.input_bytes / LEAST_RECORD :
	    job.reader.records;

	if (load_begin(&job.load, rows) < 0)
		load_failed("begin the load");
}

static void
read_input(void)
{
	struct raw_record r;
	int is_first = 1;

	progress_start("loading", "records", job.streamed ? PROGRESS_BYTES :
	    PROGRESS_COUNT, job.streamed ? job.input_bytes :
	    job.expected == UINT64_MAX ? 0 : job.expected);
	while (next_record(&r)) {
		if (is_first) {
			find_prefix(&r);
			if (job.streamed)
				begin_load();
			is_first = 0;
		}
		take_record(&r);
		if (job.reader.records % 1024 == 0)
			progress_set(job.streamed ? job.reader.offset :
			    job.reader.records);
	}
	progress_stop();
	if (intake_records_done(&job.intake) < 0)
		intake_failed();
	if (job.expected != UINT64_MAX &&
	    job.reader.records != job.expected)
		give_up(EXIT_FAILED, "%s has %llu records, not the expected "
		    "%llu; nothing was loaded", quoted(job.input),
		    (unsigned long long)job.reader.records,
		    (unsigned long long)job.expected);
}

/* The pipe has come to its end, perhaps hours after we connected. */
static void
begin_late(void)
{
	struct buf holder = BUF_INIT;
	int rc = load_wake(&job.load, &holder);

	if (rc < 0)
		load_failed("open the catalogue again");
	if (rc > 0)
		lock_held(holder.data ? holder.data : "");
	refuse_if_loaded();
	begin_load();
	buf_free(&holder);
}

static void
put_counts(struct buf *b)
{
	const struct intake_counts *c = &job.intake.counts;

	json_u64(b, "records", job.reader.records);
	json_u64(b, "inodes", c->inodes);
	json_u64(b, "paths", c->paths);
	json_u64(b, "excluded", c->excluded);
	json_u64(b, "duplicates", c->duplicates);
	json_u64(b, "oversized", c->oversized);
	json_u64(b, "with_metadata", c->with_meta);
	json_u64(b, "omissions", c->omissions);
	json_u64(b, "excluded_inodes", c->excluded_inodes);
	json_u64(b, "non_files", c->non_files);
	json_u64(b, "pending", c->pending);
	json_u64(b, "pending_bytes", c->pending_bytes);
}

/*
 * Not where it is unsure: what was met twice may have been a file first, and
 * what an earlier list had stays without its directories.
 */
static void
put_implied(struct buf *b)
{
	if (job.intake.counts.duplicates == 0 && !load_merges(&job.load))
		json_u64(b, "implied_directories",
		    parents_missing(&job.intake.parents));
}

/* Where the list is, for ntt-archiver, which looks in RAW_ROOT by itself. */
static void
put_list(struct buf *b)
{
	char *path;

	struct stat st;

	if (!job.streamed || stat(job.input, &st) < 0)
		return;
	path = realpath(job.input, NULL);
	if (path) {
		json_name(b, "list", path, strlen(path));
		json_i64(b, "list_bytes", (int64_t)st.st_size);
		json_i64(b, "list_mtime", (int64_t)st.st_mtime);
	}
	free(path);
}

static void
finish_load(void)
{
	const struct intake_counts *c = &job.intake.counts;
	struct buf counts = BUF_INIT, problems = BUF_INIT;

	json_begin_object(&counts, NULL);
	put_counts(&counts);
	put_implied(&counts);
	put_list(&counts);
	json_end_object(&counts);
	json_begin_object(&problems, NULL);
	if (c->duplicates)
		json_u64(&problems, "duplicate_paths", c->duplicates);
	if (c->oversized)
		json_u64(&problems, "oversized_files", c->oversized);
	json_end_object(&problems);
	job.row.listing = *job.listing ? job.listing : NULL;
	job.row.counts = counts.data;
	job.row.problems = problems.data;
	if (load_finish(&job.load, &job.row) < 0)
		load_failed("finish the load");
	buf_free(&counts);
	buf_free(&problems);
}

static void
log_patterns(void)
{
	struct buf event = BUF_INIT;
	size_t i;

	for (i = 0; job.patterns && i < pattern_count(job.patterns); i++) {
		const char *text = pattern_text(job.patterns, i);

		log_begin(&event, LOG_LOAD_PATTERN);
		json_name(&event, "pattern", text, strlen(text));
		json_u64(&event, "count", pattern_hits(job.patterns, i));
		log_end(&event);
		detail("%s paths excluded by %s",
		    num_grouped(pattern_hits(job.patterns, i)), quoted(text));
	}
	buf_free(&event);
}

static void
report(uint64_t omitted)
{
	const struct intake_counts *c = &job.intake.counts;
	double seconds = monotonic_s() - job.started;
	double rate = seconds > 0 ? (double)job.reader.records / seconds : 0;
	struct buf b = BUF_INIT;

	log_patterns();
	log_begin(&b, LOG_LOAD_DONE);
	put_counts(&b);
	json_double(&b, "seconds", seconds);
	json_u64(&b, "rows_per_second", (uint64_t)rate);
	log_end(&b);
	if (job.json) {
		json_begin_object(&b, NULL);
		json_text(&b, "medium", job.medium);
		put_counts(&b);
		json_double(&b, "seconds", seconds);
		json_u64(&b, "rows_per_second", (uint64_t)rate);
		json_end_object(&b);
		puts(b.data);
	} else {
		printf("records %llu\ninodes %llu\npaths %llu\nexcluded %llu\n"
		    "duplicates %llu\nseconds %.2f\nrows/s %.0f\n",
		    (unsigned long long)job.reader.records,
		    (unsigned long long)c->inodes,
		    (unsigned long long)c->paths,
		    (unsigned long long)c->excluded,
		    (unsigned long long)c->duplicates, seconds, rate);
	}
	buf_free(&b);
	if (c->duplicates)
		warn("%s duplicate paths: the first of each was kept",
		    num_grouped(c->duplicates));
	if (!c->with_meta)
		detail("the list has no metadata (see ntt-enum --meta)");
	if (c->oversized)
		warn("%s files say that they are larger than the medium",
		    num_grouped(c->oversized));
	if (omitted)
		warn("the list lacks %s things: ntt-recover-failed "
		    "list-omissions -m %s", num_grouped(omitted), job.medium);
	if (log_failed()) {
		errno = log_failed();
		warn("could not write the log in %s: %m",
		    quoted(config_get(CONFIG_LOG_DIR)));
	}
}

static void
open_input(void)
{
	struct stat st;

	job.fd = STDIN_FILENO;
	if (strcmp(job.input, "-") != 0)
		job.fd = open(job.input, O_RDONLY | O_CLOEXEC);
	if (job.fd < 0 || fstat(job.fd, &st) < 0)
		die_errno("could not open %s: %m", quoted(job.input));
	if (S_ISDIR(st.st_mode))
		die(EXIT_FAILED, "cannot load %s: it is a directory",
		    quoted(job.input));
	if (isatty(job.fd))
		die_usage("a .raw stream does not come from a terminal");
	job.streamed = S_ISREG(st.st_mode);
	job.input_bytes = job.streamed ? (uint64_t)st.st_size : 0;
	raw_reader_init(&job.reader, job.fd);
}

static void
load_patterns(void)
{
	char *error;

	if (!job.ignore_file)
		job.ignore_file = config_get(CONFIG_IGNORE_PATTERNS);
	if (!job.ignore_file || !*job.ignore_file)
		return;
	job.patterns = pattern_load(job.ignore_file, &error);
	if (!job.patterns)
		die(EXIT_USAGE, "%s", error);
	if (pattern_count(job.patterns) == 0) {
		pattern_free(job.patterns);
		job.patterns = NULL;
	}
}

/* A directory that has not changed needs no new state. */
static void
refuse_same(void)
{
	int same;

	if (!listing_digest(&job.intake.listing, job.listing) ||
	    !job.unless_same)
		return;
	same = load_same_listing(&job.load, job.unless_same, job.listing);
	if (same < 0)
		load_failed("compare the listing");
	if (same)
		give_up(EXIT_REFUSED, "nothing has changed since %s: %s "
		    "entries compared", job.unless_same,
		    num_grouped(job.intake.listing.entries));
}

/*
 * The medium is loaded, whatever becomes of this: names that the index lacks
 * are found in the catalogue.
 */
static void
renew_index(void)
{
	char *argv[] = { (char *)"ntt-db", (char *)"-q", (char *)"index",
		NULL };
	struct spawn_io io = SPAWN_INHERIT;
	int status;

	if (job.no_index)
		return;
	if (!program_installed("plocate")) {
		detail("plocate is not installed, so there is no index of "
		    "names");
		return;
	}
	io.in = SPAWN_NULL;
	io.out = SPAWN_NULL;
	status = run(argv, &io);
	if (status == EXIT_AGAIN)
		detail("the index of names is being made by somebody else");
	else if (status != EXIT_DONE && status != EXIT_REFUSED)
		warn("%s is loaded, but its names did not get into the index "
		    "(\"ntt-db index\" ended with status %d)", job.medium,
		    status);
}

static int
load(void)
{
	struct buf event = BUF_INIT;
	uint64_t omitted;

	load_patterns();
	open_input();
	log_begin(&event, LOG_LOAD_BEGIN);
	json_name(&event, "input", job.input, strlen(job.input));
	log_end(&event);
	buf_free(&event);
	open_catalogue();
	refuse_if_loaded();
	intake_init(&job.intake, &job.load, &job.strip, job.patterns);
	job.intake.duplicate = on_duplicate;
	job.intake.wants_listing = job.unless_same ||
	    (job.kind && !strcmp(job.kind, "directory"));
	read_input();
	if (!job.streamed) {
		refuse_same();
		begin_late();
	}
	if (load_paths_done(&job.load) < 0)
		load_failed("load paths");
	if (job.streamed)
		refuse_same();	/* now that its paths are not on their way */
	if (intake_judge(&job.intake) < 0 || intake_inodes(&job.intake) < 0)
		intake_failed();
	finish_load();
	omitted = job.load.omitted;
	load_close(&job.load);
	report(omitted);
	fflush(stdout);
	renew_index();
	intake_free(&job.intake);
	return omitted ? EXIT_PARTIAL : EXIT_DONE;
}

/* The beginning of its hash is typed by who means this medium. */
static void
confirm_drop(void)
{
	char answer[80] = "";
	size_t len = strlen(job.medium) < 8 ? strlen(job.medium) : 8;
	int workers = queue_workers(job.load.db, job.medium);

	if (workers < 0)
		load_failed("look for copiers");
	if (workers > 0)
		give_up(EXIT_AGAIN, "%d copiers are at work on %s: stop them "
		    "first (ntt-stop-workers), or wait", workers, job.medium);
	if (job.yes)
		return;
	fprintf(stderr, "This drops the list of %s from the catalogue.  The "
	    "store, its tree and its archive stay.\nType the first %zu "
	    "characters of its hash to go on: ", job.medium, len);
	if (!fgets(answer, sizeof answer, stdin) ||
	    strcspn(answer, "\n") != len ||
	    strncmp(answer, job.medium, len))
		give_up(EXIT_REFUSED, "not confirmed, nothing changed");
}

static int
drop(void)
{
	struct buf event = BUF_INIT;
	uint64_t rows;

	open_catalogue();
	if (job.load.state == LOAD_NEW && !job.load.known)
		give_up(EXIT_FAILED, "there is no medium %s", job.medium);
	if (job.load.state == LOAD_NEW)
		give_up(EXIT_REFUSED, "medium %s is not loaded", job.medium);
	confirm_drop();
	if (load_drop(&job.load, &rows) < 0)
		load_failed("drop the tables of the medium");
	load_close(&job.load);
	log_begin(&event, LOG_LOAD_DROPPED);
	json_u64(&event, "inodes", rows);
	log_end(&event);
	buf_free(&event);
	say("dropped %s inodes of medium %s", num_grouped(rows), job.medium);
	return EXIT_DONE;
}

/*
 * The beginning of the hash of a medium that is there means that medium.
 * Anything else is a name of its own: words of a message name nothing here.
 */
static void
resolve_medium(void)
{
	char *hashes[MEDIUM_CANDIDATES];
	size_t len = strlen(job.medium);
	PGconn *db;
	int n;

	if (len < PREFIX_MIN || len >= 32 ||
	    strspn(job.medium, "0123456789abcdef") != len)
		return;
	db = db_need();
	n = medium_find(db, job.medium, hashes);
	if (n < 0)
		db_die("could not look for medium %s", job.medium);
	if (n > 1)
		job.medium = medium_named_hash(db, job.medium);
	if (n == 1 && !strncmp(hashes[0], job.medium, len))
		job.medium = hashes[0];
	PQfinish(db);
}

static void
read_arguments(int argc, char **argv)
{
	job.wait = WAIT_SECONDS;
	job.expected = UINT64_MAX;
	prog_start(&prog, argc, argv);
	prog_options(options);
	job.medium = prog_need_medium(!job.drop, !job.drop);
	prog_operands(!job.drop, !job.drop);
	job.input = prog_operand(0);
	if (!medium_valid(job.medium))
		die_usage("invalid medium hash or label %s",
		    quoted(job.medium));
	if (job.add + job.refresh + job.replace > 1)
		die_usage("--add, --refresh and --replace exclude each other");
}

int
main(int argc, char **argv)
{
	read_arguments(argc, argv);
	prog_config();
	sig_catch();
	job.started = monotonic_s();
	resolve_medium();
	log_open(config_get(CONFIG_LOG_DIR), prog.name, job.medium);
	return job.drop ? drop() : load();
}
