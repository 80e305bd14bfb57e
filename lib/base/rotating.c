#define _GNU_SOURCE
#include "base/rotating.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/procstat.h"

enum {
	READS = 16,
	ENOUGH = 4,		/* reads that can be judged by */
	BLOCK = 4096,		/* what O_DIRECT asks of places and lengths */
	DEEPEST = 32,		/* directories on the way to a file */
	MOST_ENTRIES = 4096,	/* of one directory that are looked at */
	SEEK_NS = 2000000	/* half of a turn at 15,000 a minute */
};

struct sample {
	uint64_t ns[READS];
	size_t n;
	char *buf;
};

/* /sys/dev/block/M:N is a disk or a partition of the one above it. */
static int
flag_of(const struct stat *st)
{
	static const char *const places[] = { "queue/rotational",
		"../queue/rotational" };
	dev_t dev = S_ISBLK(st->st_mode) ? st->st_rdev : st->st_dev;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		char name[128], digit;
		int fd;
		ssize_t n;

		snprintf(name, sizeof name, "/sys/dev/block/%u:%u/%s",
		    major(dev), minor(dev), places[i]);
		fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, &digit, 1);
		close(fd);
		if (n == 1)
			return digit == '1';
	}
	return -1;
}

static void
time_read(struct sample *s, int fd, off_t at)
{
	uint64_t from = monotonic_ns();

	if (s->n < READS && pread(fd, s->buf, BLOCK, at) > 0)
		s->ns[s->n++] = monotonic_ns() - from;
}

/* Places all over an image or a device, each far from the one before. */
static void
sample_image(struct sample *s, int fd)
{
	enum { STRIDE = 7 };
	off_t size = lseek(fd, 0, SEEK_END), step = size / READS;
	int i;

	for (i = 0; i < READS && step >= BLOCK; i++) {
		off_t at = step * (i * STRIDE % READS);
		off_t data = lseek(fd, at, SEEK_DATA);

		/* a hole is read from nowhere; a device knows of none */
		if (data >= 0)
			at = data;
		time_read(s, fd, at / BLOCK * BLOCK);
	}
}

/* One entry of a directory by lot: its descriptor, or -1. */
static int
any_entry(int dir_fd)
{
	int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_NOATIME |
	    O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	char name[256] = "";
	long seen = 0;
	struct stat st;

	while (dir && seen < MOST_ENTRIES && (entry = readdir(dir)))
		if (!is_dot(entry->d_name) && random() % ++seen == 0)
			snprintf(name, sizeof name, "%s", entry->d_name);
	if (dir)
		closedir(dir);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return -1;
	return openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_NOATIME | O_CLOEXEC | (S_ISREG(st.st_mode) ? O_DIRECT : 0));
}

/* Files of a tree by lot: neighbours would come from the disk's own cache. */
static void
sample_tree(struct sample *s, int root, dev_t dev)
{
	int i, depth;

	for (i = 0; i < 2 * READS; i++) {
		int fd = any_entry(root), below;
		struct stat st = { .st_mode = 0 };

		for (depth = 0; fd >= 0 && depth < DEEPEST; depth++) {
			if (fstat(fd, &st) < 0 || st.st_dev != dev ||
			    !S_ISDIR(st.st_mode))
				break;
			below = any_entry(fd);
			close(fd);
			fd = below;
		}
		if (fd < 0)
			continue;
		if (S_ISREG(st.st_mode))
			time_read(s, fd, 0);
		close(fd);
	}
}

static int
by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int
rotating_by_times(uint64_t *ns, size_t n)
{
	if (n < ENOUGH)
		return -1;
	qsort(ns, n, sizeof *ns, by_time);
	return ns[n / 2] >= SEEK_NS;
}

static int
measure(const char *path, const struct stat *st)
{
	int is_dir = S_ISDIR(st->st_mode);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC |
	    (is_dir ? O_DIRECTORY : O_DIRECT));
	struct sample s = { .n = 0 };

	if (fd < 0)
		return -1;
	s.buf = aligned_alloc(BLOCK, BLOCK);
	if (s.buf && is_dir)
		sample_tree(&s, fd, st->st_dev);
	else if (s.buf)
		sample_image(&s, fd);
	free(s.buf);
	close(fd);
	return rotating_by_times(s.ns, s.n);
}

int
is_rotating(const char *path)
{
	struct stat st;
	int flag;

	if (stat(path, &st) < 0)
		return -1;
	flag = flag_of(&st);
	return flag == 1 && measure(path, &st) == 0 ? 0 : flag;
}
