/*
 * ntt-mount-helper: the one program of the suite with root rights.
 *
 * main() decides what the caller may do; mount_medium() is the order of events.
 * Code that reads structures of the image runs without rights (layout.h).  Code
 * that may hang runs in a child (bounded.h).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bounded.h"
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
#include "base/spawn.h"
#include "base/use_lock.h"
#include "image/image_open.h"
#include "image/image_view.h"
#include "image/layout.h"
#include "image/view.h"
#include "mount/loop.h"
#include "mount/medium_mounts.h"
#include "mount/mount_command.h"
#include "mount/mount_registry.h"
#include "mount/mount_report.h"
#include "trusted_dir.h"
#include "view_server.h"
#include "volume_mount.h"

enum { RELEASE_TRIES = 100, RELEASE_STEP_MS = 20 };

static const char *hash;
static unsigned int timeout = 10;	/* seconds */
static int timeout_ms;
static int sandbox;
static int object_only;		/* --object */
static const char *found_text;	/* --found */

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "timeout", "SECONDS", "give up a mount after so long (10)",
		OPT_UINT(&timeout, 1, 3600) },
	{ 0, "found", "LIST", "where a search found what no table leads to",
		OPT_TEXT(&found_text) },
	{ 0, "object", NULL, "leave what became of volumes to the object",
		OPT_FLAG(&object_only) },
	{ 0, "sandbox", NULL, "mount in a process without rights",
		OPT_FLAG(&sandbox) },
	OPT_END
};

static const struct prog prog = {
	"ntt-mount-helper",
	"[options] mount HASH IMAGE\n"
	"[options] unmount HASH\n"
	"[options] status HASH\n"
	"loops | detach",
	"Mounts a medium's image read-only, unmounts it, or says where it is"
};

static int through_sudo;
static const char *run_dir;
static int root = -1;		/* NTT_MOUNT_ROOT */
static char *point;		/* NTT_MOUNT_ROOT/HASH */
static char *failing_point;	/* NTT_MOUNT_ROOT/.failing/HASH */

/* ---- one volume ---- */

static void
describe(const struct volume *v, const struct volume_outcome *o, int loss)
{
	void (*tell)(const char *, ...) = loss ? warn : say;
	char name[32] = "the medium";

	if (v->num)
		snprintf(name, sizeof name, "partition %u", v->num);
	if (o->mount)
		detail("%s (%s) is mounted at %s%s%s", name, o->fstype,
		    quoted(o->mount), *o->reason ? ": " : "", o->reason);
	else
		tell("%s (%s) is not mounted: %s%s%s", name,
		    *o->fstype ? o->fstype : "unknown", o->status,
		    *o->reason ? ": " : "", o->reason);
}

/* ---- the medium ---- */

static int
open_subdir(int dir, const char *name)
{
	return openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
}

static void
remove_points_in(int parent, const struct registry *reg, unsigned int failing)
{
	int dir = open_subdir(parent, hash);
	size_t i;

	for (i = 0; dir >= 0 && i < reg->count; i++)
		if (reg->mounts[i].failing == failing &&
		    strcmp(reg->mounts[i].name, "."))
			unlinkat(dir, reg->mounts[i].name, AT_REMOVEDIR);
	if (dir >= 0)
		close(dir);
	unlinkat(parent, hash, AT_REMOVEDIR);
}

/* The empty directories it was mounted on. */
static void
remove_points(const struct registry *reg)
{
	int failing = open_subdir(root, MEDIUM_FAILING);

	remove_points_in(root, reg, 0);
	if (failing < 0)
		return;
	remove_points_in(failing, reg, 1);
	close(failing);
	unlinkat(root, MEDIUM_FAILING, AT_REMOVEDIR);
}

/* Whatever became of the registry: also one kind of mount without the other. */
static int
count_mounts(void)
{
	const char *const points[] = { point, failing_point, NULL };

	return medium_mounts_count(points);
}

