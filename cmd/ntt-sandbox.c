/*
 * ntt-sandbox: ntt-mount-helper without rights.
 *
 * The image is mounted in a guest (sandbox.h).  The program that is called
 * recognises what is on the image and prints the object; the keeper it leaves
 * behind holds sandbox-HASH.lock as long as anything of the guest is there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "config.h"
#include "diag.h"
#include "fs_mount.h"
#include "fsutil.h"
#include "image_open.h"
#include "json.h"
#include "layout.h"
#include "lock.h"
#include "medium_mounts.h"
#include "mount_command.h"
#include "mount_registry.h"
#include "mount_report.h"
#include "mountinfo.h"
#include "num.h"
#include "prog.h"
#include "sandbox.h"
#include "sandbox_relay.h"
#include "sig.h"
#include "use_lock.h"

enum { LOOK_MS = 10000 };

static const struct option_help options[] = {
	{ 0, "timeout", "SECONDS", "give up when it takes longer (60)" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-sandbox",
	"[options] mount HASH IMAGE\n"
	"[options] unmount HASH\n"
	"[options] status HASH",
	"Mounts a medium's image in a process without rights",
	options
};

static const char *hash, *run_dir;
static char *point;
static int timeout_ms = 60000;
static struct layout layout;
static struct sandbox_volume volumes[SANDBOX_VOLUMES];
static struct dm_piece whole[SANDBOX_VOLUMES];	/* of those in one piece */
static struct volume_outcome outcomes[LAYOUT_MAX];
/* volume of the layout by number in the sandbox */
static uint32_t volume_of[SANDBOX_VOLUMES];
static struct sandbox box = { .volumes = volumes };

/* ---- what is to be mounted ---- */

static void
outcome(struct volume_outcome *o, const char *status, const char *reason)
{
	o->status = status;
	snprintf(o->reason, sizeof o->reason, "%s", reason);
}

/* What needs no guest to be said. */
static int
is_settled(const struct volume *v, struct volume_outcome *o)
{
	static const char *const words[VOLUME_KINDS] = {
		[VOLUME_SWAP] = "swap", [VOLUME_RAID] = "raid_member",
		[VOLUME_LVM] = "lvm_detected", [VOLUME_FOREIGN] = "failed",
		[VOLUME_UNKNOWN] = "failed"
	};

	snprintf(o->fstype, sizeof o->fstype, "%s", v->fstype);
	outcome(o, words[v->kind] ? words[v->kind] : "failed",
	    v->kind == VOLUME_UNKNOWN && !*v->reason ?
	    "no known file system is on it" : v->reason);
	if (v->kind != VOLUME_FS)
		return 1;
	if (v->length == 0 && v->pieces < 2)
		outcome(o, "truncated", *v->reason ? v->reason :
		    "nothing of it is in the image");
	else
		return 0;
	return 1;
}

static void
plan_volume(uint32_t i)
{
	const struct volume *v = &layout.volumes[i];
	struct volume_outcome *o = &outcomes[i];
	struct sandbox_volume *s = &volumes[box.count];
	struct buf ways = BUF_INIT;

	if (v->kind == VOLUME_SKIP || is_settled(v, o))
		return;
	fs_mount_ways(v->fstype, v->session, &ways);
	if (!ways.len) {
		outcome(o, "unsupported_fs", "nothing is known to mount it");
		return;
	}
	if (box.count == SANDBOX_VOLUMES) {
		outcome(o, "failed", "the sandbox has no more lines");
		return;
	}
	s->ways = buf_detach(&ways);
	whole[box.count] = (struct dm_piece){ v->data, v->length };
	s->pieces = v->pieces > 1 ? v->piece : &whole[box.count];
	s->piece_count = v->pieces > 1 ? v->pieces : 1;
	s->point = layout.multi ? xasprintf("%s/p%u", point, v->num) :
	    xstrdup(point);
	if (make_dirs(s->point) < 0)
		mount_refuse(exit_for_errno(errno), "could not make %s: %s",
		    quoted(s->point), strerror(errno));
	volume_of[box.count++] = i;
}

static void
remove_points(void)
{
	size_t i;

	for (i = 0; i < box.count; i++)
		rmdir(volumes[i].point);
	rmdir(point);
}

/* ---- the keeper ---- */

struct answer {
	int ok;			/* of all: the guest was ready */
	char why[256];
	struct {
		int ok;
		char fstype[24], reason[256];
	} volume[SANDBOX_VOLUMES];
};

