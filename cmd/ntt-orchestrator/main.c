/*
 * ntt-orchestrator: the whole pipeline for a device, a directory, an image or
 * a .raw.
 *
 * It runs the programs a person would type, in the order of the table at the
 * end.  Whether a stage is done is computed from rows, files and mounts each
 * time, never remembered.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/medium_files.h"
#include "base/medium_name.h"
#include "base/num.h"
#include "base/procstat.h"
#include "base/prog.h"
#include "base/rotating.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "mount/mounted.h"
#include "command.h"
#include "container.h"
#include "hooks.h"
#include "image.h"
#include "medium.h"
#include "setup.h"
#include "summary.h"

static struct {
	const char *image, *key, *load_only, *message, *stop_after, *label;
	int enum_only, force, plan, keep_mounted, no_archive, reset, yes, cross,
	    read_all;
	int sandbox, eject;
	unsigned int workers;
} opt;

static struct run_medium medium;
static PGconn *db;

enum { INLINE_INODES = 10000, MOST_WORKERS = 16 };

static const struct prog_option options[] = {
	{ 0, "image", "FILE", "an image, or the beginning of its hash",
		OPT_TEXT(&opt.image) },
	{ 0, "key", "FILE", "open encrypted volumes of the image with this key",
		OPT_TEXT(&opt.key) },
	{ 0, "load-only", "FILE.raw", "only load this list into the catalogue",
		OPT_TEXT(&opt.load_only) },
	{ 0, "sandbox", NULL, "mount the image in a process without rights",
		OPT_FLAG(&opt.sandbox) },
	{ 0, "eject", NULL, "eject the device when its image is complete",
		OPT_FLAG(&opt.eject) },
	{ 0, "cross", NULL, "also take in what is mounted below a directory",
		OPT_FLAG(&opt.cross) },
	{ 0, "read-all", NULL, "read unchanged files of a directory again, too",
		OPT_FLAG(&opt.read_all) },
	{ 0, "enum-only", NULL, "only list the tree into RAW_ROOT",
		OPT_FLAG(&opt.enum_only) },
	{ 0, "message", "TEXT", "a remark kept with the medium",
		OPT_TEXT(&opt.message) },
	{ 0, "label", "NAME", "call the medium NAME instead of its hash",
		OPT_TEXT(&opt.label) },
	{ 0, "workers", "N",
		"copiers (default: the CPUs, at most 16; 1 on a rotating disk)",
		OPT_UINT(&opt.workers, 1, MOST_WORKERS) },
	{ 0, "stop-after", "STAGE",
		"register, image, mount, load, copy, streams, unmount, archive or catalogue",
		OPT_TEXT(&opt.stop_after) },
	{ 0, "plan", NULL, "print every command and run nothing",
		OPT_FLAG(&opt.plan) },
	{ 0, "keep-mounted", NULL, "leave it mounted, and so not archived",
		OPT_FLAG(&opt.keep_mounted) },
	{ 0, "no-archive", NULL, "make no archive",
		OPT_FLAG(&opt.no_archive) },
	{ 0, "force", NULL, "go on with a medium that is known already",
		OPT_FLAG(&opt.force) },
	{ 0, "reset", NULL, "drop what the catalogue has of it, and begin anew",
		OPT_FLAG(&opt.reset) },
	{ 0, "yes", NULL, "with --reset: do not ask", OPT_FLAG(&opt.yes) },
	OPT_END
};

static const struct prog prog = {
	"ntt-orchestrator",
	"[options] DIRECTORY | /dev/sdX\n"
	"[options] --image FILE.img\n"
	"[options] --load-only FILE.raw",
	"Run the whole pipeline for one medium"
};

/* Runs it, or prints it for --plan; frees it. */
static int
do_command(struct run_command *c)
{
	int status = EXIT_DONE;

	if (opt.plan)
		run_command_print(c, NULL);
	else
		status = run_command(c);
	run_command_free(c);
	return status;
}

