/*
 * ntt-orchestrator: the whole pipeline for a device, a directory, an image or
 * a .raw.
 *
 * It runs the programs a person would type, in the order of the table at the
 * end.  Whether a stage is done is computed from rows, files and mounts each
 * time, never remembered.
 */
#define _GNU_SOURCE
#include <errno.h>
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
#include "lock.h"
#include "log.h"
#include "medium.h"
#include "mounted.h"
#include "num.h"
#include "prog.h"
#include "rotating.h"
#include "run_command.h"
#include "run_image.h"
#include "run_medium.h"
#include "run_setup.h"
#include "run_summary.h"
#include "sig.h"
#include "spawn.h"

static struct {
	const char *image, *load_only, *message, *stop_after, *label;
	int enum_only, force, plan, keep_mounted, no_archive, reset, yes;
	int sandbox, eject;
	int workers;
} opt;

static struct run_medium medium;
static PGconn *db;

enum { INLINE_INODES = 10000, MOST_WORKERS = 16 };

static const struct option_help options[] = {
	{ 0, "image", "FILE", "an image, or the beginning of its hash" },
	{ 0, "load-only", "FILE.raw", "only load this list into the catalogue" },
	{ 0, "sandbox", NULL, "mount the image in a process without rights" },
	{ 0, "eject", NULL, "eject the device when its image is complete" },
	{ 0, "enum-only", NULL, "only list the tree into RAW_ROOT" },
	{ 0, "message", "TEXT", "a remark kept with the medium" },
	{ 0, "label", "NAME", "call the medium NAME instead of its hash" },
	{ 0, "workers", "N",
		"copiers (default: the CPUs, at most 16; 1 on a rotating disk)" },
	{ 0, "stop-after", "STAGE",
		"register, image, mount, load, copy, unmount or archive" },
	{ 0, "plan", NULL, "print every command and run nothing" },
	{ 0, "keep-mounted", NULL, "leave it mounted, and so not archived" },
	{ 0, "no-archive", NULL, "make no archive" },
	{ 0, "force", NULL, "go on with a medium that is known already" },
	{ 0, "reset", NULL, "drop what the catalogue has of it, and begin anew" },
	{ 0, "yes", NULL, "with --reset: do not ask" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-orchestrator",
	"[options] DIRECTORY | /dev/sdX\n"
	"[options] --image FILE.img\n"
	"[options] --load-only FILE.raw",
	"Run the whole pipeline for one medium",
	options
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
	return run_medium_mounted(&medium, &remark) &&
	    (!db || run_medium_laid_out(&medium, db, &remark));
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

static int
load_done(void)
{
	return run_medium_loaded(&medium, db, &remark);
}

static char *
raw_path(void)
{
	return xasprintf("%s/%s.raw", config_get(CONFIG_RAW_ROOT),
	    medium.hash);
}

static void
enumerator(struct run_command *c, const char *raw, int tee)
{
	run_command_init(c, "ntt-enum");
	if (tee)
		run_command_arg(c, "--tee");
	run_command_arg(c, "--");
	run_command_arg(c, medium.root);
	run_command_arg(c, medium.hash);
	run_command_arg(c, raw);
}

static void
loader(struct run_command *c, const char *input)
{
	run_command_init(c, "ntt-loader");
	run_command_arg(c, "--kind");
	run_command_arg(c, medium.kind);
	if (medium.root) {
		run_command_arg(c, "--strip");
		run_command_arg(c, medium.root);
	}
	run_command_arg(c, "--");
	run_command_arg(c, input);
	run_command_arg(c, medium.hash);
}

static int
load_run(void)
{
	char *raw = raw_path();
	struct run_command from, to;
	int status;

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
	free(raw);
	return status;
}

static int
copy_done(void)
{
	return run_medium_copied(&medium, db, &remark);
}

/* One head that seeks is quickest with one reader. */
static int
default_workers(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (cpus < 1 || is_rotating(medium.path) == 1)
		return 1;
	return cpus > MOST_WORKERS ? MOST_WORKERS : (int)cpus;
}

static int
copy_run(void)
{
	struct run_command c;
	char number[16];

	if (run_medium_inodes(&medium, db) < INLINE_INODES) {
		run_command_init(&c, "ntt-copier");
	} else {
		snprintf(number, sizeof number, "%d", opt.workers ?
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

static int
unmount_done(void)
{
	return !run_medium_mounted(&medium, &remark);
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

static int
wants_unmount(void)
{
	return medium.is_image && !opt.keep_mounted;
}

static int
wants_archive(void)
{
	int failed;

	if (opt.no_archive || (is_image() && opt.keep_mounted))
		return 0;
	failed = (int)run_medium_failed(&medium, db);
	if (failed > 0 && !opt.plan && !archive_done())
		say("%s inodes failed, so it is not archived; look at them, "
		    "then \"ntt-archiver --allow-failures %s\"",
		    num_grouped((uint64_t)failed), medium.hash);
	return failed == 0;
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
	{ "copy", always, copy_done, copy_run },
	{ "unmount", wants_unmount, unmount_done, unmount_run },
	{ "archive", wants_archive, archive_done, archive_run },
};

enum { STAGES = sizeof stages / sizeof stages[0] };

static double seconds[STAGES];

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
log_stage(const char *event, const char *stage, int status)
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
	double from = now();
	int status;

	say("%s: %s", medium.hash, s->name);
	log_stage("stage_start", s->name, 0);
	status = s->run();
	*took = now() - from;
	log_stage("stage_end", s->name, status);
	if (sig_caught())
		return EXIT_SIGNAL + sig_caught();
	if (status != EXIT_DONE && status != EXIT_PARTIAL) {
		warn("stage \"%s\" of %s failed with status %d", s->name,
		    medium.hash, status);
		return status;
	}
	buf_reset(&remark);
	if (s->done())
		return status;
	warn("stage \"%s\" of %s ended with status %d, but there is no "
	    "evidence that it is done%s%s", s->name, medium.hash, status,
	    remark.len ? ": " : "", remark.data ? remark.data : "");
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
	char *raw = raw_path();
	struct run_command c;
	int status = EXIT_DONE;

	if (medium.is_image && !opt.plan && !mount_done())
		status = mount_run();
	if (status == EXIT_DONE || status == EXIT_PARTIAL) {
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
	char *name = xasprintf("orchestrator-%s.lock", medium.hash);
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
	const char *name, *value;
	int i, known = 0;

	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value))) {
		if (!strcmp(name, "image"))
			opt.image = value;
		else if (!strcmp(name, "load-only"))
			opt.load_only = value;
		else if (!strcmp(name, "sandbox"))
			opt.sandbox = 1;
		else if (!strcmp(name, "eject"))
			opt.eject = 1;
		else if (!strcmp(name, "enum-only"))
			opt.enum_only = 1;
		else if (!strcmp(name, "message"))
			opt.message = value;
		else if (!strcmp(name, "label"))
			opt.label = value;
		else if (!strcmp(name, "workers"))
			opt.workers = (int)num_arg("--workers", value, 1,
			    MOST_WORKERS);
		else if (!strcmp(name, "stop-after"))
			opt.stop_after = value;
		else if (!strcmp(name, "plan"))
			opt.plan = 1;
		else if (!strcmp(name, "keep-mounted"))
			opt.keep_mounted = 1;
		else if (!strcmp(name, "no-archive"))
			opt.no_archive = 1;
		else if (!strcmp(name, "force"))
			opt.force = 1;
		else if (!strcmp(name, "reset"))
			opt.reset = 1;
		else
			opt.yes = 1;
	}
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

static void
sum_up(void)
{
	struct run_stage_time times[STAGES];
	int i;

	for (i = 0; i < STAGES; i++)
		times[i] = (struct run_stage_time){ stages[i].name,
			seconds[i] };
	run_summary(&medium, db, times, STAGES);
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
	sum_up();
	lock_release(lock);
	if (run_medium_failed(&medium, db) > 0)
		return EXIT_PARTIAL;
	return ran == 0 ? EXIT_REFUSED : status;
}

int
main(int argc, char **argv)
{
	const char *operand;
	int status;

	parse_options(argc, argv);
	operand = opt.image ? opt.image : prog_operand(0);
	if (!opt.plan)
		run_setup();
	sig_catch();
	if (opt.load_only)
		return load_only();
	run_medium_identify(&medium, operand, opt.image != NULL, opt.label,
	    opt.force);
	refuse_own_store();
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
	db = db_open();
	if (!db && !opt.plan)
		db_die("could not open the catalogue");
	if (opt.plan) {
		print_plan();
		status = EXIT_DONE;
	} else {
		status = pipeline();
	}
	PQfinish(db);
	run_medium_free(&medium);
	buf_free(&remark);
	return status;
}