static void
send_answer(int to, int ok, const char *why)
{
	struct answer *a = xcalloc(1, sizeof *a);
	size_t i;

	a->ok = ok;
	snprintf(a->why, sizeof a->why, "%s", why ? why : "");
	for (i = 0; i < box.count; i++) {
		a->volume[i].ok = volumes[i].ok;
		memcpy(a->volume[i].fstype, volumes[i].fstype,
		    sizeof a->volume[i].fstype);
		memcpy(a->volume[i].reason, volumes[i].reason,
		    sizeof a->volume[i].reason);
	}
	write_all(to, a, sizeof *a);
	free(a);
}

/* A keeper has it as long as it lives: who gets it knows that none does. */
static int
keeper_lock(void)
{
	char *name = xasprintf("sandbox-%s.lock", hash);
	int fd = lock_wait(run_dir, name, LOCK_EXCLUSIVE);

	free(name);
	if (fd < 0)
		die_errno("could not lock the sandbox of %s: %m", hash);
	return fd;
}

/* to: told what became of it, and says whether to stay. */
static void __attribute__((noreturn))
keep(int to)
{
	const char *why = NULL;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), started, i, lock;
	struct sandbox_relay relay;
	char word = 0;

	/* not inherited: /proc/locks would name who is gone */
	lock = keeper_lock();
	setsid();
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < 3; i++)
		dup2(null, i);
	if (chdir("/") < 0)
		_exit(EXIT_FAILED);
	started = sandbox_start(&box, &why) == 0;
	if (sandbox_relay_open(&relay, run_dir, hash, box.walker,
	    box.everybody) < 0 && started) {
		started = 0;
		why = strerror(errno);
	}
	send_answer(to, started, why);
	if (started && read(to, &word, 1) == 1 && word == 'k') {
		sandbox_remove_files(&box);
		close(to);
		sandbox_wait(&box, &relay);
		registry_remove(run_dir, hash);
	}
	sandbox_relay_close(&relay);
	sandbox_end(&box);
	remove_points();
	lock_release(lock);
	_exit(EXIT_DONE);
}

/* The descriptor that tells the keeper to stay. */
static int
start_keeper(struct answer *a)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die_errno("could not make a socket: %m");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die_errno("could not fork: %m");
	if (pid == 0) {
		/* what a caller left open would stay open with the keeper */
		close_range(3, (unsigned int)pair[1] - 1, 0);
		close_range((unsigned int)pair[1] + 1, ~0U, 0);
		keep(pair[1]);
	}
	close(pair[1]);
	if (read_full(pair[0], a, sizeof *a) != (ssize_t)sizeof *a)
		mount_refuse(sig_caught() ? EXIT_SIGNAL + sig_caught() :
		    EXIT_FAILED, "the sandbox ended before it was ready");
	return pair[0];
}

/* ---- the commands ---- */

static void
register_point(struct registry *reg, const char *path, uint32_t num)
{
	struct mountinfo m = MOUNTINFO_INIT;
	const struct mount_entry *e = NULL;
	char name[16] = ".";

	if (layout.multi)
		snprintf(name, sizeof name, "p%u", num);
	if (mountinfo_read(&m) == 0)
		e = mountinfo_top(&m, path);
	if (e)
		registry_add(reg, name, e->major, e->minor);
	mountinfo_free(&m);
}

static void
take_answer(const struct answer *a, struct registry *reg)
{
	size_t i;

	for (i = 0; i < box.count; i++) {
		const struct volume *v = &layout.volumes[volume_of[i]];
		struct volume_outcome *o = &outcomes[volume_of[i]];

		if (!a->volume[i].ok) {
			outcome(o, v->truncated ? "truncated" : "failed",
			    a->volume[i].reason);
			continue;
		}
		outcome(o, v->truncated ? "truncated" : "ok", v->reason);
		memcpy(o->fstype, a->volume[i].fstype, sizeof o->fstype);
		o->mount = volumes[i].point;
		strcpy(o->device, "ntt-sandbox");
		register_point(reg, o->mount, v->num);
	}
}

static int
any_mounted(const struct answer *a)
{
	size_t i;

	for (i = 0; i < box.count; i++)
		if (a->volume[i].ok)
			return 1;
	return 0;
}

