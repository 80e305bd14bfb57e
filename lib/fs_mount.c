#define _GNU_SOURCE
#include "fs_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "bounded.h"
#include "buf.h"
#include "fsutil.h"
#include "spawn.h"

static const unsigned long safe_flags = MS_RDONLY | MS_NOSUID | MS_NODEV |
    MS_NOEXEC | MS_NOATIME | MS_NOSYMFOLLOW;

/* What no image may do to us through a FUSE driver either. */
#define FUSE_SAFE "ro,allow_other,nosuid,nodev,noexec"

/*
 * One row a way to mount; rows of one name are tried in their order.  A
 * driver is named in argv's first word and gets -o options; it is tried when
 * the kernel has no such file system, or first where first is set.
 */
static const struct {
	const char *name;	/* libblkid's */
	const char *type;	/* the kernel's */
	const char *options;
	const char *driver, *driver_options;
	const char *package;	/* of the driver */
	int driver_first;
} ways[] = {
	{ "ext2", "ext2", "", "fuse2fs", FUSE_SAFE, "fuse2fs", 0 },
	{ "ext3", "ext4", "noload", "fuse2fs", FUSE_SAFE, "fuse2fs", 0 },
	{ "ext4", "ext4", "noload", "fuse2fs", FUSE_SAFE, "fuse2fs", 0 },
	{ "ext4dev", "ext4", "noload", "fuse2fs", FUSE_SAFE, "fuse2fs", 0 },
	{ "xfs", "xfs", "norecovery,nouuid", NULL, NULL, NULL, 0 },
	/* what has copies is read without the other devices */
	{ "btrfs", "btrfs", "rescue=nologreplay,degraded", NULL, NULL, NULL, 0 },
	/* the kernel's driver has no way to leave a dirty journal alone */
	{ "ntfs", "ntfs3", "", "ntfs-3g", FUSE_SAFE ",norecover",
	    "ntfs-3g", 1 },
	{ "vfat", "vfat", "fmask=0022,dmask=0022,utf8", NULL, NULL, NULL, 0 },
	{ "exfat", "exfat", "fmask=0022,dmask=0022", "mount.exfat-fuse",
	    FUSE_SAFE, "exfat-fuse", 0 },
	{ "iso9660", "iso9660", "utf8", "fuseiso", FUSE_SAFE, "fuseiso", 0 },
	/* its mark may be lost, or that of the ISO 9660 in front of it */
	{ "udf", "udf", "utf8,novrs", NULL, NULL, NULL, 0 },
	{ "squashfs", "squashfs", "", "squashfuse", FUSE_SAFE,
	    "squashfuse", 0 },
	{ "erofs", "erofs", "", NULL, NULL, NULL, 0 },
	{ "hfs", "hfs", "", NULL, NULL, NULL, 0 },
	{ "hfsplus", "hfsplus", "", NULL, NULL, NULL, 0 },
	{ "jfs", "jfs", "", NULL, NULL, NULL, 0 },
	{ "reiserfs", "reiserfs", "", NULL, NULL, NULL, 0 },
	{ "f2fs", "f2fs", "norecovery", NULL, NULL, NULL, 0 },
	{ "nilfs2", "nilfs2", "norecovery", NULL, NULL, NULL, 0 },
	{ "minix", "minix", "", NULL, NULL, NULL, 0 },
	{ "sysv", "sysv", "", NULL, NULL, NULL, 0 },
	{ "ufs", "ufs", "ufstype=ufs2", NULL, NULL, NULL, 0 },
	{ "ufs", "ufs", "ufstype=44bsd", NULL, NULL, NULL, 0 },
	{ "hpfs", "hpfs", "", NULL, NULL, NULL, 0 },
	{ "affs", "affs", "", NULL, NULL, NULL, 0 },
	{ "adfs", "adfs", "", NULL, NULL, NULL, 0 },
	{ "befs", "befs", "", NULL, NULL, NULL, 0 },
	{ "bfs", "bfs", "", NULL, NULL, NULL, 0 },
	{ "cramfs", "cramfs", "", NULL, NULL, NULL, 0 },
	{ "romfs", "romfs", "", NULL, NULL, NULL, 0 },
};

enum { WAYS = sizeof ways / sizeof ways[0] };

/* What the kernel of Debian's user-mode-linux package has besides. */
static const char in_uml[] = " vfat iso9660 udf hfs hfsplus jfs reiserfs "
    "xfs btrfs minix ";

static const char *
target_path(int target, char path[40])
{
	snprintf(path, 40, "/proc/self/fd/%d", target);
	return path;
}

struct kernel_task {
	const char *device, *type, *options;
	int target;
};