static void
helper_command(struct run_command *c, const char *verb, const char *image)
{
	run_command_init(c, opt.sandbox ? "ntt-sandbox" :
	    "ntt-mount-helper");
	run_command_arg(c, verb);
	run_command_arg(c, medium.hash);
	if (image)
		run_command_arg(c, image);
}

/* Stages: evidence says 1 done, 0 not; it may leave a remark. */

static struct buf remark;

static int
register_done(void)
{
	return run_medium_registered(&medium, db);
}

static int
register_run(void)
{
	if (opt.plan) {
		printf("    (the row of %s in the catalogue)\n", medium.hash);
		return EXIT_DONE;
	}
	if (run_medium_register(&medium, db, opt.message) < 0 ||
	    (medium.is_image && !medium.device &&
	    run_image_probe(&medium, db) < 0))
		db_die("could not register %s", medium.hash);
	return EXIT_DONE;
}

static int
image_done(void)
{
	return run_image_done(&medium, db, &remark);
}

static int
image_run(void)
{
	return run_image_make(&medium, opt.plan ? NULL : db, opt.eject,
	    opt.force);
}

/* Which files are damaged is told by where the partitions are. */
static int
mount_done(void)
{
	return medium.bits_only || (run_medium_mounted(&medium, &remark) &&
	    (!db || run_medium_laid_out(&medium, db, &remark)));
}

static int
mount_run(void)
{
	struct run_command c;

	if (!opt.plan)
		return run_medium_mount(&medium, db);
	helper_command(&c, "mount", medium.path);
	return do_command(&c);
}

/* The tree was walked in this run. */
static int walked;
/* Stages of a new state of the directory that turned out to be the old one. */
static int unchanged;

/*
 * A directory whose first run did not come to its end may have changed; of an
 * image that could not be read in full more may be read now.
 */
static int
looks_again(void)
{
	if (walked || !db)
		return 0;
	if (!medium.is_image)
		return !run_medium_copied(&medium, db, NULL);
	return run_medium_list_incomplete(&medium, db) &&
	    access(medium.path, R_OK) == 0 &&
	    !run_medium_archived(&medium, db, NULL);
}

static int
load_done(void)
{
	return run_medium_loaded(&medium, db, &remark) && !looks_again();
}

static void
enumerator(struct run_command *c, const char *raw, int tee)
{
	run_command_init(c, "ntt-enum");
	if (tee)
		run_command_arg(c, "--tee");
	run_command_arg(c, "--meta");
	if (opt.cross)
		run_command_arg(c, "--cross");
	run_command_arg(c, "--");
	run_command_arg(c, medium.root);
	run_command_arg(c, medium.hash);
	run_command_arg(c, raw);
}

/* Its inode numbers and change times show what has not changed. */
static int
shows_changes(void)
{
	enum { F2FS = 0xf2f52010, XFS = 0x58465342, BTRFS = 0x9123683e,
		EXT = 0xef53 };
	struct statfs fs;

	if (!medium.which_root || strncmp(medium.which_root, "uuid ", 5) ||
	    opt.cross || statfs(medium.root, &fs) < 0)
		return 0;
	switch ((uint32_t)fs.f_type) {
	case (uint32_t)F2FS:
	case XFS:
	case (uint32_t)BTRFS:
	case EXT:
		return 1;
	default:
		return 0;
	}
}

static void
loader(struct run_command *c, const char *input)
{
	run_command_init(c, "ntt-loader");
	run_command_arg(c, "--kind");
	run_command_arg(c, medium.kind);
	if (db && run_medium_loaded(&medium, db, NULL))
		run_command_arg(c, medium.is_image ? "--add" : "--refresh");
	if (medium.follows && (!db ||
	    !run_medium_loaded(&medium, db, NULL))) {
		run_command_arg(c, "--unless-same-as");
		run_command_arg(c, medium.follows);
	}
	if (medium.follows && !opt.read_all && shows_changes()) {
		run_command_arg(c, "--take-over");
		run_command_arg(c, medium.follows);
	}
	if (medium.root) {
		run_command_arg(c, "--strip");
		run_command_arg(c, medium.root);
	}
	run_command_arg(c, "--");
	run_command_arg(c, input);
	run_command_arg(c, medium.hash);
}