/* The object, and the exit status. */
static int
describe(struct buf *b, const struct image *im, size_t mounted)
{
	size_t losses = 0;
	uint32_t i;

	mount_command_begin(b, layout.multi ? "multi" : "single");
	json_bool(b, "sandbox", 1);
	mount_report_begin(b, im->path, &layout);
	for (i = 0; i < layout.count; i++) {
		const struct volume *v = &layout.volumes[i];

		if (v->kind == VOLUME_SKIP)
			continue;
		mount_report_partition(b, v, &outcomes[i]);
		losses += (size_t)mount_report_loss(&layout, v, &outcomes[i]);
		if (!outcomes[i].mount)
			say("volume %u is not mounted: %s%s%s", v->num,
			    outcomes[i].status, *outcomes[i].reason ? ": " :
			    "", outcomes[i].reason);
	}
	mount_report_end(b, &layout);
	return !mounted ? EXIT_FAILED : losses ? EXIT_PARTIAL : EXIT_DONE;
}

/* What is registered and still there: 1, and the registry is the caller's. */
static int
is_mounted(struct registry *reg)
{
	if (registry_read(reg, run_dir, hash) < 0)
		return 0;
	if (medium_mounts_confirm(point, reg, 0, LOOK_MS) == 1)
		return 1;
	registry_free(reg);
	return 0;
}

static void
recognise(struct image *im, const char *path)
{
	const char *why;
	struct stat st;

	if (image_open(im, path, 1, &why) < 0)
		mount_refuse(EXIT_FAILED, "cannot use image %s: %s",
		    quoted(path),
		    why);
	if (geteuid() == 0 && fstat(im->fd, &st) == 0 &&
	    !(st.st_mode & S_IROTH))
		mount_refuse(EXIT_FAILED, "cannot use image %s: the guest of "
		    "root runs as nobody, who cannot read it", quoted(path));
	mount_command_recognise(&layout, im->fd, im->size, im->path, LOOK_MS);
}

static int
mount_medium(const char *path)
{
	struct registry reg = REGISTRY_INIT;
	struct answer *a = xcalloc(1, sizeof *a);
	struct buf json = BUF_INIT;
	struct image im;
	int keeper, status;
	uint32_t i;

	if (is_mounted(&reg)) {
		mount_command_print_already(reg.json);
		return reg.status;
	}
	if (sandbox_missing())
		mount_refuse(EXIT_NOPROG, "cannot make a sandbox: %s",
		    sandbox_missing());
	recognise(&im, path);
	/* a mount whose sshfs was killed together with its keeper */
	sandbox_unmount(point, 1);
	lock_release(keeper_lock());
	for (i = 0; i < layout.count; i++)
		plan_volume(i);
	use_lock_release(use_lock(hash, LOCK_SHARED));
	box.image = im.path;
	box.timeout_ms = timeout_ms;
	box.everybody = geteuid() == 0;
	keeper = start_keeper(a);
	if (!a->ok || !any_mounted(a)) {
		close(keeper);
		lock_release(keeper_lock());
	}
	if (!a->ok)
		mount_refuse(EXIT_FAILED, "could not mount %s in a sandbox: %s",
		    quoted(path), a->why);
	take_answer(a, &reg);
	reg.dev = im.dev;
	reg.ino = im.ino;
	reg.status = status = describe(&json, &im, reg.count);
	reg.json = buf_detach(&json);
	if (reg.count && registry_write(&reg, run_dir, hash) < 0)
		mount_refuse(exit_for_errno(errno),
		    "could not register the mounts of medium %s: %s", hash,
		    strerror(errno));
	if (reg.count && !sig_caught() && write_all(keeper, "k", 1) < 0)
		mount_refuse(EXIT_FAILED, "the sandbox ended");
	puts(reg.json);
	return status;
}

/* Its processes may end while we are at it, and unmount it themselves. */
static void
unmount_all(const struct registry *reg)
{
	struct registry now = REGISTRY_INIT;
	size_t i;

	for (i = 0; i < reg->count; i++) {
		char *path = medium_mount_path(point, reg->mounts[i].name);

		if (sandbox_unmount(path, 0) < 0 && is_mounted(&now))
			mount_refuse(EXIT_AGAIN, "could not unmount "
			    "%s: it is in use", quoted(path));
		free(path);
	}
}