/* Its mounts and its view; as medium_mounts_remove(). */
static int
remove_all(const struct registry *reg, char **culprit)
{
	const char *const points[] = { point, failing_point, NULL };
	int rc = medium_mounts_remove(points, timeout_ms, culprit);

	if (rc < 0 && errno == ETIMEDOUT && reg->view >= 0) {
		/* what waits for the view waits no more */
		view_server_end(run_dir, hash, (unsigned int)reg->view);
		free(*culprit);
		rc = medium_mounts_remove(points, timeout_ms, culprit);
	}
	if (rc >= 0)
		view_server_end(run_dir, hash, reg->view >= 0 ?
		    (unsigned int)reg->view : 0);
	return rc;
}

/* As if nothing had been asked. */
static void
forget(const struct registry *reg)
{
	char *culprit;

	remove_all(reg, &culprit);
	remove_points(reg);
}

/* A signal came. */
static void __attribute__((noreturn))
undo(const struct registry *reg)
{
	forget(reg);
	_exit(EXIT_SIGNAL + sig_caught());
}

/* ---- the view ---- */

/* The image's files, or those of its view where it needs one. */
static void
open_sides(struct volume_place *place, const struct image *im,
    const struct view *view)
{
	struct view_server server;
	const char *why;
	int run;

	place->plain.file = im->fd;
	if (!view_needed(view, im->size))
		return;
	run = trusted_dir(run_dir, through_sudo, &why);
	if (run < 0 || view_server_start(&server, view, im->fd, run, hash,
	    through_sudo, &why) < 0)
		mount_refuse(EXIT_FAILED, "could not make a view of %s: %s",
		    quoted(im->path), why);
	close(run);
	place->view = view;
	place->reg->view = (int)server.connection;
	place->plain.file = openat(server.dir, "plain", O_RDONLY | O_CLOEXEC);
	if (place->plain.file >= 0 &&
	    view_lost_within(view, 0, view->length) > 0)
		place->failing.file = openat(server.dir, "image", O_RDONLY |
		    O_CLOEXEC);
	if (place->plain.file < 0)
		mount_refuse(EXIT_FAILED, "could not make a view of %s: "
		    "ntt-view did not answer", quoted(im->path));
	close(server.dir);
}

static void
open_failing_point(struct volume_place *place)
{
	const char *why = NULL;
	int dir;

	if (place->failing.file < 0)
		return;
	dir = trusted_subdir(root, MEDIUM_FAILING, &why);
	if (dir >= 0)
		place->failing.point_fd = trusted_subdir(dir, hash, &why);
	if (why)
		mount_refuse(EXIT_FAILED, "cannot use mount point %s: %s",
		    quoted(failing_point), why);
	close(dir);
}

/* Mounts all, and returns the exit status. */
static int
mount_layout(const struct image *im, const struct layout *l,
    const struct view *view, int point_fd, struct registry *reg,
    struct buf *json)
{
	struct volume_place place = { .image = im,
		.plain = { -1, point_fd, point },
		.failing = { -1, -1, failing_point }, .refused = -1,
		.multi = (int)l->multi, .run_dir = run_dir,
		.strict = through_sudo, .timeout_ms = timeout_ms, .reg = reg };
	char *log = medium_refused(run_dir, hash);
	struct volume_outcome o;
	size_t losses = 0;
	uint32_t i;
	int loss;

