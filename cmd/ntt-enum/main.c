/* Lists every entry of one file system as a .raw stream. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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
#include "base/tempfile.h"
#include "base/use_lock.h"
#include "hash/blake3_hex.h"
#include "mount/mounted.h"
#include "raw/pattern.h"
#include "raw/raw.h"
#include "scan.h"

enum {
	TICK_MS = 200,
	SILENCE = 60,			/* seconds before a word about it */
	CRAWL_WINDOW = 60,		/* seconds */
	CRAWL_RATE = 1000,		/* records a second */
	HFSPLUS = 0x482b,		/* statfs(2) */
	PROBLEMS_SHOWN = 10,
	WRITEBACK_EVERY = 16 << 20
};

struct error_count {
	int err;
	uint64_t count;
};

struct partition {
	char *name;
	uint64_t dev, records, problems;
};

static struct {
	const char *root, *medium, *output, *ignore_file;
	int to_stdout, tee, carved, cross, no_snapshots, meta;
	uint64_t stall;
	struct scan scan;
	struct raw_writer writer;
	struct tempfile file;
	uint64_t synced;
	struct error_count *errors;
	size_t error_kinds;
	uint64_t problems, omissions;
	uint64_t told;			/* omissions with a word of their own */
	struct mounted mounts;		/* of a medium with an image */
	struct scan_volume *volumes;
	struct partition *partitions;
	size_t partition_count;
	uint64_t *hits;
	struct pattern_set *patterns;
	double started;
} job;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "carved", NULL, "files carved by PhotoRec, numbered",
		OPT_FLAG(&job.carved) },
	{ 0, "cross", NULL, "also list what is mounted below MOUNT_POINT",
		OPT_FLAG(&job.cross) },
	{ 0, "meta", NULL, "also list modes, owners and exact times",
		OPT_FLAG(&job.meta) },
	{ 0, "no-snapshots", NULL, "leave snapshots of btrfs out",
		OPT_FLAG(&job.no_snapshots) },
	{ 0, "ignore", "FILE", "drop what a pattern in FILE matches",
		OPT_TEXT(&job.ignore_file) },
	{ 0, "stall", "SECONDS", "end a walk that stands still so long",
		OPT_U64(&job.stall, 1, 1 << 30) },
	{ 0, "tee", NULL, "write to standard output as well",
		OPT_FLAG(&job.tee) },
	OPT_END
};

static const struct prog prog = {
	"ntt-enum", "[options] MOUNT_POINT HASH OUT.raw|-",
	"List one file system, every entry of it, as a .raw stream"
};

/* What the watchdog saw last, on the monotonic clock. */
static struct {
	uint64_t steps, records;
	double moved, window;
	int silence_told, crawl_told;
} watch;

static void
log_failure(const char *why)
{
	struct buf event = BUF_INIT;

	log_begin(&event, LOG_ENUM_FAILED);
	json_text(&event, "reason", why);
	json_u64(&event, "records", job.writer.records);
	log_end(&event);
	buf_free(&event);
}

/* No result: the child ends, and what was written vanishes at exit(3). */
static void __attribute__((noreturn, format(printf, 2, 3)))
give_up(int status, const char *fmt, ...)
{
	struct buf why = BUF_INIT;
	pid_t pid = job.scan.pid;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&why, fmt, ap);
	va_end(ap);
	progress_stop();
	warn("%s", why.data);
	if (scan_stop(&job.scan, NULL) < 0)
		warn("process %ld hangs in the kernel and was left behind",
		    (long)pid);
	log_failure(why.data);
	exit(status);
}

static void
check_signal(void)
{
	if (sig_caught())
		give_up(EXIT_SIGNAL + sig_caught(), "interrupted by %s",
		    strsignal(sig_caught()));
}

static void __attribute__((noreturn))
output_failed(void)
{
	int err = errno;

	if (err == EINTR)
		check_signal();
	errno = err;
	if (err == EPIPE)
		give_up(EXIT_FAILED, "the reader of standard output went "
		    "away before the end");
	if (job.writer.failed == STDOUT_FILENO)
		give_up(EXIT_FAILED, "could not write to standard output: %m");
	give_up(exit_for_errno(err), "could not write %s: %m",
	    quoted(job.output));
}

static const char *
here(void)
{
	const char *path = job.scan.status->path;

	return quoted_bytes(path, strnlen(path, RAW_PATH_MAX));
}

