/*
 * ntt-loader: a .raw into the catalogue, all of it or nothing.
 *
 * Path rows go to the server while the input is read; inode rows wait in a
 * spool, because a connection does one COPY at a time and because only the
 * end tells whether every name of an inode is excluded.  From a pipe, which
 * may take hours, path rows wait too: no transaction is open before the last
 * byte has come.
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

#include "buf.h"
#include "config.h"
#include "db.h"
#include "diag.h"
#include "fsutil.h"
#include "json.h"
#include "load.h"
#include "log.h"
#include "medium.h"
#include "num.h"
#include "pattern.h"
#include "prog.h"
#include "progress.h"
#include "raw.h"
#include "seen.h"
#include "sig.h"
#include "spool.h"
#include "strip.h"

enum {
	WAIT_SECONDS = 600,
	DUPLICATES_LOGGED = 1000,
	LEAST_RECORD = 40		/* bytes, for an estimate */
};

/* What is kept of a record until its inode's row can be written. */
struct entry {
	uint64_t dev, ino, nlink, size;
	int64_t mtime;
	char type;
	char included;			/* its path is not excluded */
	char pad[6];
};

/* In front of the path of a record that may be a duplicate. */
struct suspect {
	struct entry entry;
	int64_t pattern;
	uint64_t record, path_len;
};

static struct {
	const char *input, *medium, *given_prefix, *ignore_file, *kind;
	int replace, force, drop, json, expecting;
	uint64_t expected;
	unsigned int wait;
	/* the input */
	int fd;
	int streamed;			/* a regular file: never waited for */
	uint64_t input_bytes;
	struct raw_reader reader;
	struct strip strip;
	struct pattern_set *patterns;
	struct load_medium row;
	char *human, *source_path;
	/* on the way */
	struct load load;
	struct seen_inodes inodes;
	struct seen_paths paths;
	struct spool entries, suspects;
	uint64_t suspect_count;
	double started;
	/* for the report */
	uint64_t inode_count, path_count, excluded, duplicates, oversized;
	uint64_t excluded_inodes, non_files, pending, pending_bytes;
} job;