static void
list_bits(const char *raw)
{
	if (run_medium_list_bits(&medium, raw) < 0)
		die_errno("could not write %s: %m", quoted(raw));
}

static int
load_run(void)
{
	char *raw = medium_raw(medium.hash);
	struct run_command from, to;
	int status;

	if (medium.bits_only) {
		list_bits(raw);
		loader(&to, raw);
		walked = 1;
		free(raw);
		return do_command(&to);
	}
	enumerator(&from, raw, 1);
	loader(&to, "-");
	if (opt.plan) {
		run_command_print(&from, &to);
		status = EXIT_DONE;
	} else {
		status = run_commands_piped(&from, &to);
	}
	run_command_free(&from);
	run_command_free(&to);
	walked = 1;
	if (status == EXIT_REFUSED && medium.follows) {
		unlink(raw);
		run_medium_unchanged(&medium, db);
		unchanged = 2;		/* registering and this */
		status = EXIT_DONE;
	}
	free(raw);
	return status;
}

static int
copy_done(void)
{
	return run_medium_copied(&medium, db, &remark);
}

/* One head that seeks is quickest with one reader. */
static unsigned int
default_workers(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (cpus < 1 || is_rotating(medium.path) == 1)
		return 1;
	return cpus > MOST_WORKERS ? MOST_WORKERS : (unsigned int)cpus;
}

static int
copy_once(void)
{
	struct run_command c;
	char number[16];

	if (run_medium_inodes(&medium, db) < INLINE_INODES) {
		run_command_init(&c, "ntt-copier");
	} else {
		snprintf(number, sizeof number, "%u", opt.workers ?
		    opt.workers : default_workers());
		run_command_init(&c, "ntt-copy-workers");
		run_command_arg(&c, "--wait");
		run_command_arg(&c, "-w");
		run_command_arg(&c, number);
	}
	run_command_arg(&c, "-m");
	run_command_arg(&c, medium.hash);
	return do_command(&c);
}

/*
 * What was renamed or replaced after it was listed cannot be copied by that
 * list.  Once only: some directories never stand still.
 */
static int
copy_run(void)
{
	int status = copy_once();

	if ((status != EXIT_DONE && status != EXIT_PARTIAL) || opt.plan ||
	    medium.is_image || !run_medium_moved(&medium, db))
		return status;
	say("files changed after they were listed: %s is listed again",
	    quoted(medium.path));
	status = load_run();
	return status == EXIT_DONE || status == EXIT_PARTIAL ? copy_once() :
	    status;
}

/* The streams were looked for in this run. */
static int looked;

/* What could not be read of an image may be readable now. */
static int
streams_done(void)
{
	return run_medium_streams(&medium, db) && (looked ||
	    !run_medium_streams_incomplete(&medium, db) ||
	    access(medium.path, R_OK) < 0);
}

static int
streams_run(void)
{
	struct run_command c;

	run_command_init(&c, "ntt-streams");
	run_command_arg(&c, medium.hash);
	looked = 1;
	return do_command(&c);
}

static int
unmount_done(void)
{
	return run_medium_unmounted(&medium, &remark);
}

static int
unmount_run(void)
{
	struct run_command c;

	if (!opt.plan)
		return run_medium_unmount(&medium);
	helper_command(&c, "unmount", NULL);
	return do_command(&c);
}

static int
archive_done(void)
{
	return run_medium_archived(&medium, db, &remark);
}

static int
archive_run(void)
{
	struct run_command c;

	run_command_init(&c, "ntt-archiver");
	run_command_arg(&c, medium.hash);
	return do_command(&c);
}

/* What cannot be archived, or is not to be, can be catalogued again. */
static int
catalogue_done(void)
{
	int current = catalogue_file_current(db, medium.hash);

	if (current < 0)
		db_die("could not look at what the catalogue knows of %s",
		    medium.hash);
	return current;
}