static int
kernel_work(void *arg)
{
	const struct kernel_task *t = arg;
	char path[40];

	return mount(t->device, target_path(t->target, path), t->type,
	    safe_flags, t->options) == 0 ? 0 : errno;
}

static void
say_errno(struct fs_result *result, const char *type, int err)
{
	snprintf(result->reason, sizeof result->reason,
	    "could not mount it as %s: %s", type, strerror(err));
}

/* What this file system is mounted with; caller frees. */
static char *
options_of(int way, unsigned int session)
{
	return session && !strcmp(ways[way].name, "iso9660") ?
	    xasprintf("%s,sbsector=%u", ways[way].options, session) :
	    xstrdup(ways[way].options);
}

static enum fs_outcome
by_kernel(const struct fs_request *r, int way, struct fs_result *result)
{
	char *options = options_of(way, r->session);
	struct kernel_task t = { .device = r->device, .target = r->target,
		.type = ways[way].type, .options = options };
	int err = bounded_run(kernel_work, &t, r->target, r->timeout_ms,
	    BOUNDED_SAME);

	free(options);

	if (err == 0)
		return FS_MOUNTED;
	if (err < 0 && errno == ETIMEDOUT) {
		snprintf(result->reason, sizeof result->reason,
		    "mounting it as %s did not end in %d s", t.type,
		    r->timeout_ms / 1000);
		return FS_HUNG;
	}
	say_errno(result, t.type, err < 0 ? errno : err);
	return err == ENODEV ? FS_UNSUPPORTED : FS_FAILED;
}

/* ---- FUSE ---- */

