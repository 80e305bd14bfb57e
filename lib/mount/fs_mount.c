#define _GNU_SOURCE
#include "mount/fs_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/buf.h"
#include "base/fsutil.h"
#include "image/iso_trees.h"
#include "mount/sandbox_missing.h"

static const unsigned long safe_flags = MS_RDONLY | MS_NOSUID | MS_NODEV |
    MS_NOEXEC | MS_NOATIME | MS_NOSYMFOLLOW;

/* What no image may do in the guest through a FUSE driver either. */
#define FUSE_SAFE "ro,allow_other,nosuid,nodev,noexec"

/*
 * One row a way to mount; rows of one name are tried in their order.  A
 * driver, for the guest alone, is named in argv's first word and gets -o
 * options.  errors=continue: else an image may ask for a panic.
 */
static const struct {
	const char *name;	/* libblkid's */
	const char *type;	/* the kernel's */
	const char *options;
	const char *driver, *driver_options;
	const char *package;	/* of the driver */
} ways[] = {
	{ "ext2", "ext2", "errors=continue", NULL, NULL, NULL },
	{ "ext3", "ext4", "noload,errors=continue", NULL, NULL, NULL },
	{ "ext4", "ext4", "noload,errors=continue", NULL, NULL, NULL },
	{ "ext4dev", "ext4", "noload,errors=continue", NULL, NULL, NULL },
	{ "xfs", "xfs", "norecovery,nouuid", NULL, NULL, NULL },
	/* what has copies is read without the other devices */
	{ "btrfs", "btrfs", "rescue=nologreplay,degraded", NULL, NULL, NULL },
	/* streams up to 64 KiB are no attributes: ntt-streams takes all */
	{ "ntfs", "ntfs3", "", "ntfs-3g", FUSE_SAFE
	    ",norecover,streams_interface=none", "ntfs-3g" },
	{ "vfat", "vfat", "fmask=0022,dmask=0022,utf8", NULL, NULL, NULL },
	{ "exfat", "exfat", "fmask=0022,dmask=0022", "mount.exfat-fuse",
	    FUSE_SAFE, "exfat-fuse" },
	{ "iso9660", "iso9660", "utf8", NULL, NULL, NULL },
	/* its mark may be lost, or that of the ISO 9660 in front of it */
	{ "udf", "udf", "utf8,novrs", NULL, NULL, NULL },
	{ "squashfs", "squashfs", "", NULL, NULL, NULL },
	{ "erofs", "erofs", "", NULL, NULL, NULL },
	{ "hfs", "hfs", "", NULL, NULL, NULL },
	{ "hfsplus", "hfsplus", "", NULL, NULL, NULL },
	{ "jfs", "jfs", "", NULL, NULL, NULL },
	{ "reiserfs", "reiserfs", "", NULL, NULL, NULL },
	{ "f2fs", "f2fs", "norecovery", NULL, NULL, NULL },
	{ "nilfs2", "nilfs2", "norecovery", NULL, NULL, NULL },
	{ "minix", "minix", "", NULL, NULL, NULL },
	{ "sysv", "sysv", "", NULL, NULL, NULL },
	{ "xenix", "sysv", "", NULL, NULL, NULL },
	{ "vxfs", "vxfs", "", NULL, NULL, NULL },
	{ "ufs", "ufs", "ufstype=ufs2", NULL, NULL, NULL },
	{ "ufs", "ufs", "ufstype=44bsd", NULL, NULL, NULL },
	{ "hpfs", "hpfs", "", NULL, NULL, NULL },
	{ "affs", "affs", "", NULL, NULL, NULL },
	{ "adfs", "adfs", "", NULL, NULL, NULL },
	{ "befs", "befs", "", NULL, NULL, NULL },
	{ "bfs", "bfs", "", NULL, NULL, NULL },
	{ "cramfs", "cramfs", "", NULL, NULL, NULL },
	{ "efs", "efs", "", NULL, NULL, NULL },
	{ "qnx4", "qnx4", "", NULL, NULL, NULL },
	{ "romfs", "romfs", "", NULL, NULL, NULL },
};

enum { WAYS = sizeof ways / sizeof ways[0] };

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

static void
say_unsupported(struct fs_result *result, const char *type,
    const char *name)
{
	char *missing = fs_mount_missing(name);

	snprintf(result->reason, sizeof result->reason,
	    "this kernel has no %s%s%s", type, missing ? "; " : "",
	    missing ? missing : "");
	free(missing);
}

/* What this file system is mounted with; caller frees. */
static char *
options_of(int way, unsigned int session, unsigned int tree, int exact)
{
	static const char *const trees[] = { [ISO_TREE_SHOWN] = "",
		[ISO_TREE_PRIMARY] = ",nojoliet",
		[ISO_TREE_JOLIET] = ",norock" };
	struct buf b = BUF_INIT;

	if (exact && !strncmp(ways[way].type, "ext", 3))
		return xasprintf("%s,inode_readahead_blks=0",
		    ways[way].options);
	buf_puts(&b, ways[way].options);
	if (strcmp(ways[way].name, "iso9660"))
		return buf_detach(&b);
	if (session)
		buf_printf(&b, ",sbsector=%u", session);
	if (tree < sizeof trees / sizeof trees[0])
		buf_puts(&b, trees[tree]);
	return buf_detach(&b);
}

static enum fs_outcome
by_kernel(const struct fs_request *r, int way, struct fs_result *result)
{
	char *options = options_of(way, r->session, r->tree, r->exact);
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
	if (err == ENODEV) {
		say_unsupported(result, t.type, r->fstype);
		return FS_UNSUPPORTED;
	}
	say_errno(result, t.type, err < 0 ? errno : err);
	return FS_FAILED;
}

/* ---- the order of things ---- */

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
		outcome = by_kernel(r, way, result);
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

/* ---- in the guest ---- */

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
add_ways(const char *name, unsigned int session, unsigned int tree, int exact,
    struct buf *words)
{
	char *driver, *options;
	int way;

	for (way = 0; way < WAYS; way++) {
		if (strcmp(ways[way].name, name))
			continue;
		driver = driver_path(ways[way].driver);
		options = options_of(way, session, tree, exact);
		add_way(words, name, ways[way].type, options);
		if (driver)
			add_driver(words, way, driver);
		free(options);
		free(driver);
	}
}

void
fs_mount_ways(const char *fstype, unsigned int session, unsigned int tree,
    int exact, struct buf *words)
{
	const char *other = other_name(fstype);

	add_ways(fstype, session, tree, exact, words);
	if (other)
		add_ways(other, 0, 0, exact, words);
}

char *
fs_mount_missing(const char *fstype)
{
	struct buf names = BUF_INIT;
	char *path, *clause = NULL;
	int way;

	sandbox_packages(&names);
	for (way = 0; way < WAYS; way++) {
		if (strcmp(ways[way].name, fstype) || !ways[way].package)
			continue;
		path = driver_path(ways[way].driver);
		if (!path)
			buf_printf(&names, "%s%s", names.len ? ", " : "",
			    ways[way].package);
		free(path);
	}
	if (names.len)
		clause = xasprintf("not installed: %s", names.data);
	buf_free(&names);
	return clause;
}