static int
catalogue_run(void)
{
	struct run_command c;

	run_command_init(&c, "ntt-archiver");
	run_command_arg(&c, "--catalogue");
	run_command_arg(&c, "-q");
	run_command_arg(&c, medium.hash);
	return do_command(&c);
}

static int
always(void)
{
	return 1;
}

static int
is_image(void)
{
	return medium.is_image;
}

/* Mounted only for what still has to be read. */
static int
needs_mount(void)
{
	return medium.is_image && (!db || !load_done() || !copy_done());
}

/* Where there are no files the archive is all. */
static int
wants_copy(void)
{
	return !medium.bits_only;
}

/* An archive that was made before is whole: it has the image. */
static int
wants_streams(void)
{
	return medium.is_image && !medium.bits_only && (!db ||
	    (run_medium_has_streams(&medium, db) && !archive_done()));
}

static int
wants_unmount(void)
{
	return medium.is_image && !opt.keep_mounted;
}

static int
wants_archive(void)
{
	struct buf why = BUF_INIT;
	int complete;

	if (opt.no_archive || (is_image() && opt.keep_mounted))
		return 0;
	complete = run_medium_open(&medium, db, &why) == 0 ||
	    run_medium_bits_only(&medium, db);
	if (!complete && !opt.plan && !archive_done())
		say("%s, so it is not archived; look at them with "
		    "\"ntt-recover-failed list-omissions -m %.8s\", then "
		    "\"ntt-archiver --allow-failures %.8s\"", why.data,
		    medium.hash, medium.hash);
	buf_free(&why);
	return complete;
}

static int
wants_catalogue(void)
{
	if (!db || archive_done() || !copy_done())
		return 0;
	return opt.no_archive || (is_image() && opt.keep_mounted) ||
	    run_medium_open(&medium, db, NULL) > 0;
}

/* One that is archived was imaged. */
static int
needs_image(void)
{
	return medium.device && (!db || !archive_done());
}

static const struct stage {
	const char *name;
	int (*wanted)(void);
	int (*done)(void);
	int (*run)(void);
} stages[] = {
	{ "register", always, register_done, register_run },
	{ "image", needs_image, image_done, image_run },
	{ "mount", needs_mount, mount_done, mount_run },
	{ "load", always, load_done, load_run },
	{ "copy", wants_copy, copy_done, copy_run },
	{ "streams", wants_streams, streams_done, streams_run },
	{ "unmount", wants_unmount, unmount_done, unmount_run },
	{ "archive", wants_archive, archive_done, archive_run },
	{ "catalogue", wants_catalogue, catalogue_done, catalogue_run },
};

enum { STAGES = sizeof stages / sizeof stages[0] };

static double seconds[STAGES];
static const char *failed_stage;

static void
log_stage(enum log_event event, const char *stage, int status)
{
	struct buf b = BUF_INIT;

	log_begin(&b, event);
	json_text(&b, "of", stage);
	json_i64(&b, "status", status);
	log_end(&b);
	buf_free(&b);
}

static void
leave_nothing_mounted(void)
{
	if (medium.is_image && !opt.keep_mounted && !unmount_done())
		unmount_run();
}

static int
run_stage(const struct stage *s, double *took)
{
	double from = monotonic_s();
	int status;

	say("%s: %s", medium.hash, s->name);
	log_stage(LOG_STAGE_START, s->name, 0);
	status = s->run();
	*took = monotonic_s() - from;
	log_stage(LOG_STAGE_END, s->name, status);
	if (sig_caught())
		return EXIT_SIGNAL + sig_caught();
	if (status != EXIT_DONE && status != EXIT_PARTIAL) {
		warn("stage \"%s\" of %s failed with status %d", s->name,
		    medium.hash, status);
		failed_stage = s->name;
		return status;
	}
	buf_reset(&remark);
	if (s->done())
		return status;
	warn("stage \"%s\" of %s ended with status %d, but there is no "
	    "evidence that it is done%s%s", s->name, medium.hash, status,
	    remark.len ? ": " : "", remark.data ? remark.data : "");
	failed_stage = s->name;
	return EXIT_FAILED;
}