static void
tell(enum log_event stage, const char *text)
{
	const char *path = job.scan.status->path;
	struct buf event = BUF_INIT;

	progress_hide();
	warn("%s", text);
	log_begin(&event, stage);
	json_name(&event, "path", path, strnlen(path, RAW_PATH_MAX));
	json_u64(&event, "records", job.scan.status->records);
	log_end(&event);
	buf_free(&event);
}

static void
check_silence(double t)
{
	double silent = t - watch.moved;
	double limit = job.stall && job.stall < SILENCE ?
	    (double)job.stall : SILENCE;
	char *text;

	if (silent >= limit && !watch.silence_told) {
		watch.silence_told = 1;
		text = xasprintf("no record for %.0f seconds, at %s", silent,
		    here());
		tell(LOG_ENUM_STALL, text);
		free(text);
	}
	if (job.stall && silent >= (double)job.stall)
		give_up(EXIT_FAILED, "gave up after %.0f seconds without a "
		    "record", silent);
}

/* Only a damaged catalogue makes HFS+ that slow. */
static void
check_crawl(double t)
{
	uint64_t records = job.scan.status->records;
	double seconds = t - watch.window;
	char *text;

	if (seconds < CRAWL_WINDOW)
		return;
	if ((double)(records - watch.records) < CRAWL_RATE * seconds &&
	    job.scan.status->walk.fs_type == HFSPLUS && !watch.crawl_told) {
		watch.crawl_told = 1;
		text = xasprintf("only %.0f records a second from HFS+: its "
		    "catalogue is probably damaged and hides files, at %s",
		    (double)(records - watch.records) / seconds, here());
		tell(LOG_ENUM_CRAWL, text);
		free(text);
	}
	watch.window = t;
	watch.records = records;
}

static void
check_progress(void)
{
	uint64_t steps = job.scan.status->walk.steps;
	double t = monotonic_s();

	progress_set(job.scan.status->records);
	if (steps != watch.steps) {
		watch.steps = steps;
		watch.moved = t;
	}
	check_silence(t);
	check_crawl(t);
}

static void
count_error(int err)
{
	size_t i;

	job.problems++;
	for (i = 0; i < job.error_kinds; i++) {
		if (job.errors[i].err == err) {
			job.errors[i].count++;
			return;
		}
	}
	job.errors = xrealloc(job.errors, (i + 1) * sizeof *job.errors);
	job.errors[i].err = err;
	job.errors[i].count = 1;
	job.error_kinds++;
}

static const char *
errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "unknown";
}

static void
on_problem(const struct scan_frame *f)
{
	struct buf event = BUF_INIT;

	count_error(f->err);
	if (job.problems <= PROBLEMS_SHOWN || diag_verbosity > 0) {
		progress_hide();
		errno = f->err;
		warn("could not %s %s: %m", f->doing,
		    quoted_bytes(f->bytes, f->len));
	} else if (job.problems == PROBLEMS_SHOWN + 1) {
		progress_hide();
		say("further problems are in the log only");
	}
	log_begin(&event, LOG_ENUM_ERROR);
	json_text(&event, "errno", errno_name(f->err));
	json_text(&event, "doing", f->doing);
	json_name(&event, "path", f->bytes, f->len);
	log_end(&event);
	buf_free(&event);
}

static void
on_omission(const struct scan_frame *f)
{
	struct buf event = BUF_INIT;

	job.told++;
	if (job.told <= PROBLEMS_SHOWN || diag_verbosity > 0) {
		progress_hide();
		warn("%.*s", (int)f->len, f->bytes);
	} else if (job.told == PROBLEMS_SHOWN + 1) {
		progress_hide();
		say("further omissions are in the log only");
	}
	log_begin(&event, LOG_ENUM_OMISSION);
	json_name(&event, "text", f->bytes, f->len);
	log_end(&event);
	buf_free(&event);
}

static void
on_partition(const struct scan_frame *f)
{
	struct partition *p;
	size_t i;

	job.partitions = xrealloc(job.partitions,
	    (job.partition_count + 1) * sizeof *job.partitions);
	p = &job.partitions[job.partition_count];
	p->name = xasprintf("%.*s", (int)f->len, f->bytes);
	p->dev = f->dev;
	p->records = job.writer.records;
	p->problems = job.problems;
	for (i = 0; i < job.partition_count; i++) {
		p->records -= job.partitions[i].records;
		p->problems -= job.partitions[i].problems;
	}
	job.partition_count++;
}

