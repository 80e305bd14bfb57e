#define _GNU_SOURCE
#include "mount/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/mountinfo.h"

static int
open_device(int number, char *device, size_t size)
{
	snprintf(device, size, "/dev/loop%d", number);
	return open(device, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
}

int
loop_attach(struct loop *l, int image, const char *name, uint64_t offset,
    uint64_t size, int direct)
{
	enum { TRIES = 256 };
	struct loop_config config = { .fd = (uint32_t)image };
	int control, tries, err = EBUSY;

	l->fd = -1;
	config.info.lo_offset = offset;
	config.info.lo_sizelimit = size;
	config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR |
	    (direct ? LO_FLAGS_DIRECT_IO : 0);
	strncpy((char *)config.info.lo_file_name, name, LO_NAME_SIZE - 1);
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -1;
	/* EBUSY: somebody else was given the same free number */
	for (tries = 0; tries < TRIES && err == EBUSY && l->fd < 0; tries++) {
		l->number = ioctl(control, LOOP_CTL_GET_FREE);
		if (l->number >= 0)
			l->fd = open_device(l->number, l->device,
			    sizeof l->device);
		if (l->fd >= 0 && ioctl(l->fd, LOOP_CONFIGURE, &config) == 0)
			break;
		err = errno;
		if (l->fd >= 0)
			close(l->fd);
		l->fd = -1;
	}
	close(control);
	errno = err;
	return l->fd < 0 ? -1 : 0;
}

char *
loop_backing_file(int number)
{
	char *path = xasprintf("/sys/block/loop%d/loop/backing_file", number);
	char text[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read_full(fd, text, sizeof text - 1) : -1;

	if (fd >= 0)
		close(fd);
	free(path);
	if (n <= 0)
		return NULL;
	text[n - (text[n - 1] == '\n')] = '\0';
	return xstrdup(text);
}

/*
 * sysfs appends " (deleted)"; a file may really be called that, and then
 * stat(2) finds the very inode.
 */
static void
judge_deleted(struct loop_status *l)
{
	static const char mark[] = " (deleted)";
	struct stat st;

	if (!has_suffix(l->path, mark))
		return;
	if (stat(l->path, &st) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		return;
	l->deleted = 1;
	l->path[strlen(l->path) - (sizeof mark - 1)] = '\0';
}

static int
get_status(int fd, struct loop_status *l)
{
	struct loop_info64 info;

	memset(&info, 0, sizeof info);	/* valgrind knows no such ioctl */
	if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return -1;
	l->dev = info.lo_device;
	l->ino = info.lo_inode;
	l->offset = info.lo_offset;
	l->size = info.lo_sizelimit;
	return 0;
}

/* The file is on another FUSE file system than dev. */
static int
is_elsewhere(const struct mountinfo *m, const char *path, dev_t dev)
{
	const struct mount_entry *on = NULL;
	size_t i, len, longest = 0;

	for (i = 0; i < m->count; i++) {
		len = strlen(m->entries[i].point);
		if (len < longest || strncmp(m->entries[i].point, path, len) ||
		    (path[len] != '/' && len > 1))
			continue;
		longest = len;
		on = &m->entries[i];
	}
	return on && !strncmp(on->fstype, "fuse", 4) &&
	    makedev(on->major, on->minor) != dev;
}

static int
describe(int number, dev_t dev, const struct mountinfo *m,
    struct loop_status *l)
{
	char device[24];
	int fd, rc = -1;

	memset(l, 0, sizeof *l);
	l->number = number;
	l->path = loop_backing_file(number);
	if (!l->path)
		return -1;
	fd = dev && is_elsewhere(m, l->path, dev) ? -1 :
	    open_device(number, device, sizeof device);
	if (fd >= 0) {
		rc = get_status(fd, l);
		close(fd);
	}
	if (rc < 0)
		free(l->path);
	else
		judge_deleted(l);
	return rc;
}

struct loop_status *
loop_list(dev_t dev, size_t *count)
{
	struct mountinfo m = MOUNTINFO_INIT;
	struct loop_status *list = NULL, one;
	struct dirent *d;
	DIR *dir = opendir("/sys/block");
	int number;
	char end;

	*count = 0;
	if (dev)
		mountinfo_read(&m);
	while (dir && (d = readdir(dir))) {
		if (sscanf(d->d_name, "loop%d%c", &number, &end) != 1 ||
		    describe(number, dev, &m, &one) < 0)
			continue;
		list = xrealloc(list, (*count + 1) * sizeof *list);
		list[(*count)++] = one;
	}
	if (dir)
		closedir(dir);
	mountinfo_free(&m);
	return list;
}

int
loop_any_deleted(void)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *d;
	int found = 0, number;
	char end, *path;

	while (dir && !found && (d = readdir(dir))) {
		if (sscanf(d->d_name, "loop%d%c", &number, &end) != 1)
			continue;
		path = loop_backing_file(number);
		found = path && has_suffix(path, " (deleted)");
		free(path);
	}
	if (dir)
		closedir(dir);
	return found;
}

void
loop_list_free(struct loop_status *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(list[i].path);
	free(list);
}

int
loop_detach(const struct loop_status *l)
{
	struct loop_status now = { 0 };
	char device[24];
	int fd = open_device(l->number, device, sizeof device);
	int rc = -1, err;

	if (fd < 0)
		return -1;
	if (get_status(fd, &now) == 0) {
		errno = ESTALE;
		if (now.dev == l->dev && now.ino == l->ino)
			rc = ioctl(fd, LOOP_CLR_FD);
	}
	err = errno;
	close(fd);
	/* it went by itself in the meantime */
	if (rc < 0 && err == ENXIO)
		return 0;
	errno = err;
	return rc;
}