	open_sides(&place, im, view);
	open_failing_point(&place);
	if (place.failing.file >= 0)
		place.refused = open(log, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	mount_command_begin(json, l->multi ? "multi" : "single");
	mount_report_begin(json, im->path, l, place.failing.file >= 0 ? log :
	    NULL);
	for (i = 0; i < l->count; i++) {
		const struct volume *v = &l->volumes[i];

		if (sig_caught())
			undo(reg);
		if (v->kind == VOLUME_SKIP)
			continue;
		volume_mount(&place, v, &o);
		loss = mount_report_loss(l, v, &o);
		if (!object_only)
			describe(v, &o, loss);
		mount_report_partition(json, v, &o);
		losses += (size_t)loss;
		free(o.mount);
		free(o.failing);
	}
	if (place.view)
		close(place.plain.file);
	if (place.failing.file >= 0) {
		close(place.failing.file);
		close(place.failing.point_fd);
		close(place.refused);
	}
	free(log);
	for (i = 0; i < l->count; i++)
		if (l->volumes[i].kind == VOLUME_SKIP)
			detail("partition %u is skipped: %s",
			    l->volumes[i].num, l->volumes[i].reason);
	mount_report_end(json, l);
	return reg->count == 0 ? EXIT_FAILED : losses ? EXIT_PARTIAL :
	    EXIT_DONE;
}

/* Loops of a file that stood here before, deleted while it was attached. */
static void
detach_deleted(const struct image *im)
{
	size_t count, i;
	struct loop_status *list = loop_list(im->dev, &count);

	for (i = 0; i < count; i++)
		if (list[i].deleted && !strcmp(list[i].path, im->path) &&
		    loop_detach(&list[i]) < 0)
			warn("could not detach /dev/loop%d of a deleted %s: "
			    "%m", list[i].number, quoted(im->path));
	loop_list_free(list, count);
}

static void
remove_mounts(const struct registry *reg)
{
	char *culprit;

	if (remove_all(reg, &culprit) >= 0)
		return;
	mount_refuse(errno == EBUSY ? EXIT_AGAIN : EXIT_FAILED,
	    "could not unmount %s: %s", culprit ? quoted(culprit) :
	    quoted(point), strerror(errno));
}

/* Everything is where it was, and the view is served. */
static int
confirm(const struct registry *reg, int peel)
{
	int rc = medium_mounts_confirm(point, reg, 0, peel, timeout_ms);

	if (rc == 1)
		rc = medium_mounts_confirm(failing_point, reg, 1, peel,
		    timeout_ms);
	if (rc == 1 && reg->view >= 0)
		rc = view_server_pid(run_dir, hash) > 0;
	return rc;
}

/* The medium is mounted already, or what is left of it goes. */
static int
already_mounted(const struct image *im, struct registry *reg)
{
	int rc = registry_read(reg, run_dir, hash);

	if (rc == 0) {
		rc = confirm(reg, 1);
		if (rc < 0)
			mount_refuse(errno == EBUSY ? EXIT_AGAIN : EXIT_FAILED,
			    "could not unmount what covers %s: %s",
			    quoted(point), strerror(errno));
		if (rc == 1 && (reg->dev != im->dev || reg->ino != im->ino))
			mount_refuse(EXIT_REFUSED, "medium %s is mounted from "
			    "another image", hash);
		if (rc == 1)
			return 1;
	} else if (errno != ENOENT) {
		warn("ignoring the registry of medium %s: %m", hash);
	}
	remove_mounts(reg);
	registry_free(reg);
	registry_remove(run_dir, hash);
	return 0;
}

/* What cannot be registered must not stay mounted. */
static void __attribute__((noreturn))
give_back(const struct registry *reg, const char *what)
{
	int err = errno;
	char *culprit;

	remove_all(reg, &culprit);
	mount_refuse(exit_for_errno(err), "%s %s: %s", what, hash,
	    strerror(err));
}

/* What this process mounts, in no registry yet, and room for one name. */
static const struct layout *unregistered;
static pid_t mounter;
static char *name_room;

/* However this process ends by itself, also when it has no more memory. */
static void
detach_unregistered(void)
{
	const char *const points[] = { point, failing_point };
	size_t side;
	uint32_t i;

	if (!unregistered || mounter != getpid())
		return;
	for (side = 0; side < 2; side++) {
		for (i = 0; i < unregistered->count; i++) {
			sprintf(name_room, "%s/p%u", points[side],
			    unregistered->volumes[i].num);
			umount2(name_room, MNT_DETACH | UMOUNT_NOFOLLOW);
		}
		umount2(points[side], MNT_DETACH | UMOUNT_NOFOLLOW);
	}
}

static void
not_registered_yet(const struct layout *l)
{
	name_room = xmalloc(strlen(failing_point) + sizeof "/p4294967295");
	unregistered = l;
	mounter = getpid();
	atexit(detach_unregistered);
}

static int
mount_medium(const char *path)
{
	static struct layout layout;
	static struct layout_found found;
	struct registry reg = REGISTRY_INIT;
	struct buf json = BUF_INIT;
	struct image im;
	struct view view = { .count = 0 };
	const char *why;
	char *remark;
	int point_fd, status;

	if (image_open(&im, path, !through_sudo, &why) < 0)
		mount_refuse(EXIT_FAILED, "cannot use image %s: %s",
		    quoted(path),
		    why);
	if (found_text && layout_found_parse(&found, found_text, im.size) < 0)
		mount_refuse(EXIT_USAGE, "--found %s is no list of the first "
		    "bytes of sectors of %s", quoted(found_text),
		    quoted(path));
	if (already_mounted(&im, &reg)) {
		mount_command_print_already(reg.json);
		status = reg.status;
		goto out;
	}
	detach_deleted(&im);
	image_view_init(&view, &im, !through_sudo, &remark);
	if (remark)
		warn("%s", remark);
	free(remark);
	mount_command_recognise(&layout, im.fd, im.size, &view, im.path,
	    timeout_ms, found_text ? &found : NULL);
	image_view_fit(&view, &layout);
	point_fd = trusted_subdir(root, hash, &why);
	if (point_fd < 0)
		mount_refuse(EXIT_FAILED, "cannot use mount point %s: %s",
		    quoted(point), why);
	/* readers without rights lock it, but could not make it */
	use_lock_release(use_lock(hash, LOCK_SHARED));
	reg.dev = im.dev;
	reg.ino = im.ino;
	not_registered_yet(&layout);
	reg.status = mount_layout(&im, &layout, &view, point_fd, &reg,
	    &json);
	close(point_fd);
	reg.json = buf_detach(&json);
	if (reg.count == 0)
		forget(&reg);
	else if (registry_write(&reg, run_dir, hash) < 0)
		give_back(&reg, "could not register the mounts of medium");
	unregistered = NULL;
	puts(reg.json);
	status = reg.status;
out:
	registry_free(&reg);
	view_free(&view);
	image_close(&im);
	return status;
}

static void
sleep_ms(long ms)
{
	struct timespec t = { 0, ms * 1000000 };

	nanosleep(&t, NULL);
}

/* Somebody has mounted it, under another hash or by hand. */
static int
is_mounted_loop(const struct mountinfo *m, int number)
{
	char device[24];

	snprintf(device, sizeof device, "/dev/loop%d", number);
	return mountinfo_has_source(m, device);
}

/* Detaches the image's loops, and names those the kernel keeps. */
static void
release_loops(const struct registry *reg)
{
	struct buf left = BUF_INIT;
	int tries;

	/* a FUSE driver takes a moment to end */
	for (tries = 0; tries < RELEASE_TRIES; tries++) {
		size_t count, i;
		struct loop_status *list = loop_list(reg->dev, &count);
		struct mountinfo m = MOUNTINFO_INIT;

		buf_reset(&left);
		mountinfo_read(&m);
		for (i = 0; i < count; i++) {
			if (list[i].dev != reg->dev ||
			    list[i].ino != reg->ino ||
			    is_mounted_loop(&m, list[i].number))
				continue;
			loop_detach(&list[i]);
			buf_printf(&left, " /dev/loop%d", list[i].number);
		}
		loop_list_free(list, count);
		mountinfo_free(&m);
		if (!left.len)
			break;
		sleep_ms(RELEASE_STEP_MS);
	}
	if (left.len)
		warn("the kernel still holds%s of medium %s", left.data, hash);
	buf_free(&left);
}

static int
unmount_medium(void)
{
	struct registry reg = REGISTRY_INIT;
	struct buf users = BUF_INIT;
	int known, use = use_lock(hash, LOCK_EXCLUSIVE);

	if (use < 0 && errno == EWOULDBLOCK) {
		use_lock_holders(hash, &users);
		mount_refuse(EXIT_AGAIN, "medium %s is in use by process %s",
		    hash,
		    users.data);
	}
	if (use < 0)
		mount_refuse(exit_for_errno(errno), "could not lock the use of "
		    "medium %s: %s", hash, strerror(errno));
	known = registry_read(&reg, run_dir, hash) == 0;
	if (count_mounts() == 0) {
		remove_mounts(&reg);
		registry_remove(run_dir, hash);
		mount_refuse(EXIT_REFUSED, "medium %s is not mounted", hash);
	}
	remove_mounts(&reg);
	if (known) {
		release_loops(&reg);
		remove_points(&reg);
	}
	registry_remove(run_dir, hash);
	registry_free(&reg);
	use_lock_release(use);
	mount_command_print_nothing(NULL);
	return EXIT_DONE;
}

/* Without a lock: the registry is replaced in one step. */
static int
medium_status(void)
{
	struct registry reg = REGISTRY_INIT;
	int known = registry_read(&reg, run_dir, hash) == 0;

	if (known && confirm(&reg, 0) == 1) {
		mount_command_print_already(reg.json);
		registry_free(&reg);
		return EXIT_DONE;
	}
	registry_free(&reg);
	if (count_mounts() != 0)
		mount_refuse(EXIT_FAILED, "medium %s is not mounted as it was "
		    "registered; mount it again", hash);
	mount_command_print_nothing(NULL);
	return EXIT_FAILED;
}

/* ---- loop devices whose image was deleted ---- */

static void
put_loop(struct buf *b, const struct loop_status *l, const struct mountinfo *m,
    int detach)
{
	const char *reason = NULL;
	char device[24];
	int gone = 0;

	snprintf(device, sizeof device, "/dev/loop%d", l->number);
	if (mountinfo_has_source(m, device))
		reason = "it is mounted";
	else if (detach && loop_detach(l) < 0)
		reason = strerror(errno);
	else
		gone = detach;
	json_begin_object(b, NULL);
	json_text(b, "device", device);
	json_name(b, "image", l->path, strlen(l->path));
	json_bool(b, "detached", gone);
	json_text(b, "reason", reason);
	json_end_object(b);
}

static int
deleted_loops(int detach)
{
	struct buf b = BUF_INIT;
	struct mountinfo m = MOUNTINFO_INIT;
	size_t count, i;
	struct loop_status *list = loop_list(0, &count);

	if (mountinfo_read(&m) < 0)
		mount_refuse(EXIT_FAILED, "could not read what is mounted: %s",
		    strerror(errno));
	mount_command_begin(&b, NULL);
	json_begin_array(&b, "loops");
	for (i = 0; i < count; i++)
		if (list[i].deleted && image_name_allowed(list[i].path))
			put_loop(&b, &list[i], &m, detach);
	json_end_array(&b);
	json_begin_array(&b, "partitions");
	json_end_array(&b);
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
	mountinfo_free(&m);
	loop_list_free(list, count);
	return EXIT_DONE;
}

/* ---- whose word counts ---- */

/* Nothing the caller left in it reaches a library or a driver. */
static void
clean_process(void)
{
	static const int limits[] = { RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_AS,
		RLIMIT_DATA, RLIMIT_STACK };
	static const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	size_t i;

	clearenv();
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("LC_ALL", "C", 1);
	if (geteuid() != 0)
		return;
	/* a container's root may not raise them: then a write fails */
	signal(SIGXFSZ, SIG_IGN);
	for (i = 0; i < sizeof limits / sizeof limits[0]; i++)
		setrlimit((__rlimit_resource_t)limits[i], &none);
	if (chdir("/") < 0)
		die_errno("could not change to \"/\": %m");
}

static void
open_root(void)
{
	const char *path = config_get(CONFIG_MOUNT_ROOT), *why;
	char *self;
	char name[PATH_MAX];
	ssize_t n;

	root = trusted_dir(path, through_sudo, &why);
	if (root < 0)
		mount_refuse(EXIT_FAILED, "cannot use mount root %s: %s",
		    quoted(path), why);
	/* as mountinfo spells it: no "//", no "/./" */
	self = xasprintf("/proc/self/fd/%d", root);
	n = readlink(self, name, sizeof name - 1);
	if (n < 0)
		die_errno("could not find the name of %s: %m", quoted(path));
	name[n] = '\0';
	point = path_join(name, hash);
	failing_point = medium_failing(name, hash);
	free(self);
}

static int lock = -1;

static void
unlock(void)
{
	lock_release(lock);
	lock = -1;
}

/* Until exit(3), and after a kill until the mounting child has ended. */
static void
lock_medium(void)
{
	char *name = medium_mount_lock(hash);
	const char *why;
	int dir = trusted_dir(run_dir, through_sudo, &why);

	if (dir < 0)
		mount_refuse(EXIT_FAILED, "cannot use NTT_RUN_DIR %s: %s",
		    quoted(run_dir), why);
	close(dir);
	lock = lock_wait(run_dir, name, LOCK_EXCLUSIVE);
	if (lock < 0 && sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	if (lock < 0)
		die_errno("could not lock %s in %s: %m", quoted(name),
		    quoted(run_dir));
	/* nobody else needs to open it, so nobody can keep us waiting */
	fchmod(lock, 0600);
	atexit(unlock);
	bounded_hold(lock);
	free(name);
}

/* Before anything was done with rights: the sandbox needs none. */
static void __attribute__((noreturn))
become_sandbox(void)
{
	char *path = program_path("ntt-sandbox");
	const char *argv[] = { "ntt-sandbox", "--", prog_operand(0), hash,
		prog_operand(1), NULL };

	if (getenv("SUDO_UID") || getuid() != geteuid())
		die(EXIT_USAGE, "--sandbox needs no rights: run it without "
		    "sudo");
	if (path)
		execv(path, (char *const *)(uintptr_t)argv);
	die(path ? EXIT_NOEXEC : EXIT_NOPROG, "could not run ntt-sandbox: %s",
	    path ? strerror(errno) : "it was not found");
}

int
main(int argc, char **argv)
{
	static const char *const verbs[] = { "mount", "unmount", "status",
		"loops", "detach", NULL };
	enum { MOUNT, UNMOUNT, STATUS, LOOPS, DETACH } verb;
	char *image = NULL;
	int mounting, unmounting, loops, status;

	prog_start(&prog, argc, argv);
	prog_options(options);
	timeout_ms = 1000 * (int)timeout;
	verb = prog_verb(verbs);
	mounting = verb == MOUNT;
	unmounting = verb == UNMOUNT;
	loops = verb == LOOPS || verb == DETACH;
	hash = loops ? NULL : prog_need_medium(1, mounting ? 2 : 1);
	prog_operands(mounting ? 2 : 1, mounting ? 2 : 1);
	if (sandbox)
		become_sandbox();
	if (!loops)
		mount_command_medium(hash);
	if (mounting)
		image = path_absolute(prog_operand(1));
	if ((mounting || unmounting || loops) && geteuid() != 0)
		die(EXIT_FAILED, "cannot %s without root rights",
		    loops ? "look at loop devices" : verbs[verb]);
	through_sudo = getenv("SUDO_UID") != NULL || getuid() != geteuid();
	if (config_load_privileged() < 0)
		die(EXIT_USAGE, "%s", config_error());
	clean_process();
	run_dir = config_get(CONFIG_RUN_DIR);
	if (loops)
		return deleted_loops(verb == DETACH);
	sig_catch();
	/* asking makes no directories */
	if (!mounting && !unmounting &&
	    access(config_get(CONFIG_MOUNT_ROOT), F_OK) < 0 &&
	    errno == ENOENT) {
		mount_command_print_nothing(NULL);
		return EXIT_FAILED;
	}
	open_root();
	if (!mounting && !unmounting)
		return medium_status();
	lock_medium();
	status = mounting ? mount_medium(image) : unmount_medium();
	free(image);
	return status;
}