/* Everything that is wanted and not done; *ran counts what had to be. */
static int
run_stages(int *ran)
{
	int i, status, worst = EXIT_DONE;

	for (i = 0; i < STAGES; i++) {
		const struct stage *s = &stages[i];

		if (sig_caught())
			return EXIT_SIGNAL + sig_caught();
		if (s->wanted() && !s->done()) {
			status = run_stage(s, &seconds[i]);
			if (status != EXIT_DONE && status != EXIT_PARTIAL)
				return status;
			if (status == EXIT_PARTIAL)
				worst = status;
			(*ran)++;
		}
		if (opt.stop_after && !strcmp(opt.stop_after, s->name))
			break;
	}
	return worst;
}

static void
print_plan(void)
{
	int i;

	printf("%s (%s %s)\n", medium.hash, medium.kind,
	    quoted(medium.path));
	for (i = 0; i < STAGES; i++) {
		const struct stage *s = &stages[i];
		int wanted = s->wanted(), done = wanted && db && s->done();

		printf("%s: %s\n", s->name, !wanted ? "not wanted" :
		    done ? "done" : "to do");
		if (wanted && !done)
			s->run();
		if (opt.stop_after && !strcmp(opt.stop_after, s->name))
			break;
	}
}

static int
enumerate_only(void)
{
	char *raw = medium_raw(medium.hash);
	struct run_command c;
	int status = EXIT_DONE;

	if (medium.is_image && !opt.plan && !mount_done())
		status = mount_run();
	if (medium.bits_only) {
		list_bits(raw);
	} else if (status == EXIT_DONE || status == EXIT_PARTIAL) {
		enumerator(&c, raw, 0);
		status = run_fold(status, do_command(&c));
	}
	free(raw);
	if (!opt.plan)
		leave_nothing_mounted();
	return sig_caught() ? EXIT_SIGNAL + sig_caught() : status;
}

static int
load_only(void)
{
	struct run_command c;
	int status;

	if (run_medium_of_raw(&medium, opt.load_only, opt.label) < 0)
		die_usage("cannot tell the medium from the name %s: use "
		    "--label", quoted(opt.load_only));
	loader(&c, opt.load_only);
	status = do_command(&c);
	return sig_caught() ? EXIT_SIGNAL + sig_caught() : status;
}

static void
confirm_reset(void)
{
	struct run_command c;
	char answer[80] = "";
	int status;

	if (!opt.yes) {
		fprintf(stderr, "This drops the catalogue of %s. The store "
		    "and the archives stay.\nType the first 8 characters of "
		    "its hash to go on: ", medium.hash);
		if (!fgets(answer, sizeof answer, stdin) ||
		    strcspn(answer, "\n") != 8 ||
		    strncmp(answer, medium.hash, 8))
			die(EXIT_REFUSED, "not confirmed, nothing changed");
	}
	run_command_init(&c, "ntt-loader");
	run_command_arg(&c, "--drop");
	run_command_arg(&c, "--yes");
	run_command_arg(&c, medium.hash);
	status = run_command(&c);
	run_command_free(&c);
	if (status != EXIT_DONE)
		die(status, "could not drop the catalogue of %s",
		    medium.hash);
}

static int
lock_medium(void)
{
	char *name = medium_run_lock(medium.hash);
	const char *dir = config_get(CONFIG_RUN_DIR);
	int fd = lock_try(dir, name, LOCK_EXCLUSIVE);
	struct buf who = BUF_INIT;

	if (fd < 0 && errno == EWOULDBLOCK) {
		lock_holders(dir, name, &who);
		die(EXIT_AGAIN, "another ntt-orchestrator works on %s: %s",
		    medium.hash, who.data);
	}
	if (fd < 0)
		die_errno("could not lock %s in %s: %m", quoted(name),
		    quoted(dir));
	free(name);
	return fd;
}