static char *
driver_path(const char *driver)
{
	static const char *const dirs[] = {
		"/usr/bin", "/usr/sbin", "/bin", "/sbin"
	};
	size_t i;

	for (i = 0; driver && i < sizeof dirs / sizeof dirs[0]; i++) {
		char *path = path_join(dirs[i], driver);

		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

/* The first line a driver said after its name. */
static void
take_words(int fd, struct fs_result *result, const char *driver)
{
	char text[300], *from = text;
	struct buf line = BUF_INIT;
	ssize_t n = pread_full(fd, text, sizeof text - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	if (!strncmp(text, "FUSE ", 5) && strchr(text, '\n'))
		from = strchr(text, '\n') + 1;
	from[strcspn(from, "\n")] = '\0';
	buf_escape(&line, from, strlen(from));
	snprintf(result->reason, sizeof result->reason, "%s: %s", driver,
	    line.len ? line.data : "it failed without a word");
	buf_free(&line);
}

struct stage_task {
	const char *stage;
	int target;
};

static int
bind_work(void *arg)
{
	const struct stage_task *t = arg;
	char path[40];

	return mount(t->stage, target_path(t->target, path), NULL, MS_BIND,
	    NULL) == 0 ? 0 : errno;
}

static int
harden_work(void *arg)
{
	const struct stage_task *t = arg;

	return mount(NULL, t->stage, NULL, MS_REMOUNT | MS_BIND | safe_flags,
	    NULL) == 0 ? 0 : errno;
}

static enum fs_outcome
from_stage(const struct fs_request *r, struct fs_result *result)
{
	struct stage_task t = { .stage = r->stage, .target = r->target };
	int err, why;

	/* a bind mount inherits the flags of what it is made from */
	err = bounded_run(harden_work, &t, -1, r->timeout_ms, BOUNDED_SAME);
	if (err == 0)
		err = bounded_run(bind_work, &t, r->target, r->timeout_ms,
		    BOUNDED_SAME);
	why = err < 0 ? errno : err;
	umount2(r->stage, MNT_DETACH | UMOUNT_NOFOLLOW);
	if (err == 0)
		return FS_MOUNTED;
	snprintf(result->reason, sizeof result->reason,
	    "could not bind the driver's mount: %s", strerror(why));
	return why == ETIMEDOUT ? FS_HUNG : FS_FAILED;
}

static enum fs_outcome
by_driver(const struct fs_request *r, int way, char *path,
    struct fs_result *result)
{
	char *argv[] = { path, (char *)(uintptr_t)r->device,
		(char *)(uintptr_t)r->stage, (char *)(uintptr_t)"-o",
		(char *)(uintptr_t)ways[way].driver_options, NULL };
	struct spawn_io io = SPAWN_INHERIT;
	struct child child;
	enum fs_outcome outcome = FS_FAILED;
	int words = memfd_create("driver", MFD_CLOEXEC), status = -1;

	io.in = SPAWN_NULL;
	io.out = io.err = words;
	io.detach = 1;
	if (words < 0 || spawn(&child, argv, &io) < 0) {
		say_errno(result, ways[way].driver, errno);
		goto out;
	}
	status = child_wait_for(&child, r->timeout_ms);
	if (status == 0) {
		outcome = from_stage(r, result);
	} else if (status > 0) {
		take_words(words, result, ways[way].driver);
	} else {
		kill(-child.pid, SIGKILL);
		child_wait_for(&child, 1000);
		snprintf(result->reason, sizeof result->reason,
		    "%s did not end in %d s", ways[way].driver,
		    r->timeout_ms / 1000);
		outcome = FS_HUNG;
	}
	if (status != 0)
		umount2(r->stage, MNT_DETACH | UMOUNT_NOFOLLOW);
out:
	if (words >= 0)
		close(words);
	return outcome;
}

/* ---- the order of things ---- */

static void
say_unsupported(const struct fs_request *r, struct fs_result *result,
    int way)
{
	char name[32];

	snprintf(name, sizeof name, " %s ", ways[way].name);
	if (r->session && ways[way].driver)
		snprintf(result->reason, sizeof result->reason,
		    "this kernel has no %s; %s shows the first session only",
		    ways[way].type, ways[way].driver);
	else if (ways[way].package)
		snprintf(result->reason, sizeof result->reason,
		    "this kernel has no %s, and package %s is not installed",
		    ways[way].type, ways[way].package);
	else
		snprintf(result->reason, sizeof result->reason,
		    "this kernel has no %s%s", ways[way].type,
		    strstr(in_uml, name) ?
		    "; that of package user-mode-linux has" :
		    " (package linux-image-amd64 may)");
}

static enum fs_outcome
one_way(const struct fs_request *r, int way, struct fs_result *result)
{
	/* no driver knows of sessions: it would show the first */
	char *driver = r->session ? NULL : driver_path(ways[way].driver);
	enum fs_outcome outcome = FS_UNSUPPORTED;

	if (driver && ways[way].driver_first)
		outcome = by_driver(r, way, driver, result);
	else
		outcome = by_kernel(r, way, result);
	if (outcome == FS_UNSUPPORTED && driver)
		outcome = by_driver(r, way, driver, result);
	else if (outcome == FS_UNSUPPORTED)
		say_unsupported(r, result, way);
	free(driver);
	return outcome;
}

static enum fs_outcome
by_name(const struct fs_request *r, const char *name,
    struct fs_result *result)
{
	enum fs_outcome outcome = FS_UNSUPPORTED;
	int way;

	snprintf(result->fstype, sizeof result->fstype, "%s", name);
	snprintf(result->reason, sizeof result->reason,
	    "nothing here mounts %s", name);
	for (way = 0; way < WAYS; way++) {
		if (strcmp(ways[way].name, name))
			continue;
		outcome = one_way(r, way, result);
		if (outcome != FS_FAILED)
			break;
	}
	return outcome;
}

/* A disc may be both, and one of the two damaged or not known here. */
static const char *
other_name(const char *name)
{
	return !strcmp(name, "udf") ? "iso9660" :
	    !strcmp(name, "iso9660") ? "udf" : NULL;
}

enum fs_outcome
fs_mount(const struct fs_request *r, struct fs_result *result)
{
	const char *other = other_name(r->fstype);
	enum fs_outcome outcome = by_name(r, r->fstype, result);
	struct fs_result again;

	if (outcome == FS_MOUNTED || outcome == FS_HUNG || !other)
		return outcome;
	if (by_name(r, other, &again) != FS_MOUNTED)
		return outcome;
	*result = again;
	return FS_MOUNTED;
}

static void
add_way(struct buf *words, const char *name, const char *type,
    const char *options)
{
	buf_printf(words, " %s:%s%s%s", name, type, *options ? "," : "",
	    options);
}

static void
add_driver(struct buf *words, int way, const char *driver)
{
	char *type = xasprintf("=%s", driver);

	add_way(words, ways[way].name, type, ways[way].driver_options);
	free(type);
}

static void
add_ways(const char *name, unsigned int session, struct buf *words)
{
	char *driver, *options;
	int way;

	for (way = 0; way < WAYS; way++) {
		if (strcmp(ways[way].name, name))
			continue;
		driver = session ? NULL : driver_path(ways[way].driver);
		options = options_of(way, session);
		if (driver && ways[way].driver_first)
			add_driver(words, way, driver);
		add_way(words, name, ways[way].type, options);
		free(options);
		if (driver && !ways[way].driver_first)
			add_driver(words, way, driver);
		free(driver);
	}
}

void
fs_mount_ways(const char *fstype, unsigned int session, struct buf *words)
{
	const char *other = other_name(fstype);

	add_ways(fstype, session, words);
	if (other)
		add_ways(other, 0, words);
}