/* What is left when all processes of a sandbox were killed at once. */
static int
remove_remains(void)
{
	struct registry reg = REGISTRY_INIT;
	int known = registry_read(&reg, run_dir, hash) == 0;
	int mounts = medium_mounts_count(point);
	size_t i;

	if (!known && mounts <= 0)
		return 0;
	for (i = 0; i < reg.count; i++) {
		char *path = medium_mount_path(point, reg.mounts[i].name);

		sandbox_unmount(path, 1);
		rmdir(path);
		free(path);
	}
	sandbox_unmount(point, 1);
	lock_release(keeper_lock());
	rmdir(point);
	registry_remove(run_dir, hash);
	registry_free(&reg);
	return 1;
}

static int
unmount_medium(void)
{
	struct registry reg = REGISTRY_INIT;
	struct buf users = BUF_INIT;
	int use = use_lock(hash, LOCK_EXCLUSIVE);

	if (use < 0 && errno == EWOULDBLOCK) {
		use_lock_holders(hash, &users);
		mount_refuse(EXIT_AGAIN, "medium %s is in use by "
		    "process %s", hash, users.data);
	}
	if (is_mounted(&reg)) {
		unmount_all(&reg);
		/* the keeper ends with its sshfs */
		lock_release(keeper_lock());
	} else if (!remove_remains()) {
		mount_refuse(EXIT_REFUSED, "medium %s is not mounted",
		    hash);
	}
	use_lock_release(use);
	registry_free(&reg);
	mount_command_print_nothing(NULL);
	return EXIT_DONE;
}

static int
medium_status(void)
{
	struct registry reg = REGISTRY_INIT;

	if (!is_mounted(&reg)) {
		mount_command_print_nothing(NULL);
		return EXIT_FAILED;
	}
	mount_command_print_already(reg.json);
	return EXIT_DONE;
}

static void
lock_medium(void)
{
	char *name = xasprintf("mount-%s.lock", hash);

	if (lock_wait(run_dir, name, LOCK_EXCLUSIVE) < 0)
		die_errno("could not lock %s in %s: %m", quoted(name),
		    quoted(run_dir));
	free(name);
}

static void
find_point(void)
{
	const char *root = config_get(CONFIG_MOUNT_ROOT);
	char *real;

	if (make_dirs(root) < 0)
		die_errno("could not make %s: %m", quoted(root));
	real = realpath(root, NULL);
	if (!real)
		die_errno("could not resolve %s: %m", quoted(root));
	point = path_join(real, hash);
	free(real);
}

/*
 * What the guest's first process has no program for: "walk", and
 * "join NAME START:SIZE+…", which prints the device.
 */
static int
in_guest(int argc, char **argv)
{
	struct dm_piece pieces[LVM_PIECES];
	unsigned long long start, size;
	char device[24], *p;
	size_t n = 0;

	if (argc == 1 && !strcmp(argv[0], "walk")) {
		sandbox_walk_serve(STDIN_FILENO, "/mnt");
		return EXIT_DONE;
	}
	if (argc != 3 || strcmp(argv[0], "join"))
		return EXIT_USAGE;
	for (p = argv[2]; p && n < LVM_PIECES; p = strchr(p, '+')) {
		p += *p == '+';
		if (sscanf(p, "%llu:%llu", &start, &size) != 2)
			return EXIT_USAGE;
		pieces[n++] = (struct dm_piece){ start, size };
	}
	if (dm_linear_create(argv[1], "/dev/ubda", pieces, n, device) < 0) {
		fprintf(stderr, "could not put it together: %m\n");
		return EXIT_FAILED;
	}
	puts(device);
	return EXIT_DONE;
}

int
main(int argc, char **argv)
{
	const char *name, *value, *verb;
	int mounting;

	if (argc > 1 && !strcmp(argv[1], "guest"))
		return in_guest(argc - 2, argv + 2);
	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value)))
		timeout_ms = 1000 * (int)num_arg("--timeout", value, 1, 3600);
	prog_operands(2, 3);
	verb = prog_operand(0);
	mounting = !strcmp(verb, "mount");
	if (!mounting && strcmp(verb, "unmount") && strcmp(verb, "status"))
		die_usage("unknown command %s", quoted(verb));
	prog_operands(mounting ? 3 : 2, mounting ? 3 : 2);
	hash = prog_operand(1);
	mount_command_medium(hash);
	prog_config();
	run_dir = config_get(CONFIG_RUN_DIR);
	find_point();
	sig_catch();
	if (!strcmp(verb, "status"))
		return medium_status();
	lock_medium();
	return mounting ? mount_medium(prog_operand(2)) : unmount_medium();
}
