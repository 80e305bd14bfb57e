#define _GNU_SOURCE
#include "image/device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/buf.h"
#include "base/fsutil.h"
#include "base/mountinfo.h"
#include "base/sig.h"

enum { FILE_SECTOR = 512, DEPTH = 8, PLACES = 3 };

/* What the child found out, in memory that both see. */
struct looking {
	struct device d;
	int err;
};

static void
measure_block(struct device *d, int fd)
{
	int logical = 0;
	unsigned int physical = 0;

	if (ioctl(fd, BLKSSZGET, &logical) == 0 && logical > 0)
		d->sector = (unsigned int)logical;
	if (ioctl(fd, BLKPBSZGET, &physical) == 0 && physical > d->sector)
		d->physical = physical;
	else
		d->physical = d->sector;
	d->direct = 1;
}

/* Some file systems refuse O_DIRECT, others want larger units. */
static int
file_direct(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	int fine = fd >= 0;
#ifdef STATX_DIOALIGN
	struct statx sx;

	if (fine && statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) == 0 &&
	    sx.stx_mask & STATX_DIOALIGN)
		fine = sx.stx_dio_offset_align > 0 &&
		    sx.stx_dio_offset_align <= FILE_SECTOR;
#endif
	if (fd >= 0)
		close(fd);
	return fine;
}

static int
look(void *arg)
{
	struct looking *l = arg;
	struct device *d = &l->d;
	struct stat st;
	int fd = open(d->path, O_RDONLY | O_CLOEXEC), rc = -1;

	d->sector = d->physical = FILE_SECTOR;
	if (fd < 0 || fstat(fd, &st) < 0)
		goto out;
	if (S_ISREG(st.st_mode)) {
		d->size = (uint64_t)st.st_size;
		d->direct = file_direct(d->path);
		rc = 0;
	} else if (S_ISBLK(st.st_mode)) {
		d->is_block = 1;
		d->number = st.st_rdev;
		measure_block(d, fd);
		rc = ioctl(fd, BLKGETSIZE64, &d->size);
		/* a part of a sector cannot be read directly */
		if (d->size % d->sector)
			d->direct = 0;
	} else {
		errno = ENOTSUP;
	}
out:
	l->err = rc < 0 ? errno : 0;
	return 0;
}

int
device_look(struct device *d, const char *path, int timeout_ms)
{
	struct looking *l = mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct stat st;
	int rc, err;

	memset(d, 0, sizeof *d);
	d->path = path;
	if (l == MAP_FAILED)
		return -1;
	/* opening a fifo would wait */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) &&
	    !S_ISBLK(st.st_mode)) {
		munmap(l, sizeof *l);
		errno = ENOTSUP;
		return -1;
	}
	l->d = *d;
	l->err = EBADMSG;
	rc = bounded_run(look, l, -1, timeout_ms, BOUNDED_SAME);
	err = rc < 0 ? errno : l->err;
	*d = l->d;
	munmap(l, sizeof *l);
	if (!err && d->size == 0)
		err = ENODATA;
	errno = err;
	return err ? -1 : 0;
}

int
device_wait(struct device *d, const char *path, int timeout_ms, int wait_ms)
{
	static const struct timespec pause = { 1, 0 };
	int waited;

	for (waited = 0;; waited += 1000) {
		if (device_look(d, path, timeout_ms) == 0)
			return 0;
		if ((errno != ENOMEDIUM && errno != EBUSY) ||
		    waited >= wait_ms)
			return -1;
		if (sig_caught() || nanosleep(&pause, NULL) < 0) {
			errno = EINTR;
			return -1;
		}
	}
}

/* Devices below devices, as sysfs knows them. */

static char *
read_attribute(dev_t number, const char *name)
{
	char *path = xasprintf("/sys/dev/block/%u:%u/%s", major(number),
	    minor(number), name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	free(path);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return NULL;
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n] = '\0';
	return xstrdup(text);
}