/* The disk works while we walk, and the fsync at the end is short. */
static void
start_writeback(void)
{
	if (job.to_stdout || job.writer.bytes - job.synced < WRITEBACK_EVERY)
		return;
	sync_file_range(job.file.fd, (off_t)job.synced,
	    (off_t)(job.writer.bytes - job.synced), SYNC_FILE_RANGE_WRITE);
	job.synced = job.writer.bytes;
}

static void
on_records(const struct scan_frame *f)
{
	double before = monotonic_s(), blocked;

	if (raw_put_encoded(&job.writer, f->bytes, f->len, f->records) < 0)
		output_failed();
	start_writeback();
	/* a slow reader of ours is not a slow medium */
	blocked = monotonic_s() - before;
	watch.moved += blocked;
	watch.window += blocked;
}

/* 0 when nothing more will come. */
static int
on_frame(const struct scan_frame *f)
{
	switch (f->kind) {
	case SCAN_RECORDS:
		on_records(f);
		break;
	case SCAN_PROBLEM:
		on_problem(f);
		break;
	case SCAN_OMISSION:
		on_omission(f);
		break;
	case SCAN_PARTITION:
		on_partition(f);
		break;
	case SCAN_HITS:
		job.hits = xmalloc(f->len + 1);
		memcpy(job.hits, f->bytes, f->len);
		break;
	case SCAN_FAILED:
		give_up(f->err ? exit_for_errno(f->err) : EXIT_FAILED, "%.*s",
		    (int)f->len, f->bytes);
	case SCAN_DONE:
		return 0;
	}
	return 1;
}

static int
is_mounted_medium(void)
{
	char *root = path_absolute(job.root);
	char *name = medium_mount_point(job.medium);
	char *expected = path_absolute(name);
	int same = !strcmp(root, expected);

	free(root);
	free(name);
	free(expected);
	return same;
}

/* Which of its volumes are damaged, and where reading the damage fails. */
static void
look_at_mounts(void)
{
	size_t i;

	if (job.carved || !medium_mountable(job.medium) ||
	    !is_mounted_medium() || mounted_call(&job.mounts, "status",
	    job.medium, NULL, 0) < 0)
		return;
	job.volumes = xcalloc(job.mounts.count + 1, sizeof *job.volumes);
	for (i = 0; i < job.mounts.count; i++) {
		const struct mounted_partition *p = &job.mounts.partitions[i];

		job.volumes[i] = (struct scan_volume){
			.name = job.mounts.layout == LAYOUT_MULTI ?
			    xasprintf("p%u", p->num) : "",
			.lost = p->lost, .failing = p->failing,
			.failing_reason = p->failing_reason,
			.cut = strcmp(p->status, "truncated") ? NULL :
			    p->reason ? p->reason :
			    "the image ends before the volume does" };
	}
}

static void
enumerate(void)
{
	struct scan_options o = {
		.root = job.root,
		.medium = job.medium,
		.mount_root = config_get(CONFIG_MOUNT_ROOT),
		.carved = job.carved,
		.cross = job.cross,
		.no_snapshots = job.no_snapshots,
		.meta = job.meta,
		.patterns = job.patterns,
		.refused = job.mounts.refused,
	};
	struct scan_frame frame;
	int rc, status;

	o.volumes = job.volumes;
	o.volume_count = job.volumes ? job.mounts.count : 0;

	if (scan_start(&job.scan, &o) < 0)
		die_errno("could not start the walk: %m");
	watch.moved = watch.window = monotonic_s();
	progress_start("enumerating", "entries", PROGRESS_COUNT, 0);
	do {
		check_signal();
		rc = scan_next(&job.scan, &frame, TICK_MS);
		if (rc < 0 && errno != ETIMEDOUT && errno != EINTR)
			give_up(EXIT_FAILED, "could not read from the walk: "
			    "%m");
		check_progress();
		if (rc == 0) {
			scan_stop(&job.scan, &status);
			give_up(EXIT_FAILED, "the walk ended unexpectedly (%s)",
			    WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) :
			    "no result");
		}
	} while (rc < 0 || on_frame(&frame));
	progress_stop();
	job.omissions = job.scan.status->omissions;
	scan_stop(&job.scan, NULL);
}

