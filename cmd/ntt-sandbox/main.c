/*
 * ntt-sandbox: ntt-mount-helper without rights.
 *
 * The image is mounted in a guest (sandbox.h).  This program recognises what is
 * on the image and prints the object.  It leaves a keeper process behind, which
 * holds sandbox-HASH.lock while any part of the guest exists.
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

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/medium_files.h"
#include "base/mountinfo.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/sig.h"
#include "base/use_lock.h"
#include "image/image_open.h"
#include "image/image_view.h"
#include "image/layout.h"
#include "image/refused.h"
#include "mount/fs_mount.h"
#include "mount/medium_mounts.h"
#include "mount/dm_linear.h"
#include "mount/mount_command.h"
#include "mount/mount_registry.h"
#include "mount/mount_report.h"
#include "mount/sandbox_missing.h"
#include "sandbox.h"
#include "server.h"

enum { LOOK_MS = 10000 };

static const char *hash;
static unsigned int timeout = 180;	/* seconds */
static int timeout_ms;
static int object_only;		/* --object */

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "object", NULL, "leave what became of volumes to the object",
		OPT_FLAG(&object_only) },
	{ 0, "timeout", "SECONDS", "give up when it takes longer (180)",
		OPT_UINT(&timeout, 1, 3600) },
	OPT_END
};

static const struct prog prog = {
	"ntt-sandbox",
	"[options] mount HASH IMAGE\n"
	"[options] unmount HASH\n"
	"[options] status HASH",
	"Mounts a medium's image in a process without rights"
};

static const char *run_dir;
static char *point, *failing_point;
static struct view view;
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

/* All that the file system says it has, where the view has it. */
static uint64_t
length_of(const struct volume *v)
{
	enum { SECTOR = 512 };
	uint64_t length = v->need > v->length ? v->need : v->length;

	if (!box.view)
		return v->length;
	length = (length + SECTOR - 1) / SECTOR * SECTOR;
	return length > view.length - v->data ? view.length - v->data :
	    length;
}

static uint64_t
lost_bytes(const struct sandbox_volume *s)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; box.view && i < s->piece_count; i++)
		sum += view_lost_within(&view, s->pieces[i].start,
		    s->pieces[i].size);
	return sum;
}

/* The volume once more, to see what its driver asks for in vain. */
static void
plan_failing(uint32_t i)
{
	const struct volume *v = &layout.volumes[i];
	const struct sandbox_volume *plain = &volumes[box.count - 1];
	struct sandbox_volume *s = &volumes[box.count];
	struct buf ways = BUF_INIT;

	if (box.count == SANDBOX_VOLUMES)
		return;
	*s = *plain;
	s->failing = 1;
	fs_mount_ways(v->fstype, v->session, v->tree, 1, &ways);
	s->ways = buf_detach(&ways);
	s->point = layout.multi ? xasprintf("%s/p%u", failing_point,
	    v->num) : xstrdup(failing_point);
	if (make_dirs(s->point) < 0)
		mount_refuse(exit_for_errno(errno), "could not make %s: %s",
		    quoted(s->point), strerror(errno));
	volume_of[box.count++] = i;
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
	fs_mount_ways(v->fstype, v->session, v->tree, 0, &ways);
	if (!ways.len) {
		outcome(o, "unsupported_fs", "nothing is known to mount it");
		return;
	}
	if (box.count == SANDBOX_VOLUMES) {
		outcome(o, "failed", "the sandbox has no more lines");
		return;
	}
	s->ways = buf_detach(&ways);
	whole[box.count] = (struct dm_piece){ v->data, length_of(v) };
	s->pieces = v->pieces > 1 ? v->piece : &whole[box.count];
	s->piece_count = v->pieces > 1 ? v->pieces : 1;
	s->point = layout.multi ? xasprintf("%s/p%u", point, v->num) :
	    xstrdup(point);
	if (make_dirs(s->point) < 0)
		mount_refuse(exit_for_errno(errno), "could not make %s: %s",
		    quoted(s->point), strerror(errno));
	volume_of[box.count++] = i;
	o->lost = lost_bytes(s);
	if (o->lost)
		plan_failing(i);
}