char *
device_attribute(const struct device *d, const char *name)
{
	char *text = d->is_block ? read_attribute(d->number, name) : NULL;
	char *above;

	/* a partition has what its disk has */
	if (d->is_block && !text) {
		above = xasprintf("../%s", name);
		text = read_attribute(d->number, above);
		free(above);
	}
	return text;
}

static int
number_of(const char *text, dev_t *number)
{
	unsigned int a, b;

	if (!text || sscanf(text, "%u:%u", &a, &b) != 2)
		return -1;
	*number = makedev(a, b);
	return 0;
}

/* The block device under a file system; major 0 where it is not one. */
static dev_t
block_under(dev_t fs)
{
	struct mountinfo mounts = MOUNTINFO_INIT;
	struct stat st;
	size_t i;

	if (major(fs) != 0 || mountinfo_read(&mounts) < 0)
		return fs;
	for (i = 0; i < mounts.count; i++) {
		const struct mount_entry *e = &mounts.entries[i];

		if (makedev(e->major, e->minor) == fs && *e->source == '/' &&
		    stat(e->source, &st) == 0 && S_ISBLK(st.st_mode)) {
			fs = st.st_rdev;
			break;
		}
	}
	mountinfo_free(&mounts);
	return fs;
}

static int is_on(dev_t upper, dev_t lower, int depth);

static int
slave_is_on(dev_t upper, dev_t lower, int depth)
{
	char *path = xasprintf("/sys/dev/block/%u:%u/slaves", major(upper),
	    minor(upper));
	DIR *dir = opendir(path);
	const struct dirent *e;
	int yes = 0;

	while (dir && !yes && (e = readdir(dir))) {
		char *name = xasprintf("slaves/%s/dev", e->d_name);
		char *text = e->d_name[0] == '.' ? NULL :
		    read_attribute(upper, name);
		dev_t slave;

		if (number_of(text, &slave) == 0)
			yes = is_on(slave, lower, depth + 1);
		free(text);
		free(name);
	}
	if (dir)
		closedir(dir);
	free(path);
	return yes;
}

static int
is_on(dev_t upper, dev_t lower, int depth)
{
	char *text;
	struct stat st;
	dev_t disk;
	int yes;

	if (upper == lower)
		return 1;
	if (depth > DEPTH || major(upper) == 0)
		return 0;
	text = read_attribute(upper, "partition");
	if (text) {
		free(text);
		text = read_attribute(upper, "../dev");
		yes = number_of(text, &disk) == 0 &&
		    is_on(disk, lower, depth + 1);
		free(text);
		return yes;
	}
	text = read_attribute(upper, "loop/backing_file");
	yes = text && stat(text, &st) == 0 && is_on(S_ISBLK(st.st_mode) ?
	    st.st_rdev : block_under(st.st_dev), lower, depth + 1);
	free(text);
	return yes || slave_is_on(upper, lower, depth);
}

int
device_holds(const struct device *d, const char *path)
{
	char *at = xstrdup(path), *slash;
	struct stat st, source;
	int yes = 0;

	if (stat(path, &st) == 0 && stat(d->path, &source) == 0 &&
	    st.st_dev == source.st_dev && st.st_ino == source.st_ino)
		yes = 1;
	while (stat(at, &st) < 0) {
		slash = strrchr(at, '/');
		if (!slash || slash == at) {
			free(at);
			at = xstrdup(slash ? "/" : ".");
			if (stat(at, &st) < 0)
				st.st_dev = 0;
			break;
		}
		*slash = '\0';
	}
	free(at);
	return yes || (d->is_block && is_on(block_under(st.st_dev),
	    d->number, 0));
}

static int
has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; list; list = strchr(list, ',')) {
		list += *list == ',';
		if (!strncmp(list, word, len) &&
		    (list[len] == ',' || list[len] == '\0'))
			return 1;
	}
	return 0;
}

