#define _GNU_SOURCE
#include "volume_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/mountinfo.h"
#include "image/refused.h"
#include "mount/dm_linear.h"
#include "mount/fs_mount.h"
#include "mount/loop.h"
#include "mount/medium_mounts.h"
#include "trusted_dir.h"

static const char *
medium_of(const struct volume_place *p)
{
	const char *slash = strrchr(p->plain.point, '/');

	return slash ? slash + 1 : p->plain.point;
}

/* Where the volume is to be mounted below point_fd: itself, or pN. */
static int
open_target(int point_fd, const char *name, const char **why)
{
	int fd;

	if (strcmp(name, "."))
		return trusted_subdir(point_fd, name, why);
	fd = fcntl(point_fd, F_DUPFD_CLOEXEC, 3);
	*why = fd < 0 ? strerror(errno) : NULL;
	return fd;
}

/* A mount that cannot be found again would never be unmounted. */
static int
register_mount(const struct volume_place *p, const char *path,
    const char *name, int failing)
{
	struct mountinfo m = MOUNTINFO_INIT;
	const struct mount_entry *top = NULL;

	if (mountinfo_read(&m) == 0)
		top = mountinfo_top(&m, path);
	if (top)
		registry_add(p->reg, name, top->major, top->minor)->failing =
		    failing != 0;
	else
		umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	mountinfo_free(&m);
	return top ? 0 : -1;
}

/* The pieces of a volume as one device named name. */
static int
join_pieces(const struct volume_place *p, const struct volume_side *side,
    const struct volume *v, const char *name, struct loop *loop,
    char device[24])
{
	int err;

	if (loop_attach(loop, side->file, p->image->path, 0, p->view ?
	    p->view->length : p->image->size, p->view != NULL) < 0)
		return -1;
	if (dm_linear_create(name, loop->device, v->piece, v->pieces,
	    device) == 0)
		return 0;
	err = errno;
	close(loop->fd);
	errno = err;
	return -1;
}

/* All that the file system says it has, where the view has it. */
static uint64_t
length_of(const struct volume_place *p, const struct volume *v)
{
	enum { SECTOR = 512 };
	uint64_t length = v->need > v->length ? v->need : v->length;

	if (!p->view)
		return v->length;
	length = (length + SECTOR - 1) / SECTOR * SECTOR;
	return length > p->view->length - v->data ? p->view->length - v->data :
	    length;
}

static int
attach(const struct volume_place *p, const struct volume_side *side,
    const struct volume *v, const char *name, struct loop *loop,
    char device[24])
{
	if (v->pieces > 1)
		return join_pieces(p, side, v, name, loop, device);
	if (loop_attach(loop, side->file, p->image->path, v->data,
	    length_of(p, v), p->view != NULL) < 0)
		return -1;
	strcpy(device, loop->device);
	return 0;
}

/* It would be refused while something else is looked at. */
static void
read_nothing_ahead(const char *device)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ioctl(fd, BLKRASET, 0);
	close(fd);
}

/* Attaches and mounts a recognised file system. */
static enum fs_outcome
mount_within(const struct volume_place *p, const struct volume_side *side,
    int target, const struct volume *v, char device[24],
    struct fs_result *result)
{
	char *name = xasprintf("ntt-%s-%u%s", medium_of(p), v->num,
	    side == &p->failing ? "-failing" : "");
	enum fs_outcome outcome = FS_FAILED;
	struct loop loop;

	if (attach(p, side, v, name, &loop, device) < 0) {
		if (v->pieces > 1 && (errno == ENOENT || errno == ENODEV))
			outcome = FS_UNSUPPORTED;
		snprintf(result->reason, sizeof result->reason,
		    "could not attach a %s device: %s", v->pieces > 1 ?
		    "device mapper" : "loop", strerror(errno));
		goto out;
	}
	if (side == &p->failing)
		read_nothing_ahead(device);
	outcome = fs_mount(&(struct fs_request){ .device = device,
	    .fstype = v->fstype, .session = v->session,
	    .tree = v->tree, .target = target,
	    .exact = side == &p->failing, .timeout_ms = p->timeout_ms },
	    result);
	/* from here on the mount alone keeps the device */
	if (v->pieces > 1)
		dm_linear_release(name);
	close(loop.fd);
out:
	free(name);
	return outcome;
}