static void
parse_options(int argc, char **argv)
{
	int i, known = 0;

	prog_start(&prog, argc, argv);
	prog_options(options);
	for (i = 0; i < STAGES && opt.stop_after; i++)
		known |= !strcmp(opt.stop_after, stages[i].name);
	if (opt.stop_after && !known)
		die_usage("--stop-after: there is no stage %s",
		    quoted(opt.stop_after));
	if (opt.label && !medium_valid(opt.label))
		die_usage("--label must be lowercase letters, digits, '_' and "
		    "'-', at most %d of them, not %s", MEDIUM_MAX,
		    quoted(opt.label));
	prog_operands(opt.image || opt.load_only ? 0 : 1,
	    opt.image || opt.load_only ? 0 : 1);
	if (opt.image && opt.load_only)
		die_usage("--image and --load-only exclude each other");
	if (opt.key && !opt.image)
		die_usage("--key opens volumes of an image: give --image");
	if (opt.key && access(opt.key, R_OK) < 0)
		die_errno("could not read the key %s: %m", quoted(opt.key));
	if (opt.sandbox && opt.load_only)
		die_usage("--sandbox mounts, and --load-only does not");
	if (opt.sandbox)
		mounted_use_sandbox();
	prog_config();
}

/* A store in the tree it is filled from would never be complete. */
static void
refuse_own_store(void)
{
	static const enum config_key roots[] = { CONFIG_HOME,
		CONFIG_BYHASH_ROOT, CONFIG_ARCHIVED_ROOT, CONFIG_ARCHIVE_ROOT,
		CONFIG_RAW_ROOT };
	size_t len = strlen(medium.path), i;

	if (medium.is_image || !strcmp(medium.path, "/"))
		len = 0;
	for (i = 0; i < sizeof roots / sizeof roots[0]; i++) {
		const char *set = config_get(roots[i]);
		char *real = set && *set ? realpath(set, NULL) : NULL;

		if (real && !medium.is_image &&
		    !strncmp(real, medium.path, len) &&
		    (real[len] == '/' || real[len] == '\0'))
			die(EXIT_USAGE, "cannot take %s as a medium: %s (%s) "
			    "is in it", quoted(medium.path),
			    config_name(roots[i]), quoted(real));
		free(real);
	}
}

