#define _GNU_SOURCE
#include "mount/medium_mounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/bounded.h"
#include "base/buf.h"
#include "base/fsutil.h"
#include "base/mountinfo.h"

enum { MAX_STACKED = 1000 };

char *
medium_mount_path(const char *point, const char *name)
{
	return strcmp(name, ".") ? path_join(point, name) : xstrdup(point);
}

static int
is_of_medium(const char *path, const char *point)
{
	size_t len = strlen(point);
	const char *rest = path + len;

	if (strncmp(path, point, len))
		return 0;
	return !*rest || (rest[0] == '/' && rest[1] == 'p' && rest[2] &&
	    rest[2 + strspn(rest + 2, "0123456789")] == '\0');
}

static int
is_of_any(const char *path, const char *const *points)
{
	for (; *points; points++)
		if (is_of_medium(path, *points))
			return 1;
	return 0;
}

int
medium_mounts_count(const char *const *points)
{
	struct mountinfo m = MOUNTINFO_INIT;
	int n = mountinfo_read(&m);
	size_t i;

	for (i = 0; n >= 0 && i < m.count; i++)
		n += is_of_any(m.entries[i].point, points);
	mountinfo_free(&m);
	return n;
}

static int
unmount_work(void *arg)
{
	return umount2(arg, UMOUNT_NOFOLLOW) == 0 ? 0 : errno;
}

/* A file system on a dead device can hang when it is unmounted. */
static int
unmount_one(const char *path, int timeout_ms)
{
	int err = bounded_run(unmount_work, (void *)(uintptr_t)path, -1,
	    timeout_ms, BOUNDED_SAME);

	if (err > 0)
		errno = err;
	return err == 0 ? 0 : -1;
}

/*
 * EBUSY where an unmount would be refused.  MNT_EXPIRE only marks a mount that
 * is idle, and looking takes an older mark away.
 */
static int
busy_work(void *arg)
{
	struct stat st;

	if (stat(arg, &st) < 0 && errno == ENOTCONN)
		return 0;
	return umount2(arg, MNT_EXPIRE | UMOUNT_NOFOLLOW) < 0 ? errno : 0;
}

/* 1 if the registered mount is on top at path, 0 if not. */
static int
is_on_top(const char *path, const struct registry_mount *want, size_t *depth)
{
	struct mountinfo m = MOUNTINFO_INIT;
	const struct mount_entry *top;
	int rc = mountinfo_read(&m);

	if (rc == 0) {
		*depth = mountinfo_depth(&m, path);
		top = mountinfo_top(&m, path);
		rc = top && top->major == want->major &&
		    top->minor == want->minor;
	}
	mountinfo_free(&m);
	return rc;
}

static int
look_work(void *arg)
{
	struct stat st;

	return stat(arg, &st) == 0 ? 0 : errno;
}

/* The driver of a FUSE mount can be gone while the mount is still listed. */
static int
is_alive(const char *path, int timeout_ms)
{
	return bounded_run(look_work, (void *)(uintptr_t)path, -1, timeout_ms,
	    BOUNDED_SAME) != ENOTCONN;
}

static int
confirm_one(const char *path, const struct registry_mount *want, int peel,
    int timeout_ms)
{
	size_t depth = 0;
	int rc, tries;

	for (tries = 0; tries < MAX_STACKED; tries++) {
		rc = is_on_top(path, want, &depth);
		/* ours is the lowest: nothing was there when it was made */
		if (rc < 0 || depth < 2 || !peel)
			return rc == 1 ? is_alive(path, timeout_ms) : rc;
		if (unmount_one(path, timeout_ms) < 0)
			return -1;
	}
	errno = ELOOP;
	return -1;
}

int
medium_mounts_confirm(const char *point, const struct registry *r,
    unsigned int failing, int peel, int timeout_ms)
{
	int rc = r->count > 0;
	size_t i;

	for (i = 0; i < r->count && rc == 1; i++) {
		char *path;

		if (r->mounts[i].failing != failing)
			continue;
		path = medium_mount_path(point, r->mounts[i].name);

		rc = confirm_one(path, &r->mounts[i], peel, timeout_ms);
		free(path);
	}
	return rc;
}

/* All or none: one that is in use keeps the others mounted too. */
static int
none_is_busy(const struct mountinfo *m, const char *const *points,
    int timeout_ms, char **culprit)
{
	size_t i;

	for (i = 0; i < m->count; i++) {
		const char *path = m->entries[i].point;

		if (!is_of_any(path, points) || bounded_run(busy_work,
		    (void *)(uintptr_t)path, -1, timeout_ms, BOUNDED_SAME) !=
		    EBUSY)
			continue;
		*culprit = xstrdup(path);
		errno = EBUSY;
		return 0;
	}
	return 1;
}

int
medium_mounts_remove(const char *const *points, int timeout_ms,
    char **culprit)
{
	struct mountinfo m = MOUNTINFO_INIT;
	int n = mountinfo_read(&m), err;
	size_t i;

	*culprit = NULL;
	if (n == 0 && !none_is_busy(&m, points, timeout_ms, culprit))
		n = -1;
	for (i = m.count; n >= 0 && i-- > 0; ) {
		const char *path = m.entries[i].point;

		if (!is_of_any(path, points))
			continue;
		if (unmount_one(path, timeout_ms) < 0) {
			*culprit = xstrdup(path);
			n = -1;
		} else {
			n++;
		}
	}
	err = errno;
	mountinfo_free(&m);
	errno = err;
	return n;
}