/* *mount gets the path, which the caller frees. */
static enum fs_outcome
mount_side(const struct volume_place *p, const struct volume_side *side,
    const char *name, const struct volume *v, char device[24],
    struct fs_result *result, char **mount)
{
	const char *why;
	int target = open_target(side->point_fd, name, &why);
	enum fs_outcome outcome;
	char *path;

	if (target < 0) {
		snprintf(result->reason, sizeof result->reason,
		    "could not make its mount point: %s", why);
		return FS_FAILED;
	}
	outcome = mount_within(p, side, target, v, device, result);
	close(target);
	if (outcome == FS_MOUNTED) {
		path = medium_mount_path(side->point, name);
		if (register_mount(p, path, name, side == &p->failing) == 0) {
			*mount = path;
			return outcome;
		}
		free(path);
		snprintf(result->reason, sizeof result->reason,
		    "could not see what is mounted");
		outcome = FS_FAILED;
	}
	if (strcmp(name, "."))
		unlinkat(side->point_fd, name, AT_REMOVEDIR);
	return outcome;
}

static void
mount_plain(const struct volume_place *p, const char *name,
    const struct volume *v, struct volume_outcome *o)
{
	static const char *const words[] = {
		[FS_MOUNTED] = "ok", [FS_FAILED] = "failed",
		[FS_HUNG] = "hung", [FS_UNSUPPORTED] = "unsupported_fs"
	};
	struct fs_result result = { "", "" };
	enum fs_outcome outcome = mount_side(p, &p->plain, name, v, o->device,
	    &result, &o->mount);

	/* a volume in pieces that has no details is no logical one */
	o->status = outcome == FS_UNSUPPORTED && v->pieces > 1 && *v->detail ?
	    "lvm_detected" : words[outcome];
	if (o->mount) {
		strcpy(o->by, "this kernel");
		snprintf(o->fstype, sizeof o->fstype, "%s", result.fstype);
	} else {
		snprintf(o->reason, sizeof o->reason, "%s%s%s", v->reason,
		    *v->reason ? "; " : "", result.reason);
	}
	if (v->truncated && outcome != FS_HUNG && outcome != FS_UNSUPPORTED)
		o->status = "truncated";
}

/* The same volume once more, to see what its driver asks for in vain. */
static void
mount_failing(const struct volume_place *p, const char *name,
    const struct volume *v, struct volume_outcome *o)
{
	struct volume same = *v;
	struct fs_result result = { "", "" };
	char device[24];

	/* what the plain one was mounted as */
	snprintf(same.fstype, sizeof same.fstype, "%s", o->fstype);
	o->refused_from = (uint64_t)refused_count(p->refused);
	mount_side(p, &p->failing, name, &same, device, &result, &o->failing);
	o->refused_to = (uint64_t)refused_count(p->refused);
	if (!o->failing)
		snprintf(o->failing_reason, sizeof o->failing_reason, "%s",
		    result.reason);
}

/* How many bytes of it are lost. */
static uint64_t
lost_bytes(const struct volume_place *p, const struct volume *v)
{
	uint64_t sum = 0;
	uint32_t i;

	if (!p->view)
		return 0;
	if (v->pieces < 2)
		return view_lost_within(p->view, v->data, length_of(p, v));
	for (i = 0; i < v->pieces; i++)
		sum += view_lost_within(p->view, v->piece[i].start,
		    v->piece[i].size);
	return sum;
}

void
volume_mount(const struct volume_place *p, const struct volume *v,
    struct volume_outcome *o)
{
	static const char *const words[VOLUME_KINDS] = {
		[VOLUME_SWAP] = "swap", [VOLUME_RAID] = "raid_member",
		[VOLUME_LVM] = "lvm_detected",
		[VOLUME_FOREIGN] = "unsupported_fs",
		[VOLUME_UNKNOWN] = "failed"
	};
	char name[16] = ".";

	memset(o, 0, sizeof *o);
	snprintf(o->fstype, sizeof o->fstype, "%s", v->fstype);
	snprintf(o->reason, sizeof o->reason, "%s", v->reason);
	if (p->multi)
		snprintf(name, sizeof name, "p%u", v->num);
	if (v->kind == VOLUME_FS && v->length) {
		o->lost = lost_bytes(p, v);
		mount_plain(p, name, v, o);
		if (o->mount && o->lost)
			mount_failing(p, name, v, o);
		return;
	}
	o->status = v->truncated ? "truncated" : words[v->kind];
	if (!*o->reason && v->kind == VOLUME_UNKNOWN)
		snprintf(o->reason, sizeof o->reason,
		    "no file system was recognised on it");
}