static void
put_errors(struct buf *b)
{
	size_t i;

	json_begin_object(b, "errors");
	for (i = 0; i < job.error_kinds; i++)
		json_u64(b, errno_name(job.errors[i].err),
		    job.errors[i].count);
	json_end_object(b);
}

static uint64_t
excluded(void)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; job.patterns && i < pattern_count(job.patterns); i++)
		n += job.hits[i];
	return n;
}

static void
put_excluded(struct buf *b)
{
	const char *text;
	size_t i;

	json_u64(b, "excluded", excluded());
	json_begin_array(b, "patterns");
	for (i = 0; job.patterns && i < pattern_count(job.patterns); i++) {
		text = pattern_text(job.patterns, i);
		json_begin_object(b, NULL);
		json_name(b, "pattern", text, strlen(text));
		json_u64(b, "count", job.hits[i]);
		json_end_object(b);
	}
	json_end_array(b);
}

static void
put_partitions(struct buf *b)
{
	size_t i;

	json_begin_array(b, "partitions");
	for (i = 0; i < job.partition_count; i++) {
		json_begin_object(b, NULL);
		json_text(b, "name", job.partitions[i].name);
		json_u64(b, "dev", job.partitions[i].dev);
		json_u64(b, "rows", job.partitions[i].records);
		json_u64(b, "errors", job.partitions[i].problems);
		json_end_object(b);
	}
	json_end_array(b);
}

static void
put_result(struct buf *b)
{
	char hex[BLAKE3_HEX + 1];

	blake3_hex(&job.writer.hash, hex);
	json_u64(b, "rows", job.writer.records);
	json_u64(b, "bytes", job.writer.bytes);
	json_text(b, "blake3", hex);
	json_name(b, "root", job.root, strlen(job.root));
	json_text(b, "medium", job.medium);
	put_partitions(b);
	json_u64(b, "omissions", job.omissions);
	put_errors(b);
	put_excluded(b);
	json_double(b, "seconds", monotonic_s() - job.started);
}

/*
 * The sidecar first: a .raw under its final name is never without it.  If the
 * .raw then fails, the sidecar goes too, unless it has an older .raw beside
 * it, whose sums it does not match: every reader can tell.
 */
static void
commit(void)
{
	char *name = xasprintf("%s.json", job.output);
	struct tempfile sidecar;
	struct buf text = BUF_INIT;

	job.writer.failed = job.file.fd;
	if (fsync(job.file.fd) < 0)
		output_failed();
	json_begin_object(&text, NULL);
	put_result(&text);
	json_end_object(&text);
	buf_putc(&text, '\n');
	if (tempfile_open(&sidecar, name) < 0 ||
	    write_all(sidecar.fd, text.data, text.len) < 0 ||
	    tempfile_commit(&sidecar) < 0)
		give_up(exit_for_errno(errno), "could not write %s: %m",
		    quoted(name));
	if (tempfile_commit(&job.file) < 0) {
		int err = errno;

		if (access(job.output, F_OK) < 0)
			unlink(name);
		errno = err;
		output_failed();
	}
	buf_free(&text);
	free(name);
}

/*
 * A loader behind standard output believes the last byte, so it gets it when
 * the file is in place; and the file is not put in place for nobody.
 */
static void
finish(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

	if (job.writer.records == 0)
		give_up(EXIT_FAILED, "no entry found in %s", quoted(job.root));
	if (raw_flush(&job.writer) < 0 || raw_finish_fd(&job.writer) < 0)
		output_failed();
	if (job.tee && poll(&p, 1, 0) > 0 && p.revents & POLLERR) {
		errno = EPIPE;
		output_failed();
	}
	if (!job.to_stdout)
		commit();
	if (raw_finish(&job.writer) < 0)
		output_failed();
}

