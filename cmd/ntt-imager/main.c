/*
 * ntt-imager: makes an image and its map of a device, by seven phases of
 * ddrescue; merges several images of one medium; draws a map.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/log.h"
#include "base/medium_name.h"
#include "base/num.h"
#include "base/procstat.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "base/tempfile.h"
#include "image/content_probe.h"
#include "image/device.h"
#include "image/map_svg.h"
#include "files.h"
#include "map_text.h"
#include "merge.h"
#include "phase.h"
#include "run.h"

enum {
	HOUR = 3600,
	LOOK_MS = 60000, READY_MS = 30000, SILENCE_MS = 60000,
	SVG_COLUMNS = 64, SVG_ROWS = 16,
	LARGE_MAP = 50000,	/* blocks: some megabytes */
	LOG_EVERY_S = 60
};

static struct {
	int plan, json, merge, show, force;
	int early_exit, no_direct, eject;
	uint64_t sector, cluster;
	double max_time, stall, chunk, pause;
	const char *test_mode, *svg;
} opt = { .cluster = 128 };

static const struct prog_option options[] = {
	{ 0, "plan", NULL, "print the command of each phase and run nothing",
		OPT_FLAG(&opt.plan) },
	{ 0, "early-exit", NULL, "stop where going on rarely helps",
		OPT_FLAG(&opt.early_exit) },
	{ 0, "max-hours", "N", "stop after N hours",
		OPT_SECONDS(&opt.max_time, HOUR) },
	{ 0, "stall-hours", "N", "next phase after N hours without a new byte",
		OPT_SECONDS(&opt.stall, HOUR) },
	{ 0, "chunk", "TIME", "let the drive rest after so long (90s, 10m)",
		OPT_SECONDS(&opt.chunk, 1) },
	{ 0, "pause", "TIME", "how long it rests (default 30s)",
		OPT_SECONDS(&opt.pause, 1) },
	{ 0, "no-direct", NULL, "read through the cache of the kernel",
		OPT_FLAG(&opt.no_direct) },
	{ 0, "eject", NULL, "eject the medium when every byte is rescued",
		OPT_FLAG(&opt.eject) },
	{ 0, "sector-size", "N", "of a source that is a file (default 512)",
		OPT_U64(&opt.sector, 1, 65536) },
	{ 0, "cluster", "N", "sectors at a time in the first phase "
		"(default 128)", OPT_U64(&opt.cluster, 1, 65536) },
	{ 0, "test-mode", "MAP", "take for bad what MAP calls so",
		OPT_TEXT(&opt.test_mode) },
	{ 0, "merge", NULL, "fill OUT.img from other images of the medium",
		OPT_FLAG(&opt.merge) },
	{ 0, "force", NULL, "with --merge: although they contradict it",
		OPT_FLAG(&opt.force) },
	{ 0, "show", NULL, "show a map", OPT_FLAG(&opt.show) },
	{ 0, "svg", "FILE", "with --show: write a picture of it",
		OPT_TEXT(&opt.svg) },
	{ 0, "json", NULL, "print one JSON object", OPT_FLAG(&opt.json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-imager",
	"[options] DEVICE OUT.img [MAP]\n"
	"--merge OTHER.img OTHER.map [OTHER.img OTHER.map]... OUT.img [MAP]\n"
	"--show MAP [--json] [--svg FILE]",
	"Make an image of a device that may be damaged"
};

static struct imager imager;
static struct imager_files files;
static struct buf phases_run;		/* JSON */

/* Before anything is read. */

static void
look_at_source(struct device *d, const char *path)
{
	if (device_wait(d, path, LOOK_MS, READY_MS) < 0) {
		if (sig_caught())
			exit(EXIT_SIGNAL + sig_caught());
		if (errno == ENOTSUP)
			die(EXIT_FAILED, "cannot image %s: it is neither a "
			    "block device nor a regular file", quoted(path));
		if (errno == ENODATA)
			die(EXIT_FAILED, "cannot image %s: it has no bytes",
			    quoted(path));
		if (errno == ENOMEDIUM)
			die(EXIT_FAILED, "could not image %s: there is no "
			    "medium in it, or it is not ready", quoted(path));
		die(EXIT_FAILED, "could not open %s: %m", quoted(path));
	}
	if (opt.sector && d->is_block)
		die_usage("--sector-size is for files: %s has sectors of %u "
		    "bytes", quoted(path), d->sector);
	if (opt.sector) {
		d->direct = d->direct && opt.sector == d->sector;
		d->sector = d->physical = (unsigned int)opt.sector;
	}
}

static void
refuse_source_in_use(const struct device *d, const char *image,
    const char *map)
{
	char *point = device_written_by(d);

	if (point)
		die(EXIT_REFUSED, "%s is mounted on %s and can be written to: "
		    "unmount it, or remount it read-only", quoted(d->path),
		    quoted(point));
	if (device_holds(d, image) || device_holds(d, map))
		die(EXIT_FAILED, "cannot write the image of %s onto itself: "
		    "%s is on it", quoted(d->path), quoted(image));
}

static void
set_up(const char *source)
{
	struct imager_setup *s = &imager.setup;

	look_at_source(&s->device, source);
	refuse_source_in_use(&s->device, files.image, files.map);
	s->image = files.image;
	s->map = files.map;
	s->log = files.log;
	s->stall = files.stall;
	s->test_mode = opt.test_mode;
	s->cluster = (unsigned int)opt.cluster;
	s->direct = s->device.direct && !opt.no_direct;
	s->sparse = 1;
	if (!s->direct && !opt.no_direct)
		say("%s cannot be read directly: it is read through the cache "
		    "of the kernel", quoted(source));
	imager.silence_ms = SILENCE_MS;
	imager.stall = opt.stall;
	imager.chunk = opt.chunk;
	imager.pause = opt.pause;
	if (opt.max_time > 0)
		imager.deadline = monotonic_s() + opt.max_time;
}

static void
print_plan(void)
{
	int phase;

	for (phase = 1; phase <= IMAGER_PHASES; phase++) {
		char **argv = imager_argv(&imager.setup, phase);
		struct buf line = BUF_INIT;

		argv_words(&line, argv);
		printf("# phase %d, %s: %s\n%s\n", phase,
		    imager_phase_name(phase), imager_phase_aim(phase),
		    line.data);
		buf_free(&line);
		imager_argv_free(argv);
	}
}

/* The phases. */

static void
log_progress(int phase, const struct map_sum *sum)
{
	static double last;
	struct buf b = BUF_INIT;

	if (monotonic_s() - last < LOG_EVERY_S)
		return;
	last = monotonic_s();
	log_begin(&b, LOG_PROGRESS);
	json_u64(&b, "phase", (uint64_t)phase);
	map_json(&b, sum);
	log_end(&b);
	buf_free(&b);
}

static void
show_progress(int phase, const struct map_sum *sum)
{
	char note[80];

	log_progress(phase, sum);
	snprintf(note, sizeof note, "bad %s, phase %d of %d (%s)",
	    num_bytes(sum->bytes[MAP_BAD] + sum->bytes[MAP_UNSCRAPED] +
	    sum->bytes[MAP_UNTRIMMED]), phase, IMAGER_PHASES,
	    imager_phase_name(phase));
	progress_note(note);
	progress_set(sum->bytes[MAP_RESCUED]);
}

static const char *
end_name(enum imager_end end)
{
	static const char *const names[] = { "ended", "stalled", "out of time",
		"interrupted", "disk full", "device gone", "device silent",
		"failed" };

	return names[end];
}

static void
log_phase(enum log_event event, int phase, enum imager_end end, double seconds)
{
	struct buf b = BUF_INIT;

	log_begin(&b, event);
	json_u64(&b, "phase", (uint64_t)phase);
	json_text(&b, "name", imager_phase_name(phase));
	if (seconds >= 0) {
		json_text(&b, "end", end_name(end));
		json_i64(&b, "status", imager.status);
		json_double(&b, "seconds", seconds);
		if (imager.reason)
			json_text(&b, "reason", imager.reason);
	}
	map_json(&b, &imager.sum);
	log_end(&b);
	buf_free(&b);
}

/* Zeros become holes unless there is something in the way of one. */
static void
decide_sparse(void)
{
	struct mapfile m;
	char *error = NULL;
	int rc;

	if (mapfile_load(&m, files.map, &error) < 0)
		die(EXIT_FAILED, "%s", error);
	rc = imager_unread_data(files.image_fd, &m);
	if (rc < 0)
		die_errno("could not read %s: %m", quoted(files.image));
	imager.setup.sparse = rc == 0;
	map_sum(&m, &imager.sum);
	imager.setup.large_map = m.count > LARGE_MAP;
	mapfile_free(&m);
}

static enum imager_end
run_phase(int phase)
{
	double from = monotonic_s();
	enum imager_end end;

	decide_sparse();
	log_phase(LOG_PHASE_START, phase, IMAGER_ENDED, -1);
	detail("phase %d: %s", phase, imager_phase_aim(phase));
	end = imager_run(&imager, phase);
	log_phase(LOG_PHASE_END, phase, end, monotonic_s() - from);
	json_begin_object(&phases_run, NULL);
	json_u64(&phases_run, "phase", (uint64_t)phase);
	json_text(&phases_run, "end", end_name(end));
	json_u64(&phases_run, "rescued", imager.sum.bytes[MAP_RESCUED]);
	json_end_object(&phases_run);
	return end;
}

static int
complete(void)
{
	return imager.sum.bytes[MAP_RESCUED] == imager.sum.size;
}

static enum imager_end
run_phases(void)
{
	enum imager_end end = IMAGER_ENDED;
	int phase;

	decide_sparse();
	phase = imager_first_phase(&imager.sum,
	    imager_logged_phase(files.log));
	progress_start("imaging", NULL, PROGRESS_BYTES, imager.sum.size);
	progress_from(imager.sum.bytes[MAP_RESCUED]);
	imager.tick = show_progress;
	for (; phase <= IMAGER_PHASES && !complete(); phase++) {
		end = run_phase(phase);
		if (end != IMAGER_ENDED && end != IMAGER_STALLED)
			break;
		if (opt.early_exit && imager_enough(&imager.sum, phase)) {
			say("stopped after phase %d, as --early-exit says",
			    phase);
			break;
		}
	}
	progress_stop();
	return end;
}

/* What came out. */

static const char *
probe(void)
{
	const char *content;

	if (imager.sum.bytes[MAP_RESCUED] == 0)
		return NULL;
	content = content_probe(files.image_fd, imager.sum.size, 0);
	if (!content && errno)
		warn("could not read %s: %m", quoted(files.image));
	return content;
}

static void
report(enum imager_end end, const char *health, const char *content,
    int status)
{
	const struct map_sum *s = &imager.sum;
	unsigned int share = map_share(s->bytes[MAP_RESCUED], s->size);
	struct buf b = BUF_INIT;

	log_begin(&b, LOG_IMAGE_END);
	json_text(&b, "end", end_name(end));
	json_text(&b, "health", health);
	json_text(&b, "content", content);
	json_i64(&b, "status", status);
	map_json(&b, s);
	log_end(&b);
	if (opt.json) {
		json_begin_object(&b, NULL);
		json_name(&b, "source", imager.setup.device.path,
		    strlen(imager.setup.device.path));
		json_name(&b, "image", files.image, strlen(files.image));
		json_name(&b, "map", files.map, strlen(files.map));
		map_json(&b, s);
		json_text(&b, "health", health);
		json_text(&b, "content", content);
		json_text(&b, "end", end_name(end));
		json_text(&b, "reason", imager.reason);
		json_begin_array(&b, "phases");
		if (phases_run.len)
			buf_puts(&b, phases_run.data);
		json_end_array(&b);
		json_end_object(&b);
		puts(b.data);
	} else {
		printf("%s: %u.%02u %% rescued, %s bytes of %s are missing; "
		    "health %s\n", quoted(files.image), share / 100,
		    share % 100, num_grouped(s->size -
		    s->bytes[MAP_RESCUED]), num_grouped(s->size),
		    health ? health : "unknown");
	}
	buf_free(&b);
	if (content)
		warn("%s holds no file system: %s", quoted(files.image),
		    content_describe(content));
}

static void
complain(enum imager_end end)
{
	const char *source = quoted(imager.setup.device.path);

	switch (end) {
	case IMAGER_FULL:
		warn("no room for %s: %s; the same command goes on when there "
		    "is", quoted(files.image), imager.reason);
		break;
	case IMAGER_GONE:
	case IMAGER_SILENT:
		warn("could not read %s any more: %s; what it seemed to be "
		    "unable to read since is not in the map, and the same "
		    "command goes on when it is back", source,
		    imager.reason);
		break;
	case IMAGER_FAILED:
		warn("could not image %s: %s", source, imager.reason);
		break;
	case IMAGER_TIME:
		say("stopped, as --max-hours says; the same command goes on");
		break;
	default:
		break;
	}
}

static int
status_of(enum imager_end end)
{
	if (sig_caught())
		return EXIT_SIGNAL + sig_caught();
	if (end == IMAGER_FULL)
		return EXIT_AGAIN;
	if (end == IMAGER_GONE || end == IMAGER_SILENT)
		return EXIT_FAILED;
	if (end == IMAGER_FAILED)
		return imager.status < 0 || imager.status == EXIT_NOPROG ?
		    EXIT_NOPROG : EXIT_FAILED;
	if (complete())
		return EXIT_DONE;
	return imager.sum.bytes[MAP_RESCUED] ? EXIT_PARTIAL : EXIT_FAILED;
}

static void
eject(int status)
{
	if (!opt.eject)
		return;
	if (status != EXIT_DONE)
		say("not ejected: not every byte is rescued");
	else if (device_eject(&imager.setup.device) < 0)
		say("could not eject %s: %m",
		    quoted(imager.setup.device.path));
}

/* The lines of the log are the medium's when the image has its name. */
static void
open_log(void)
{
	const char *base = strrchr(files.image, '/');
	char *name = xstrdup(base ? base + 1 : files.image);
	size_t len = strlen(name);

	if (len > 4 && !strcmp(name + len - 4, ".img"))
		name[len - 4] = '\0';
	log_open(config_get(CONFIG_LOG_DIR), prog.name,
	    medium_valid(name) ? name : NULL);
	free(name);
}

static void
open_files(struct imager_files *f, uint64_t size)
{
	char *error = NULL;
	int status = imager_files_open(f, size, &error);

	if (status == EXIT_DONE && f->from_backup)
		warn("%s was damaged, and is replaced by its backup",
		    quoted(f->map));
	if (status == EXIT_DONE)
		return;
	imager_files_close(f, 0);
	die(status, "%s", error);
}

static int
image(void)
{
	const char *health = NULL, *content = NULL;
	enum imager_end end;
	struct mapfile m;
	char *error = NULL;
	int status;

	imager_files_name(&files, prog_operand(1), prog_operand(2));
	set_up(prog_operand(0));
	if (opt.plan) {
		print_plan();
		return EXIT_DONE;
	}
	open_files(&files, imager.setup.device.size);
	imager.lock = files.lock;
	imager.image_fd = files.image_fd;
	open_log();
	end = run_phases();
	complain(end);
	if (mapfile_load(&m, files.map, &error) == 0) {
		health = mapfile_health(&m, imager.setup.device.size);
		mapfile_free(&m);
	}
	free(error);
	status = status_of(end);
	if (end <= IMAGER_TIME && !sig_caught())
		content = probe();
	report(end, health, content, status);
	eject(status);
	imager_files_close(&files, imager.orphan);
	return status;
}

/* Several images into one. */

static void
show_merge(uint64_t done)
{
	progress_set(done);
}

static void
merge_one(const char *image_name, const char *map_name)
{
	struct merge_result r = { 0 };
	struct imager_files other;
	char *error = NULL;
	int status;

	imager_files_name(&other, image_name, map_name);
	status = imager_files_check(&other, files.before.end, &error);
	if (status != EXIT_DONE)
		die(status, "%s", error);
	progress_start("comparing", NULL, PROGRESS_BYTES, files.before.end);
	if (merge_compare(&files, &other, show_merge, &r, &error) < 0)
		goto fail;
	if (r.differ && !opt.force) {
		imager_files_close(&files, 0);
		die(EXIT_FAILED, "%s is not of the same medium as %s: %s "
		    "sectors that both rescued differ, the first at byte %s",
		    quoted(image_name), quoted(prog_operand(
		    prog_operand_count() - 1)), num_grouped(r.differ),
		    num_grouped(r.first));
	}
	if (r.differ)
		say("%s sectors differ from those of %s: they are left as they "
		    "are", num_grouped(r.differ), quoted(image_name));
	progress_start("merging", NULL, PROGRESS_BYTES, files.before.end);
	if (merge_fill(&files, &other, show_merge, &r, &error) < 0)
		goto fail;
	progress_stop();
	say("%s: %s bytes from %s", quoted(files.image),
	    num_grouped(r.filled), quoted(image_name));
	imager_files_close(&other, 0);
	return;
fail:
	status = sig_caught() ? EXIT_SIGNAL + sig_caught() :
	    exit_for_errno(errno);
	progress_stop();
	imager_files_close(&files, 0);
	die(status, "%s", error);
}

/* Pairs, then OUT.img, then its map if the number of operands is even. */
static int
merge(void)
{
	int n = prog_operand_count(), pairs = n % 2 ? (n - 1) / 2 :
	    (n - 2) / 2, i;
	struct mapfile first;
	char *error = NULL;
	uint64_t size;

	if (pairs == 0)
		die_usage("--merge needs OTHER.img, OTHER.map and OUT.img");
	imager_files_name(&files, prog_operand(2 * pairs),
	    prog_operand(2 * pairs + 1));
	if (mapfile_load(&first, prog_operand(1), &error) < 0)
		die(EXIT_FAILED, "%s", error);
	size = first.end;
	mapfile_free(&first);
	for (i = 0; i < pairs; i++)
		if (merge_same_file(prog_operand(2 * i), files.image) ||
		    merge_same_file(prog_operand(2 * i + 1), files.map))
			die(EXIT_USAGE, "cannot merge %s into itself",
			    quoted(files.image));
	open_files(&files, size);
	open_log();
	for (i = 0; i < pairs; i++)
		merge_one(prog_operand(2 * i), prog_operand(2 * i + 1));
	map_sum(&files.before, &imager.sum);
	imager.setup.device.path = prog_operand(0);
	report(IMAGER_ENDED, mapfile_health(&files.before, size), NULL,
	    complete() ? EXIT_DONE : EXIT_PARTIAL);
	imager_files_close(&files, 0);
	return complete() ? EXIT_DONE : EXIT_PARTIAL;
}

/* Pictures. */

static int
terminal_width(void)
{
	enum { PLAIN = 64, LEAST = 8, MOST = 512 };
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t n;

	if (columns && num_u64(columns, LEAST, MOST, &n) == 0)
		return (int)n;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
	    size.ws_col >= LEAST && size.ws_col <= MOST)
		return size.ws_col;
	return PLAIN;
}

static void
write_svg(const struct mapfile *m)
{
	struct buf b = BUF_INIT;
	struct tempfile t;

	map_svg(&b, m, SVG_COLUMNS, SVG_ROWS, "map");
	if (tempfile_open_output(&t, opt.svg) < 0)
		die_errno("could not write %s: %m", quoted(opt.svg));
	if (write_all(t.fd, b.data, b.len) < 0 || tempfile_commit(&t) < 0)
		die_errno("could not write %s: %m", quoted(opt.svg));
	buf_free(&b);
}

static int
show(void)
{
	const char *no_colour = getenv("NO_COLOR");
	struct buf b = BUF_INIT;
	struct map_sum sum;
	struct mapfile m;
	char *error = NULL;

	prog_operands(1, 1);
	if (mapfile_load(&m, prog_operand(0), &error) < 0)
		die(EXIT_FAILED, "%s", error);
	if (opt.svg)
		write_svg(&m);
	if (opt.json) {
		json_begin_object(&b, NULL);
		map_sum(&m, &sum);
		map_json(&b, &sum);
		json_text(&b, "health", mapfile_health(&m, m.end));
		json_end_object(&b);
		buf_putc(&b, '\n');
	} else {
		map_text(&b, &m, terminal_width(), isatty(STDOUT_FILENO) &&
		    !(no_colour && *no_colour));
	}
	fwrite(b.data, 1, b.len, stdout);
	buf_free(&b);
	mapfile_free(&m);
	return EXIT_DONE;
}

static void
parse_options(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	if (opt.merge && opt.show)
		die_usage("--merge and --show exclude each other");
	if (opt.svg && !opt.show)
		die_usage("--svg is for --show");
	if (opt.pause > 0 && opt.chunk <= 0)
		die_usage("--pause is for --chunk");
	if (opt.chunk > 0 && opt.pause <= 0)
		opt.pause = 30;
	if (!opt.show)
		prog_operands(opt.merge ? 3 : 2, opt.merge ? -1 : 3);
}

int
main(int argc, char **argv)
{
	parse_options(argc, argv);
	prog_config();
	sig_catch();
	if (opt.show)
		return show();
	return opt.merge ? merge() : image();
}