static const struct option_help options[] = {
	{ 0, "strip", "PREFIX", "what the paths begin with, to be taken off" },
	{ 0, "replace", NULL, "replace what is loaded of the medium" },
	{ 0, "force", NULL, "with --replace, even if inodes are copied" },
	{ 0, "ignore", "FILE", "patterns of paths that are not to be copied" },
	{ 0, "expect", "N", "load nothing unless there are N records" },
	{ 0, "kind", "KIND", "device, image, directory, carved or raw" },
	{ 0, "wait", "SECONDS", "for locks that others hold (600)" },
	{ 0, "drop", NULL, "remove the medium's inodes and paths" },
	{ 0, "json", NULL, "print the result as JSON" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-loader",
	"[options] FILE.raw|- HASH\n--drop HASH",
	"Load the list of a medium's files into the catalogue",
	options
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

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
	log_begin(&event, "load_failed");
	json_string(&event, "reason", why.data);
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

static void __attribute__((noreturn))
spool_failed(void)
{
	give_up(exit_for_errno(errno), "could not keep rows in a temporary "
	    "file: %m");
}

static void
on_blocked(const char *text)
{
	struct buf event = BUF_INIT;

	progress_hide();
	warn("waiting for a lock; in the way: %s", text);
	log_begin(&event, "load_blocked");
	json_string(&event, "by", text);
	log_end(&event);
	buf_free(&event);
}

static void __attribute__((noreturn))
lock_held(const char *holder)
{
	give_up(EXIT_AGAIN, "medium %s is being loaded by %s", job.medium,
	    *holder ? holder : "another session");
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
	buf_free(&holder);
}

static void
refuse_if_loaded(void)
{
	if (job.load.state == LOAD_NEW)
		return;
	if (!job.replace)
		give_up(EXIT_REFUSED, "medium %s is loaded already (--replace "
		    "loads it again)", job.medium);
	if (job.load.state == LOAD_COPIED && !job.force)
		give_up(EXIT_REFUSED, "inodes of medium %s are copied already "
		    "(--replace --force forgets that)", job.medium);
}

/* The letter of the catalogue; legacy files have a mode in its place. */
static char
type_of(const struct raw_record *r)
{
	if (r->type == 'U')
		return '?';
	if (r->type != '?')
		return r->type;
	switch (r->mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFBLK: return 'b';
	case S_IFCHR: return 'c';
	case S_IFIFO: return 'p';
	case S_IFSOCK: return 's';
	default: return '?';
	}
}

/* Damaged file systems have sizes that cannot be. */
static uint64_t
size_of(const struct raw_record *r)
{
	uint64_t most = INT64_MAX;

	if (job.load.size_bytes >= 0 &&
	    (!strcmp(job.load.source_kind, "device") ||
	    !strcmp(job.load.source_kind, "image")))
		most = (uint64_t)job.load.size_bytes;
	if (r->size <= most)
		return r->size;
	job.oversized++;
	return most;
}

static void
put_path(struct copyin *c, const struct entry *e, const char *path,
    size_t len, int64_t pattern)
{
	copyin_int8(c, e->dev);
	copyin_int8(c, e->ino);
	copyin_bytes(c, path, len);
	if (pattern < 0) {
		copyin_null(c);
	} else {
		const char *text = pattern_text(job.patterns, (size_t)pattern);

		copyin_bytes(c, text, strlen(text));
	}
}

static size_t
room_for(size_t len, int64_t pattern)
{
	return 64 + len + (pattern < 0 ? 0 : strlen(pattern_text(job.patterns,
	    (size_t)pattern)));
}

static void
see_inode(const struct entry *e)
{
	switch (seen_inode(&job.inodes, e->dev, e->ino, e->included)) {
	case 0:
		return;
	case 1:
		job.inode_count++;
		if (spool_put(&job.entries, e, sizeof *e) < 0)
			spool_failed();
		return;
	default:
		give_up(EXIT_FAILED, "cannot load more than %d devices into "
		    "one medium", SEEN_DEVS_MAX);
	}
}

static void
accept_path(const struct entry *e, int64_t pattern)
{
	job.path_count++;
	job.excluded += pattern >= 0;
	see_inode(e);
}

static void
suspect_path(const struct entry *e, int64_t pattern, const char *path,
    size_t len)
{
	struct suspect s = {
		.entry = *e, .pattern = pattern,
		.record = job.reader.records, .path_len = len
	};

	job.suspect_count++;
	if (spool_put(&job.suspects, &s, sizeof s) < 0 ||
	    spool_put(&job.suspects, path, len) < 0)
		spool_failed();
}

static void
take_record(const struct raw_record *r)
{
	struct entry e = {
		.dev = r->dev, .ino = r->ino, .mtime = r->mtime,
		.nlink = r->nlink > INT64_MAX ? INT64_MAX : r->nlink,
		.size = size_of(r), .type = type_of(r)
	};
	int64_t pattern = -1;
	size_t len;
	const char *path = strip_path(&job.strip, r->path, r->path_len, &len);

	if (!path)
		give_up(EXIT_FAILED, "%s, byte %llu: path %s is not below %s "
		    "(see --strip)", quoted(job.input),
		    (unsigned long long)r->path_at,
		    quoted_bytes(r->path, r->path_len),
		    quoted(job.strip.prefix));
	if (job.patterns)
		pattern = pattern_match(job.patterns, path, len);
	e.included = pattern < 0;
	if (!seen_path(&job.paths, path, len)) {
		suspect_path(&e, pattern, path, len);
		return;
	}
	if (copyin_row(&job.load.paths, 4, room_for(len, pattern)) < 0) {
		job.load.err = job.load.paths.err;
		load_failed("load paths");
	}
	put_path(&job.load.paths, &e, path, len, pattern);
	accept_path(&e, pattern);
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

/* What the row of a medium that nobody has registered can say. */
static void
describe_medium(const struct raw_record *first)
{
	int carved = job.strip.rule == STRIP_MEDIUM && first->type != 'd';
	char *root = path_absolute(first->path);

	job.row.kind = job.kind ? job.kind : carved ? "carved" :
	    job.strip.rule != STRIP_MOUNT && type_of(first) != 'f' &&
	    is_directory(root) ? "directory" : "raw";
	if (!strcmp(job.row.kind, "directory")) {
		job.human = base_name(root);
		if (utf8_valid(root, strlen(root)))
			job.source_path = xstrdup(root);
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
	    job.expecting ? job.expected : 0);
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
	if (job.expecting && job.reader.records != job.expected)
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

/* The next suspect with its path in *path; 0 at the end. */
static int
next_suspect(struct suspect *s, struct buf *path)
{
	int rc = spool_get(&job.suspects, s, sizeof *s);

	buf_reset(path);
	if (rc > 0 && s->path_len > 0) {
		buf_reserve(path, s->path_len);
		rc = spool_get(&job.suspects, path->data, s->path_len);
	}
	if (rc < 0 || (rc == 0 && job.suspects.left > 0))
		spool_failed();
	path->len = rc > 0 ? s->path_len : 0;
	return rc;
}

static void
log_duplicate(const struct suspect *s, const struct buf *path)
{
	struct buf event = BUF_INIT;

	if (++job.duplicates > DUPLICATES_LOGGED)
		return;
	log_begin(&event, "duplicate_path");
	json_name(&event, "path", path->data ? path->data : "", path->len);
	json_u64(&event, "record", s->record);
	json_u64(&event, "dev", s->entry.dev);
	json_u64(&event, "ino", s->entry.ino);
	log_end(&event);
	buf_free(&event);
}

static void
send_suspects(struct copyin *c)
{
	struct buf path = BUF_INIT;
	struct suspect s;
	uint64_t number = 0;

	if (spool_rewind(&job.suspects) < 0)
		spool_failed();
	while (next_suspect(&s, &path)) {
		if (copyin_row(c, 5, 16 + room_for(path.len, s.pattern)) < 0) {
			job.load.err = c->err;
			load_failed("compare paths");
		}
		copyin_int8(c, number++);
		put_path(c, &s.entry, path.data ? path.data : "", path.len,
		    s.pattern);
	}
	buf_free(&path);
}

/*
 * Fingerprints that were there before: the server compares the paths
 * themselves.  The first of several equal ones stays.
 */
static void
judge_suspects(void)
{
	struct copyin c;
	struct buf path = BUF_INIT;
	struct suspect s;
	uint64_t *innocent, number;
	size_t count, next = 0;

	if (job.suspect_count == 0)
		return;
	copyin_init(&c);
	if (load_suspects_begin(&job.load, &c) < 0)
		load_failed("compare paths");
	send_suspects(&c);
	if (load_suspects_end(&job.load, &c, &innocent, &count) < 0)
		load_failed("compare paths");
	if (spool_rewind(&job.suspects) < 0)
		spool_failed();
	for (number = 0; next_suspect(&s, &path); number++) {
		if (next < count && innocent[next] == number) {
			next++;
			accept_path(&s.entry, s.pattern);
		} else {
			log_duplicate(&s, &path);
		}
	}
	free(innocent);
	buf_free(&path);
	copyin_free(&c);
}

static const char *
status_of(const struct entry *e)
{
	if (!e->included && !seen_inode_marked(&job.inodes, e->dev, e->ino)) {
		job.excluded_inodes++;
		return "excluded";
	}
	if (strchr("dbcps", e->type)) {
		job.non_files++;
		return "non_file";
	}
	job.pending++;
	job.pending_bytes += e->size;
	return "pending";
}

static void
send_inodes(void)
{
	struct copyin *c = &job.load.inodes;
	const char *status;
	struct entry e;
	int rc;

	if (load_inodes_begin(&job.load) < 0)
		load_failed("load inodes");
	if (spool_rewind(&job.entries) < 0)
		spool_failed();
	while ((rc = spool_get(&job.entries, &e, sizeof e)) > 0) {
		if (copyin_row(c, 7, 128) < 0) {
			job.load.err = c->err;
			load_failed("load inodes");
		}
		copyin_int8(c, e.dev);
		copyin_int8(c, e.ino);
		copyin_int8(c, e.nlink);
		copyin_int8(c, e.size);
		copyin_int8(c, (uint64_t)e.mtime);
		status = status_of(&e);
		copyin_bytes(c, status, strlen(status));
		copyin_bytes(c, &e.type, 1);
	}
	if (rc < 0)
		spool_failed();
}

static void
put_counts(struct buf *b)
{
	json_u64(b, "records", job.reader.records);
	json_u64(b, "inodes", job.inode_count);
	json_u64(b, "paths", job.path_count);
	json_u64(b, "excluded", job.excluded);
	json_u64(b, "duplicates", job.duplicates);
	json_u64(b, "oversized", job.oversized);
	json_u64(b, "excluded_inodes", job.excluded_inodes);
	json_u64(b, "non_files", job.non_files);
	json_u64(b, "pending", job.pending);
	json_u64(b, "pending_bytes", job.pending_bytes);
}

static void
finish_load(void)
{
	struct buf counts = BUF_INIT, problems = BUF_INIT;

	json_object(&counts, NULL);
	put_counts(&counts);
	json_end_object(&counts);
	json_object(&problems, NULL);
	if (job.duplicates)
		json_u64(&problems, "duplicate_paths", job.duplicates);
	if (job.oversized)
		json_u64(&problems, "oversized_files", job.oversized);
	json_end_object(&problems);
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

		log_begin(&event, "load_pattern");
		json_name(&event, "pattern", text, strlen(text));
		json_u64(&event, "count", pattern_hits(job.patterns, i));
		log_end(&event);
		detail("%s paths excluded by %s",
		    num_grouped(pattern_hits(job.patterns, i)), quoted(text));
	}
	buf_free(&event);
}

static void
report(void)
{
	double seconds = now() - job.started;
	double rate = seconds > 0 ? (double)job.reader.records / seconds : 0;
	struct buf b = BUF_INIT;

	log_patterns();
	log_begin(&b, "load_done");
	put_counts(&b);
	json_double(&b, "seconds", seconds);
	json_u64(&b, "rows_per_second", (uint64_t)rate);
	log_end(&b);
	if (job.json) {
		json_object(&b, NULL);
		json_string(&b, "medium", job.medium);
		put_counts(&b);
		json_double(&b, "seconds", seconds);
		json_u64(&b, "rows_per_second", (uint64_t)rate);
		json_end_object(&b);
		puts(b.data);
	} else {
		printf("records %llu\ninodes %llu\npaths %llu\nexcluded %llu\n"
		    "duplicates %llu\nseconds %.2f\nrows/s %.0f\n",
		    (unsigned long long)job.reader.records,
		    (unsigned long long)job.inode_count,
		    (unsigned long long)job.path_count,
		    (unsigned long long)job.excluded,
		    (unsigned long long)job.duplicates, seconds, rate);
	}
	buf_free(&b);
	if (job.duplicates)
		warn("%s duplicate paths: the first of each was kept",
		    num_grouped(job.duplicates));
	if (job.oversized)
		warn("%s files are larger than the medium: their sizes were "
		    "cut", num_grouped(job.oversized));
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

static int
load(void)
{
	struct buf event = BUF_INIT;

	load_patterns();
	open_input();
	log_begin(&event, "load_begin");
	json_name(&event, "input", job.input, strlen(job.input));
	log_end(&event);
	buf_free(&event);
	open_catalogue();
	refuse_if_loaded();
	seen_inodes_init(&job.inodes);
	seen_paths_init(&job.paths);
	spool_init(&job.entries);
	spool_init(&job.suspects);
	read_input();
	if (!job.streamed)
		begin_late();
	if (load_paths_done(&job.load) < 0)
		load_failed("load paths");
	judge_suspects();
	seen_paths_free(&job.paths);
	send_inodes();
	finish_load();
	load_close(&job.load);
	report();
	return EXIT_DONE;
}

static int
drop(void)
{
	struct buf event = BUF_INIT;
	PGconn *db = db_open();
	uint64_t rows;
	char *found;
	int matches;

	if (!db)
		db_die("could not open the catalogue");
	found = load_find_medium(db, job.medium, &matches);
	if (matches < 0)
		db_die("could not look for medium %s", job.medium);
	if (matches > 1)
		die(EXIT_FAILED, "%s is the beginning of several media",
		    job.medium);
	PQfinish(db);
	if (found)
		job.medium = found;
	log_medium(job.medium);
	open_catalogue();
	if (!found && job.load.state == LOAD_NEW)
		give_up(EXIT_FAILED, "there is no medium %s", job.medium);
	if (job.load.state == LOAD_NEW)
		give_up(EXIT_REFUSED, "medium %s is not loaded", job.medium);
	if (load_drop(&job.load, &rows) < 0)
		load_failed("drop the tables of the medium");
	load_close(&job.load);
	log_begin(&event, "load_dropped");
	json_u64(&event, "inodes", rows);
	log_end(&event);
	buf_free(&event);
	say("dropped %s inodes of medium %s", num_grouped(rows), job.medium);
	free(found);
	return EXIT_DONE;
}

static void
check_kind(void)
{
	static const char *const kinds[] = { "device", "image", "directory",
		"carved", "raw" };
	unsigned int i;

	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (!strcmp(job.kind, kinds[i]))
			return;
	die_usage("--kind must be device, image, directory, carved or raw, "
	    "not %s", quoted(job.kind));
}

static void
read_arguments(int argc, char **argv)
{
	const char *name, *value;

	job.wait = WAIT_SECONDS;
	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value))) {
		if (!strcmp(name, "strip"))
			job.given_prefix = value;
		else if (!strcmp(name, "replace"))
			job.replace = 1;
		else if (!strcmp(name, "force"))
			job.force = 1;
		else if (!strcmp(name, "ignore"))
			job.ignore_file = value;
		else if (!strcmp(name, "kind"))
			job.kind = value;
		else if (!strcmp(name, "drop"))
			job.drop = 1;
		else if (!strcmp(name, "json"))
			job.json = 1;
		else if (!strcmp(name, "wait"))
			job.wait = (unsigned int)num_arg("--wait", value, 0,
			    1 << 30);
		else if (!strcmp(name, "expect")) {
			job.expecting = 1;
			job.expected = num_arg("--expect", value, 0,
			    UINT64_MAX);
		}
	}
	prog_operands(job.drop ? 1 : 2, job.drop ? 1 : 2);
	job.input = job.drop ? NULL : prog_operand(0);
	job.medium = prog_operand(job.drop ? 0 : 1);
	if (!medium_valid(job.medium))
		die_usage("invalid medium hash or label %s",
		    quoted(job.medium));
	if (job.kind)
		check_kind();
}

int
main(int argc, char **argv)
{
	read_arguments(argc, argv);
	prog_config();
	sig_catch();
	job.started = now();
	log_open(config_get(CONFIG_LOG_DIR), prog.name, job.medium);
	return job.drop ? drop() : load();
}
