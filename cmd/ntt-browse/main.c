/*
 * ntt-browse: shows the collection as a read-only file system.
 *
 * ask.c asks the catalogue, media.c knows the media, listing.c knows what is in
 * a directory, node.c knows which nodes the kernel holds, serve.c answers the
 * kernel.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 312
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/mountinfo.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/spawn.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/store_mark.h"
#include "media.h"
#include "serve.h"

enum { SERVERS = 10 };
enum damaged { DAMAGED_ERROR, DAMAGED_ZEROS };
static const char *const damaged_words[] = { "error", "zeros", NULL };

static struct {
	const char *medium;
	int foreground, unmount, damaged;
} opt;

static const char *point;
static char **media;
static int media_count;
static struct fuse_session *session;
static struct buf trouble;		/* what libfuse said last */
static int parent = -1;			/* a pipe to who waits for the mount */

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 'f', "foreground", NULL, "stay in the foreground",
		OPT_FLAG(&opt.foreground) },
	{ 0, "damaged", "WHAT", "lost ranges of files: error or zeros "
		"(default error)", OPT_CHOICE(&opt.damaged, damaged_words) },
	{ 'u', "unmount", NULL, "unmount the directory",
		OPT_FLAG(&opt.unmount) },
	OPT_END
};

static const struct prog prog = {
	"ntt-browse",
	"[options] DIRECTORY [MEDIUM…]\n"
	"--unmount DIRECTORY",
	"Show the collection as a read-only file system"
};

/* ---- where it is mounted ---- */

static int
is_mount_point(const char *path, int *ours)
{
	struct mountinfo mounts = MOUNTINFO_INIT;
	/* of a mount whose program is gone there is no other */
	char *real = realpath(path, NULL), *plain = path_absolute(path);
	const struct mount_entry *top;

	if (mountinfo_read(&mounts) < 0)
		die_errno("could not read what is mounted: %m");
	top = mountinfo_top(&mounts, real ? real : plain);
	*ours = top && !strcmp(top->fstype, "fuse.ntt-browse");
	mountinfo_free(&mounts);
	free(real);
	free(plain);
	return top != NULL;
}

static void
need_empty(void)
{
	DIR *d = opendir(point);
	struct dirent *de;

	if (!d)
		die_errno("could not open %s: %m", quoted(point));
	while ((de = readdir(d)))
		if (!is_dot(de->d_name))
			die(EXIT_REFUSED, "%s is not empty; what is in it "
			    "would be hidden", quoted(point));
	closedir(d);
}

static void
need_mount_point(void)
{
	struct stat st;
	DIR *d = opendir(point);
	int ours;

	/* the kernel may know the attributes still */
	if (!d && errno == ENOTCONN)
		die(EXIT_REFUSED, "%s is the mount of a program that is gone; "
		    "\"ntt-browse --unmount\" unmounts it", quoted(point));
	if (d)
		closedir(d);
	if (stat(point, &st) < 0)
		die_errno("cannot mount on %s: %m", quoted(point));
	if (!S_ISDIR(st.st_mode))
		die(EXIT_FAILED, "cannot mount on %s: it is no directory",
		    quoted(point));
	if (is_mount_point(point, &ours))
		die(EXIT_REFUSED, "%s is a mount point already%s",
		    quoted(point), ours ? "; \"ntt-browse --unmount\" "
		    "unmounts it" : "");
	need_empty();
}

static int
unmount(void)
{
	char *argv[] = { (char *)"fusermount3", (char *)"-u", (char *)"--",
		(char *)point, NULL };
	int ours, status;

	if (!is_mount_point(point, &ours))
		die(EXIT_REFUSED, "%s is no mount point", quoted(point));
	if (!ours)
		die(EXIT_FAILED, "%s is not a mount of ntt-browse",
		    quoted(point));
	if (geteuid() == 0) {
		if (umount2(point, 0) < 0)
			die(errno == EBUSY ? EXIT_AGAIN : EXIT_FAILED,
			    "could not unmount %s: %m", quoted(point));
		return EXIT_DONE;
	}
	status = run(argv, NULL);
	if (status == EXIT_NOPROG)
		die(EXIT_NOPROG, "fusermount3 is missing (package fuse3)");
	return status ? EXIT_FAILED : EXIT_DONE;
}

/* ---- mounting ---- */

static void __attribute__((format(printf, 2, 0)))
keep_trouble(enum fuse_log_level level, const char *fmt, va_list ap)
{
	if (level > FUSE_LOG_WARNING)
		return;
	buf_reset(&trouble);
	buf_vprintf(&trouble, fmt, ap);
	while (trouble.len > 0 && trouble.data[trouble.len - 1] == '\n')
		trouble.data[--trouble.len] = '\0';
	if (level <= FUSE_LOG_ERR && diag_verbosity > 0)
		warn("%s", trouble.data);
}