/* Of all media, where this was the last. */
static void
remove_failing(void)
{
	char *parent = xasprintf("%.*s", (int)(strrchr(failing_point, '/') -
	    failing_point), failing_point);

	rmdir(failing_point);
	rmdir(parent);
	free(parent);
}

static void
remove_points(void)
{
	size_t i;

	for (i = 0; i < box.count; i++)
		rmdir(volumes[i].point);
	rmdir(point);
	if (box.view)
		remove_failing();
}

/* ---- the keeper ---- */

struct answer {
	int ok;			/* of all: the guest was ready */
	uint64_t refused;	/* by the view, so far */
	char why[256];
	struct {
		int ok, unknown;
		char fstype[24], by[48], reason[256];
	} volume[SANDBOX_VOLUMES];
};

static void
send_answer(int to, int ok, const char *why)
{
	struct answer *a = xcalloc(1, sizeof *a);
	size_t i;

	a->ok = ok;
	snprintf(a->why, sizeof a->why, "%s", why ? why : "");
	if (box.view)
		a->refused = (uint64_t)refused_count(box.log);
	for (i = 0; i < box.count; i++) {
		a->volume[i].ok = volumes[i].ok;
		a->volume[i].unknown = volumes[i].unknown;
		memcpy(a->volume[i].fstype, volumes[i].fstype,
		    sizeof a->volume[i].fstype);
		memcpy(a->volume[i].by, volumes[i].by,
		    sizeof a->volume[i].by);
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

static void
remove_log(void)
{
	char *log = medium_refused(run_dir, hash);

	unlink(log);
	free(log);
}

/* to: told what became of it, and says whether to stay. */
static void __attribute__((noreturn))
keep(int to)
{
	const char *why = NULL;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), started, i, lock;
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
	send_answer(to, started, why);
	if (started && read(to, &word, 1) == 1 && word == 'k') {
		sandbox_remove_files(&box);
		close(to);
		sandbox_wait(&box);
		registry_remove(run_dir, hash);
	}
	sandbox_end(&box);
	remove_points();
	if (box.view)
		remove_log();
	lock_release(lock);
	_exit(EXIT_DONE);
}

/* What a caller left open would stay open with the keeper. */
static void
close_others(int kept)
{
	unsigned int fd, most = 3;
	const int wanted[] = { kept, box.view ? box.file : -1,
		box.view ? box.log : -1 };
	size_t i;

	for (i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		if (wanted[i] >= (int)most)
			most = (unsigned int)wanted[i] + 1;
	for (fd = 3; fd < most; fd++)
		if ((int)fd != wanted[0] && (int)fd != wanted[1] &&
		    (int)fd != wanted[2])
			close((int)fd);
	close_range(most, ~0U, 0);
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
		close_others(pair[1]);
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
register_point(struct registry *reg, const char *path, uint32_t num,
    int failing)
{
	struct mountinfo m = MOUNTINFO_INIT;
	const struct mount_entry *e = NULL;
	char name[16] = ".";

	if (layout.multi)
		snprintf(name, sizeof name, "p%u", num);
	if (mountinfo_read(&m) == 0)
		e = mountinfo_top(&m, path);
	if (e)
		registry_add(reg, name, e->major, e->minor)->failing =
		    failing != 0;
	mountinfo_free(&m);
}

/* Number i of the sandbox, of which the plain one comes before it. */
static void
take_failing(const struct answer *a, size_t i, struct volume_outcome *o,
    struct registry *reg)
{
	o->refused_to = a->refused;
	if (!a->volume[i].ok) {
		snprintf(o->failing_reason, sizeof o->failing_reason, "%s",
		    a->volume[i].reason);
		return;
	}
	o->failing = volumes[i].point;
	register_point(reg, o->failing, layout.volumes[volume_of[i]].num, 1);
}

/* unknown: the guest's kernel has no such file system. */
static void
not_shown(struct volume_outcome *o, const struct volume *v,
    const char *reason, int unknown)
{
	char *missing = unknown ? fs_mount_missing(v->fstype) : NULL;
	char *all = missing ? xasprintf("%s; %s", reason, missing) : NULL;

	outcome(o, v->truncated ? "truncated" : unknown ? "unsupported_fs" :
	    "failed", all ? all : reason);
	free(all);
	free(missing);
}

static void
take_answer(const struct answer *a, struct registry *reg)
{
	size_t i;

	for (i = 0; i < box.count; i++) {
		const struct volume *v = &layout.volumes[volume_of[i]];
		struct volume_outcome *o = &outcomes[volume_of[i]];

		if (volumes[i].failing) {
			take_failing(a, i, o, reg);
			continue;
		}
		if (!a->volume[i].ok) {
			not_shown(o, v, a->volume[i].reason,
			    a->volume[i].unknown);
			continue;
		}
		outcome(o, v->truncated ? "truncated" : "ok", v->reason);
		memcpy(o->fstype, a->volume[i].fstype, sizeof o->fstype);
		memcpy(o->by, a->volume[i].by, sizeof o->by);
		o->mount = volumes[i].point;
		strcpy(o->device, "ntt-sandbox");
		register_point(reg, o->mount, v->num, 0);
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

static void
say_volume(const struct volume *v, const struct volume_outcome *o)
{
	const char *colon = *o->reason ? ": " : "";
	char name[32] = "the medium";

	if (v->num)
		snprintf(name, sizeof name, "partition %u", v->num);
	if (o->mount)
		say("%s (%s) is read by %s%s%s", name, o->fstype, o->by,
		    colon, o->reason);
	else
		say("%s (%s) is not mounted: %s%s%s", name,
		    *o->fstype ? o->fstype : "unknown", o->status, colon,
		    o->reason);
}

/* The object, and the exit status. */
static int
describe(struct buf *b, const struct image *im, size_t mounted)
{
	char *log = box.view && view_lost_within(&view, 0, view.length) ?
	    medium_refused(run_dir, hash) : NULL;
	size_t losses = 0;
	uint32_t i;

	mount_command_begin(b, layout.multi ? "multi" : "single");
	json_bool(b, "sandbox", 1);
	mount_report_begin(b, im->path, &layout, log);
	for (i = 0; i < layout.count; i++) {
		const struct volume *v = &layout.volumes[i];

		if (v->kind == VOLUME_SKIP)
			continue;
		mount_report_partition(b, v, &outcomes[i]);
		losses += (size_t)mount_report_loss(&layout, v, &outcomes[i]);
		if (!object_only)
			say_volume(v, &outcomes[i]);
	}
	mount_report_end(b, &layout);
	free(log);
	return !mounted ? EXIT_FAILED : losses ? EXIT_PARTIAL : EXIT_DONE;
}

/* What is registered and still there: 1, and the registry is the caller's. */
static int
is_mounted(struct registry *reg)
{
	if (registry_read(reg, run_dir, hash) < 0)
		return 0;
	if (medium_mounts_confirm(point, reg, 0, 0, LOOK_MS) == 1 &&
	    medium_mounts_confirm(failing_point, reg, 1, 0, LOOK_MS) == 1)
		return 1;
	registry_free(reg);
	return 0;
}

static void
recognise(struct image *im, const char *path)
{
	const char *why;
	char *remark;
	struct stat st;

	if (image_open(im, path, 1, &why) < 0)
		mount_refuse(EXIT_FAILED, "cannot use image %s: %s",
		    quoted(path),
		    why);
	if (geteuid() == 0 && fstat(im->fd, &st) == 0 &&
	    !(st.st_mode & S_IROTH))
		mount_refuse(EXIT_FAILED, "cannot use image %s: the guest of "
		    "root runs as nobody, who cannot read it", quoted(path));
	image_view_init(&view, im, 1, &remark);
	if (remark)
		warn("%s", remark);
	free(remark);
	mount_command_recognise(&layout, im->fd, im->size, &view, im->path,
	    LOOK_MS, NULL);
	image_view_fit(&view, &layout);
}

/* What is damaged or short is not given to the guest as it is. */
static void
open_view(const struct image *im)
{
	char *log = medium_refused(run_dir, hash);

	if (view_needed(&view, im->size)) {
		unlink(log);
		box.view = &view;
		box.file = im->fd;
		box.log = open(log, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
		    O_CLOEXEC, 0644);
		if (box.log < 0)
			mount_refuse(exit_for_errno(errno), "could not make "
			    "%s: %s", quoted(log), strerror(errno));
	}
	free(log);
}

static int
mount_medium(const char *path)
{
	struct registry reg = REGISTRY_INIT;
	struct answer *a = xcalloc(1, sizeof *a);
	struct buf json = BUF_INIT;
	struct image im;
	char *missing;
	int keeper, status;
	uint32_t i;

	if (is_mounted(&reg)) {
		mount_command_print_already(reg.json);
		return reg.status;
	}
	missing = sandbox_missing();
	if (missing)
		mount_refuse(EXIT_NOPROG, "cannot make a sandbox: %s",
		    missing);
	recognise(&im, path);
	/* a mount whose client was killed together with its keeper */
	sandbox_unmount(point, 1);
	sandbox_unmount(failing_point, 1);
	lock_release(keeper_lock());
	open_view(&im);
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
		char *path = medium_mount_path(reg->mounts[i].failing ?
		    failing_point : point, reg->mounts[i].name);

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
	const char *const points[] = { point, failing_point, NULL };
	int mounts = medium_mounts_count(points);
	size_t i;

	if (!known && mounts <= 0)
		return 0;
	for (i = 0; i < reg.count; i++) {
		char *path = medium_mount_path(reg.mounts[i].failing ?
		    failing_point : point, reg.mounts[i].name);

		sandbox_unmount(path, 1);
		rmdir(path);
		free(path);
	}
	sandbox_unmount(point, 1);
	sandbox_unmount(failing_point, 1);
	lock_release(keeper_lock());
	rmdir(point);
	remove_failing();
	remove_log();
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
		/* the keeper ends with its clients */
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
	failing_point = medium_failing(real, hash);
	free(real);
}

/*
 * What the guest's first process has no program for: "serve DIRECTORY" on
 * standard input, and "join NAME DISK START:SIZE+…", which prints the device.
 */
static int
in_guest(int argc, char **argv)
{
	struct dm_piece pieces[LVM_PIECES];
	unsigned long long start, size;
	char device[24], *p;
	size_t n = 0;

	if (argc == 2 && !strcmp(argv[0], "serve"))
		return server_run(STDIN_FILENO, argv[1]) < 0 ? EXIT_FAILED :
		    EXIT_DONE;
	if (argc != 4 || strcmp(argv[0], "join"))
		return EXIT_USAGE;
	for (p = argv[3]; p && n < LVM_PIECES; p = strchr(p, '+')) {
		p += *p == '+';
		if (sscanf(p, "%llu:%llu", &start, &size) != 2)
			return EXIT_USAGE;
		pieces[n++] = (struct dm_piece){ start, size };
	}
	if (dm_linear_create(argv[1], argv[2], pieces, n, device) < 0) {
		fprintf(stderr, "could not put it together: %m\n");
		return EXIT_FAILED;
	}
	puts(device);
	return EXIT_DONE;
}

int
main(int argc, char **argv)
{
	static const char *const verbs[] = { "mount", "unmount", "status",
		NULL };
	enum { MOUNT, UNMOUNT, STATUS } verb;

	if (argc > 1 && !strcmp(argv[1], "guest"))
		return in_guest(argc - 2, argv + 2);
	prog_start(&prog, argc, argv);
	prog_options(options);
	timeout_ms = 1000 * (int)timeout;
	verb = prog_verb(verbs);
	hash = prog_need_medium(1, verb == MOUNT ? 2 : 1);
	prog_operands(verb == MOUNT ? 2 : 1, verb == MOUNT ? 2 : 1);
	mount_command_medium(hash);
	prog_config();
	run_dir = config_get(CONFIG_RUN_DIR);
	find_point();
	sig_catch();
	if (verb == STATUS)
		return medium_status();
	lock_medium();
	return verb == MOUNT ? mount_medium(prog_operand(1)) :
	    unmount_medium();
}