/* The mount point of a disk that is not mounted is an empty directory. */
static void
refuse_empty(void)
{
	DIR *dir = medium.is_image || opt.force ? NULL : opendir(medium.path);
	const struct dirent *e = NULL;

	while (dir && (e = readdir(dir)) &&
	    (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")))
		;
	if (dir && !e)
		die(EXIT_FAILED, "%s is empty: is the disk mounted? (--force "
		    "takes it in)", quoted(medium.path));
	if (dir)
		closedir(dir);
}

/* Who removed it may have had to. */
static void
refuse_removed(void)
{
	int failed;
	char *how = medium_removed(db, medium.hash, &failed);

	if (failed)
		db_die("could not ask whether %s was removed", medium.hash);
	if (how && !opt.force)
		die(EXIT_REFUSED, "%s was removed %s: --force takes it in "
		    "again", medium.hash, how);
	free(how);
}

/* Members of an object, for hooks; empty: it did not come to its end. */
static struct buf summary;

static void
sum_up(void)
{
	struct run_stage_time times[STAGES];
	int i;

	for (i = 0; i < STAGES; i++)
		times[i] = (struct run_stage_time){ stages[i].name,
			seconds[i] };
	run_summary(&medium, db, times, STAGES, &summary);
}

static const char *operand;

static void
tell_hooks(int status)
{
	const char *path = medium.device ? medium.device :
	    medium.container ? medium.container :
	    medium.path ? medium.path : operand;
	struct buf b = BUF_INIT;

	json_begin_object(&b, NULL);
	json_u64(&b, "schema", 1);
	json_text(&b, "medium", *medium.hash ? medium.hash : NULL);
	json_i64(&b, "status", status);
	json_text(&b, "failed_stage", failed_stage);
	json_name(&b, "source", path, strlen(path));
	json_text(&b, "kind", medium.kind);
	json_text(&b, "name", medium.human);
	json_text(&b, "message", opt.message);
	json_text(&b, "health", medium.health);
	if (summary.len) {
		buf_putc(&b, ',');
		buf_put(&b, summary.data, summary.len);
	}
	json_end_object(&b);
	buf_putc(&b, '\n');
	run_hooks(medium.hash, status, b.data);
	buf_free(&b);
}

/* However it ends, but for a wrong command line and kill -9. */
static void
at_end(int status, void *arg)
{
	(void)arg;
	fflush(stdout);
	if (run_hooks_wanted())
		tell_hooks(status);
	run_medium_free(&medium);
	buf_free(&remark);
	buf_free(&summary);
}

static int
pipeline(void)
{
	int lock = lock_medium(), ran = 0, status;

	if (opt.reset)
		confirm_reset();
	status = run_stages(&ran);
	if (status != EXIT_DONE && status != EXIT_PARTIAL) {
		leave_nothing_mounted();
		lock_release(lock);
		return status;
	}
	/* looking whether the directory has changed is no stage */
	if (ran == unchanged)
		memset(seconds, 0, sizeof seconds);
	sum_up();
	lock_release(lock);
	if (run_medium_open(&medium, db, NULL) > 0)
		return EXIT_PARTIAL;
	return ran == unchanged ? EXIT_REFUSED : status;
}

/* Archived before, and its raw image is gone: what there is to say of it. */
static int
was_done(const struct run_container *c)
{
	snprintf(medium.hash, sizeof medium.hash, "%s", c->done);
	medium.kind = "image";
	medium.is_image = 1;
	medium.path = xstrdup(c->path);
	sum_up();
	return run_medium_open(&medium, db, NULL) > 0 ? EXIT_PARTIAL :
	    EXIT_REFUSED;
}

/* The image in it, if it is a container; the program may end here. */
static const char *
open_container(struct run_container *c)
{
	int status;

	db = opt.plan || opt.enum_only ? NULL : db_need();
	status = run_container_open(c, operand, opt.key, db, opt.force || opt.reset,
	    opt.plan);
	if (status && c->done)
		exit(was_done(c));
	if (status && !c->raw)
		exit(EXIT_DONE);
	/* nothing stays open while the image is hashed */
	PQfinish(db);
	db = NULL;
	return status ? c->raw : operand;
}

int
main(int argc, char **argv)
{
	struct run_container container = { .raw = NULL };
	int status;

	parse_options(argc, argv);
	operand = opt.image ? opt.image : opt.load_only ? opt.load_only :
	    prog_operand(0);
	num_arg("NTT_HOOK_TIMEOUT", config_get(CONFIG_HOOK_TIMEOUT), 1, 86400);
	if (!opt.plan && on_exit(at_end, NULL) != 0)
		die_errno("could not prepare the end: %m");
	if (!opt.plan)
		run_setup();
	sig_catch();
	if (opt.load_only)
		return load_only();
	if (opt.image)
		operand = open_container(&container);
	run_medium_identify(&medium, operand, opt.image != NULL, opt.label,
	    opt.force);
	if (container.raw) {
		db = opt.enum_only ? NULL : db_need();
		run_container_settle(&container, &medium, db,
		    opt.force || opt.reset);
		PQfinish(db);
	}
	if (opt.reset && medium.follows)
		run_medium_step_back(&medium);
	refuse_own_store();
	refuse_empty();
	if (opt.sandbox && !medium.is_image)
		die_usage("--sandbox is for images and devices: there is "
		    "nothing to mount of %s", quoted(operand));
	/* of a device more may be rescued first */
	if (!medium.device && run_image_failed(&medium, opt.force))
		exit(EXIT_FAILED);
	if (!opt.plan)
		log_open(config_get(CONFIG_LOG_DIR), prog.name, medium.hash);
	if (opt.enum_only && medium.device)
		die_usage("--enum-only is not for devices: nothing is read "
		    "from one before it has an image");
	if (opt.enum_only)
		return enumerate_only();
	db = opt.plan ? db_open() : db_need();
	if (!opt.plan)
		refuse_removed();
	if (opt.plan) {
		print_plan();
		status = EXIT_DONE;
	} else {
		status = pipeline();
	}
	PQfinish(db);
	run_container_free(&container);
	return status;
}
