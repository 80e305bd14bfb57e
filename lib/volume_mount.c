#define _GNU_SOURCE
#include "volume_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "buf.h"
#include "dm_linear.h"
#include "fs_mount.h"
#include "fsutil.h"
#include "loop.h"
#include "medium_mounts.h"
#include "mountinfo.h"
#include "trusted_dir.h"

static const char *
medium_of(const struct volume_place *p)
{
	const char *slash = strrchr(p->point, '/');

	return slash ? slash + 1 : p->point;
}

/* A directory for FUSE drivers that nobody else can replace. */
static char *
make_stage(const struct volume_place *p, const char **why)
{
	int dir = trusted_dir(p->run_dir, p->strict, why);
	char *name = xasprintf("stage-%s", medium_of(p));
	char *path = path_join(p->run_dir, name);
	int fd;

	/* left there by a run that was killed */
	umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	fd = dir >= 0 ? trusted_subdir(dir, name, why) : -1;
	if (fd >= 0) {
		close(fd);
	} else {
		free(path);
		path = NULL;
	}
	if (dir >= 0)
		close(dir);
	free(name);
	return path;
}

static enum fs_outcome
mount_at(const struct volume_place *p, int target, const struct volume *v,
    const char *device, struct fs_result *result)
{
	const char *why = NULL;
	char *stage = make_stage(p, &why);
	struct fs_request r = { .device = device, .fstype = v->fstype,
		.session = v->session, .target = target, .stage = stage,
		.timeout_ms = p->timeout_ms };
	enum fs_outcome outcome;

	if (!stage) {
		snprintf(result->reason, sizeof result->reason,
		    "could not make a directory in NTT_RUN_DIR: %s", why);
		return FS_FAILED;
	}
	outcome = fs_mount(&r, result);
	rmdir(stage);
	free(stage);
	return outcome;
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
    const char *name)
{
	struct mountinfo m = MOUNTINFO_INIT;
	const struct mount_entry *top = NULL;

	if (mountinfo_read(&m) == 0)
		top = mountinfo_top(&m, path);
	if (top)
		registry_add(p->reg, name, top->major, top->minor);
	else
		umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	mountinfo_free(&m);
	return top ? 0 : -1;
}

/* The pieces of a volume as one device named name. */
static int
join_pieces(const struct volume_place *p, const struct volume *v,
    const char *name, struct loop *loop, char device[24])
{
	int err;

	if (loop_attach(loop, p->image->fd, p->image->path, 0,
	    p->image->size) < 0)
		return -1;
	if (dm_linear_create(name, loop->device, v->piece, v->pieces,
	    device) == 0)
		return 0;
	err = errno;
	close(loop->fd);
	errno = err;
	return -1;
}

static int
attach(const struct volume_place *p, const struct volume *v,
    const char *name, struct loop *loop, char device[24])
{
	if (v->pieces > 1)
		return join_pieces(p, v, name, loop, device);
	if (loop_attach(loop, p->image->fd, p->image->path, v->data,
	    v->length) < 0)
		return -1;
	strcpy(device, loop->device);
	return 0;
}

/* Attaches and mounts a recognised file system; fills o. */
static enum fs_outcome
mount_within(const struct volume_place *p, int target,
    const struct volume *v, struct volume_outcome *o)
{
	char *name = xasprintf("ntt-%s-%u", medium_of(p), v->num);
	struct fs_result result = { "", "" };
	enum fs_outcome outcome = FS_FAILED;
	struct loop loop;

	if (attach(p, v, name, &loop, o->device) < 0) {
		if (v->pieces > 1 && (errno == ENOENT || errno == ENODEV))
			outcome = FS_UNSUPPORTED;
		snprintf(o->reason, sizeof o->reason,
		    "%s%scould not attach a %s device: %s", v->reason,
		    *v->reason ? "; " : "", v->pieces > 1 ? "device mapper" :
		    "loop", strerror(errno));
		goto out;
	}
	outcome = mount_at(p, target, v, o->device, &result);
	/* from here on the mount alone keeps the device */
	if (v->pieces > 1)
		dm_linear_release(name);
	close(loop.fd);
	if (outcome == FS_MOUNTED)
		snprintf(o->fstype, sizeof o->fstype, "%s", result.fstype);
	else
		snprintf(o->reason, sizeof o->reason, "%s%s%s", v->reason,
		    *v->reason ? "; " : "", result.reason);
out:
	free(name);
	return outcome;
}

static void
mount_fs(const struct volume_place *p, const char *name,
    const struct volume *v, struct volume_outcome *o)
{
	static const char *const words[] = {
		[FS_MOUNTED] = "ok", [FS_FAILED] = "failed",
		[FS_HUNG] = "hung", [FS_UNSUPPORTED] = "unsupported_fs"
	};
	const char *why;
	int target = open_target(p->point_fd, name, &why);
	enum fs_outcome outcome;

	if (target < 0) {
		o->status = words[FS_FAILED];
		snprintf(o->reason, sizeof o->reason,
		    "could not make its mount point: %s", why);
		return;
	}
	outcome = mount_within(p, target, v, o);
	close(target);
	/* a volume in pieces that has no details is no logical one */
	o->status = outcome == FS_UNSUPPORTED && v->pieces > 1 && *v->detail ?
	    "lvm_detected" : words[outcome];
	if (outcome == FS_MOUNTED) {
		o->mount = medium_mount_path(p->point, name);
		if (register_mount(p, o->mount, name) == 0)
			goto out;
		free(o->mount);
		o->mount = NULL;
		o->status = words[FS_FAILED];
		snprintf(o->reason, sizeof o->reason,
		    "could not see what is mounted");
	} else if (strcmp(name, ".")) {
		unlinkat(p->point_fd, name, AT_REMOVEDIR);
	}
out:
	if (v->truncated && outcome != FS_HUNG)
		o->status = "truncated";
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
		mount_fs(p, name, v, o);
		return;
	}
	o->status = v->truncated ? "truncated" : words[v->kind];
	if (!*o->reason && v->kind == VOLUME_UNKNOWN)
		snprintf(o->reason, sizeof o->reason,
		    "no file system was recognised on it");
}