static void
mount_it(void)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char *helper = program_path("fusermount3");

	if (!helper && geteuid() != 0)
		die(EXIT_NOPROG, "fusermount3 is missing (package fuse3)");
	free(helper);
	if (access("/dev/fuse", F_OK) < 0)
		die_errno("cannot mount: /dev/fuse: %m");
	fuse_set_log_func(keep_trouble);
	fuse_opt_add_arg(&args, "ntt-browse");
	fuse_opt_add_arg(&args, "-oro,nosuid,nodev,noexec,noatime,"
	    "fsname=ntt-browse,subtype=ntt-browse");
	session = fuse_session_new(&args, &serve_operations,
	    sizeof serve_operations, NULL);
	fuse_opt_free_args(&args);
	if (!session || fuse_session_mount(session, point) < 0)
		die(EXIT_FAILED, "could not mount on %s: %s", quoted(point),
		    trouble.len ? trouble.data : strerror(errno));
}

/* ---- serving ---- */

static void
answering(void)
{
	if (parent < 0)
		return;
	if (write(parent, "m", 1) < 0) {
		/* nobody waits */
	}
	close(parent);
	parent = -1;
}

static int
is_over(void)
{
	return fuse_session_exited(session);
}

static int
serve(void)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int rc;

	ask_until(is_over);
	if (!config || fuse_set_signal_handlers(session) < 0)
		die(EXIT_AGAIN, "could not begin to serve");
	serve_sweep(session);
	fuse_loop_cfg_set_max_threads(config, SERVERS);
	fuse_loop_cfg_set_clone_fd(config, 0);
	rc = fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	fuse_session_unmount(session);
	if (rc < 0)
		warn("the mount on %s ended: %s", quoted(point),
		    trouble.len ? trouble.data : strerror(-rc));
	return rc < 0 ? EXIT_FAILED : rc > 0 ? EXIT_SIGNAL + rc : EXIT_DONE;
}

/* What is said from now on goes into NTT_LOG_DIR/ntt-browse.log. */
static void
leave_terminal(void)
{
	char *log = path_join(config_get(CONFIG_LOG_DIR), "ntt-browse.log");
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd = -1;

	if (make_dirs(config_get(CONFIG_LOG_DIR)) == 0)
		fd = open_regular(log, O_WRONLY | O_APPEND | O_CREAT, 0644);
	if (fd < 0)
		say("messages are lost, because %s could not be opened: %m",
		    quoted(log));
	setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(fd < 0 ? null : fd, STDERR_FILENO) < 0 || chdir("/") < 0)
		die_errno("could not leave the terminal: %m");
	free(log);
}

/* In the child; the parent waits until the mount answers, and ends. */
static void
go_into_background(void)
{
	char *absolute = path_absolute(point);
	int ends[2];
	pid_t pid;
	char byte;

	if (pipe2(ends, O_CLOEXEC) < 0)
		die_errno("could not go into the background: %m");
	pid = fork();
	if (pid < 0)
		die_errno("could not go into the background: %m");
	if (pid > 0) {
		close(ends[1]);
		if (read_full(ends[0], &byte, 1) == 1)
			_exit(EXIT_DONE);
		warn("the mount on %s ended before it answered",
		    quoted(point));
		_exit(EXIT_FAILED);
	}
	close(ends[0]);
	parent = ends[1];
	point = absolute;
	leave_terminal();
}

/* ---- what is shown ---- */

static int
open_store(PGconn *db)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);
	int fd;

	store_mark_need(db, CONFIG_BYHASH_ROOT, 0);
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die_errno("could not open the store %s: %m", quoted(root));
	return fd;
}

static void
name_media(PGconn *db)
{
	int i;

	media = xcalloc((size_t)prog_operand_count() + 2, sizeof *media);
	if (opt.medium)
		media[media_count++] = medium_named_hash(db, opt.medium);
	for (i = 1; i < prog_operand_count(); i++)
		media[media_count++] = medium_named_hash(db, prog_operand(i));
}

int
main(int argc, char **argv)
{
	struct serve_options serving = { .answering = answering };
	PGconn *db;
	int hidden;

	prog_start(&prog, argc, argv);
	prog_options(options);
	opt.medium = prog_medium(prog_operand_count(), prog_operand_count());
	prog_operands(1, opt.unmount ? 1 : -1);
	point = prog_operand(0);
	if (opt.unmount)
		return unmount();
	/* whoever waits for the end of a pipe is not to wait for us */
	if (!opt.foreground)
		close_range(STDERR_FILENO + 1, ~0U, 0);
	prog_config();
	need_mount_point();
	db = db_need();
	name_media(db);
	serving.store = open_store(db);
	serving.zeros = opt.damaged == DAMAGED_ZEROS;
	ask_start(db);
	media_start(media, media_count);
	hidden = media_hidden();
	if (hidden > 0)
		say("%s restricted %s not shown, and neither is \"blobs\"; "
		    "name the media to see one", num_grouped((uint64_t)hidden),
		    hidden == 1 ? "medium is" : "media are");
	serve_start(&serving);
	mount_it();
	if (!opt.foreground)
		go_into_background();
	return serve();
}