char *
device_written_by(const struct device *d)
{
	struct mountinfo mounts = MOUNTINFO_INIT;
	char *point = NULL;
	size_t i;

	if (!d->is_block || mountinfo_read(&mounts) < 0)
		return NULL;
	for (i = 0; i < mounts.count && !point; i++) {
		const struct mount_entry *e = &mounts.entries[i];
		dev_t fs = makedev(e->major, e->minor);
		struct stat st;

		if (!has_word(e->super_options, "rw"))
			continue;
		if (major(fs) == 0 && *e->source == '/' &&
		    stat(e->source, &st) == 0 && S_ISBLK(st.st_mode))
			fs = st.st_rdev;
		if (is_on(fs, d->number, 0))
			point = xstrdup(e->point);
	}
	mountinfo_free(&mounts);
	return point;
}

struct asking {
	const struct device *d;
	uint64_t at[PLACES];
	int count;
};

/* One sector, not from the cache. */
static int
readable(int fd, const struct device *d, uint64_t at)
{
	void *sector = NULL;
	size_t len = d->sector;
	ssize_t n;

	if (posix_memalign(&sector, 4096, len) != 0)
		return 1;
	at -= at % len;
	if (at + len > d->size)
		len = (size_t)(d->size - at);
	posix_fadvise(fd, (off_t)at, (off_t)len, POSIX_FADV_DONTNEED);
	n = pread_full(fd, sector, d->direct ? d->sector : len, (off_t)at);
	free(sector);
	return n >= (ssize_t)len;
}

static int
ask(void *arg)
{
	const struct asking *a = arg;
	const struct device *d = a->d;
	uint64_t size = 0;
	struct stat st;
	int fd, i, fine = a->count == 0;

	fd = open(d->path, O_RDONLY | O_CLOEXEC | (d->direct ? O_DIRECT : 0));
	if (fd < 0 || fstat(fd, &st) < 0)
		return DEVICE_GONE;
	if (!d->is_block)
		size = (uint64_t)st.st_size;
	else if (!S_ISBLK(st.st_mode) || ioctl(fd, BLKGETSIZE64, &size) < 0)
		return DEVICE_GONE;
	if (size != d->size)
		return DEVICE_GONE;
	for (i = 0; i < a->count && !fine; i++)
		fine = readable(fd, d, a->at[i]);
	return fine ? DEVICE_ANSWERS : DEVICE_GONE;
}

enum device_state
device_state(const struct device *d, const struct mapfile *m, int timeout_ms)
{
	struct asking a = { .d = d };
	uint64_t rescued = mapfile_bytes(m, MAPFILE_RESCUED), seen = 0;
	size_t i;
	int rc;

	/* the first, the middle and the last that could be read */
	for (i = 0; i < m->count; i++) {
		const struct mapfile_block *b = &m->blocks[i];

		if (b->status != MAPFILE_RESCUED)
			continue;
		if (a.count == 0)
			a.at[a.count++] = b->pos;
		if (a.count == 1 && seen + b->size > rescued / 2)
			a.at[a.count++] = b->pos + (rescued / 2 - seen);
		seen += b->size;
		if (seen == rescued && a.count == 2)
			a.at[a.count++] = b->pos + b->size - 1;
	}
	rc = bounded_run(ask, &a, -1, timeout_ms, BOUNDED_SAME);
	return rc < 0 ? DEVICE_SILENT : (enum device_state)rc;
}

int
device_is_floppy(const struct device *d)
{
	enum { SMALL = 3 << 20 };	/* 2.88 MB is the largest */
	char *removable;
	int yes;

	if (!d->is_block)
		return 0;
	if (major(d->number) == FLOPPY_MAJOR)
		return 1;
	removable = device_attribute(d, "removable");
	yes = removable && !strcmp(removable, "1") && d->size <= SMALL;
	free(removable);
	return yes;
}

int
device_is_optical(const struct device *d)
{
	return d->is_block && major(d->number) == SCSI_CDROM_MAJOR;
}

int
device_eject(const struct device *d)
{
	int fd, rc, err;

	if (!d->is_block) {
		errno = ENOTSUP;
		return -1;
	}
	fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	ioctl(fd, CDROM_LOCKDOOR, 0);
	rc = ioctl(fd, CDROMEJECT);
	err = errno;
	close(fd);
	errno = err;
	return rc;
}