static void
report(int status)
{
	struct buf event = BUF_INIT, kinds = BUF_INIT;
	size_t i;

	log_begin(&event, LOG_ENUM_DONE);
	put_result(&event);
	json_i64(&event, "status", status);
	log_end(&event);
	buf_free(&event);
	for (i = 0; i < job.error_kinds; i++)
		buf_printf(&kinds, "%s%s %s", i ? ", " : "",
		    errno_name(job.errors[i].err),
		    num_grouped(job.errors[i].count));
	if (job.problems)
		warn("%s problems: %s", num_grouped(job.problems), kinds.data);
	buf_free(&kinds);
	if (job.told)
		warn("%s things may be missing, and are recorded",
		    num_grouped(job.told));
	if (job.omissions > job.problems + job.told)
		warn("%s file systems mounted below %s were not entered "
		    "(--cross lists them too)",
		    num_grouped(job.omissions - job.problems - job.told),
		    quoted(job.root));
	for (i = 0; job.patterns && i < pattern_count(job.patterns); i++)
		detail("%s entries excluded by %s", num_grouped(job.hits[i]),
		    quoted(pattern_text(job.patterns, i)));
	say("%s entries, %s excluded, %.1f seconds",
	    num_grouped(job.writer.records), num_grouped(excluded()),
	    monotonic_s() - job.started);
	if (log_failed()) {
		errno = log_failed();
		warn("could not write the log in %s: %m",
		    quoted(config_get(CONFIG_LOG_DIR)));
	}
}

/* --ignore, else the configuration's, else .ntt-ignore beside the output. */
static void
load_patterns(void)
{
	const char *slash = strrchr(job.output, '/');
	char *beside = NULL, *error;

	if (!job.ignore_file)
		job.ignore_file = config_get(CONFIG_IGNORE_PATTERNS);
	if (!job.ignore_file && !job.to_stdout) {
		beside = xasprintf("%.*s.ntt-ignore",
		    slash ? (int)(slash - job.output + 1) : 0, job.output);
		if (access(beside, F_OK) == 0)
			job.ignore_file = beside;
	}
	if (!job.ignore_file || !*job.ignore_file)
		return;
	job.patterns = pattern_load(job.ignore_file, &error);
	if (!job.patterns)
		die(EXIT_USAGE, "%s", error);
	detail("%zu patterns in %s", pattern_count(job.patterns),
	    quoted(job.ignore_file));
	free(beside);
}

static void
open_output(void)
{
	int tee = job.tee ? STDOUT_FILENO : -1;

	if ((job.to_stdout || job.tee) && isatty(STDOUT_FILENO))
		die_usage("a .raw stream does not go to a terminal");
	if (job.to_stdout) {
		raw_writer_init(&job.writer, STDOUT_FILENO, -1);
		job.writer.stop = sig_caught;
		return;
	}
	if (tempfile_open_output(&job.file, job.output) < 0)
		die_errno("could not create %s: %m", quoted(job.output));
	raw_writer_init(&job.writer, job.file.fd, tee);
	job.writer.stop = sig_caught;
}

static void
read_arguments(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	job.medium = prog_need_medium(1, 2);
	prog_operands(2, 2);
	job.root = prog_operand(0);
	job.output = prog_operand(1);
	job.to_stdout = !strcmp(job.output, "-");
	if (!medium_valid(job.medium))
		die_usage("invalid medium hash or label %s",
		    quoted(job.medium));
	if (job.tee && job.to_stdout)
		die_usage("--tee needs a file as output");
}

/* Below NTT_MOUNT_ROOT nothing is unmounted while it is being listed. */
static void
lock_use(void)
{
	char *base = path_join(config_get(CONFIG_MOUNT_ROOT), job.medium);
	char *root = path_absolute(job.root);
	size_t len = strlen(base);

	if (!strncmp(root, base, len) &&
	    (root[len] == '/' || root[len] == '\0') &&
	    use_lock(job.medium, LOCK_SHARED) < 0) {
		if (errno == EWOULDBLOCK)
			die(EXIT_AGAIN, "%s is being unmounted or archived",
			    job.medium);
		warn("could not lock %s for use: %m", job.medium);
	}
	free(base);
	free(root);
}

int
main(int argc, char **argv)
{
	struct buf event = BUF_INIT;
	int status;

	read_arguments(argc, argv);
	prog_config();
	lock_use();
	signal(SIGPIPE, SIG_IGN);
	sig_catch();
	job.started = monotonic_s();
	load_patterns();
	look_at_mounts();
	open_output();
	log_open(config_get(CONFIG_LOG_DIR), prog.name, job.medium);
	log_begin(&event, LOG_ENUM_BEGIN);
	json_name(&event, "root", job.root, strlen(job.root));
	json_name(&event, "output", job.output, strlen(job.output));
	log_end(&event);
	buf_free(&event);
	enumerate();
	finish();
	status = job.omissions ? EXIT_PARTIAL : EXIT_DONE;
	report(status);
	return status;
}
