#define _GNU_SOURCE
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "raw/raw.h"

static int
stable_inodes(int fd, unsigned long *type)
{
	struct statfs v;

	*type = 0;
	if (fstatfs(fd, &v) < 0)
		return 0;
	*type = (unsigned long)v.f_type;
	switch (*type) {
	case MSDOS_SUPER_MAGIC:
	case FUSE_SUPER_MAGIC:
	case EXFAT_SUPER_MAGIC:
		return 0;
	default:
		return 1;
	}
}

int
source_open(struct source *s, const char *path)
{
	struct stat st;

	memset(s, 0, sizeof *s);
	s->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0)
		return -1;
	if (fstat(s->root, &st) < 0) {
		close(s->root);
		s->root = -1;
		return -1;
	}
	s->dev = st.st_dev;
	s->stable = stable_inodes(s->root, &s->root_type);
	s->path = xstrdup(path);
	return 0;
}

void
source_close(struct source *s)
{
	size_t i;

	for (i = 0; i < s->part_count; i++)
		if (s->parts[i].fd >= 0)
			close(s->parts[i].fd);
	free(s->parts);
	free(s->path);
	if (s->root >= 0)
		close(s->root);
	memset(s, 0, sizeof *s);
	s->root = -1;
}

int
source_alive(const struct source *s)
{
	struct stat open_now, there;

	return fstat(s->root, &open_now) == 0 && stat(s->path, &there) == 0 &&
	    open_now.st_dev == there.st_dev && open_now.st_ino == there.st_ino;
}

/* "p<N>/": N and the rest; 0 if the path does not begin so. */
static unsigned int
partition_of(const char *path, const char **rest)
{
	char *end;
	unsigned long n;

	if (path[0] != 'p' || path[1] < '1' || path[1] > '9')
		return 0;
	n = strtoul(path + 1, &end, 10);
	if (*end != '/' || n > 65535)
		return 0;
	*rest = end + 1;
	return (unsigned int)n;
}

/* A partition is a mount of its own; a directory named p1 is not one. */
static struct source_part *
find_part(struct source *s, unsigned int number)
{
	struct source_part *part;
	struct stat st;
	char *name;
	size_t i;

	for (i = 0; i < s->part_count; i++)
		if (s->parts[i].number == number)
			return &s->parts[i];
	s->parts = xrealloc(s->parts, (s->part_count + 1) * sizeof *s->parts);
	part = &s->parts[s->part_count++];
	part->number = number;
	name = xasprintf("p%u", number);
	part->fd = openat(s->root, name,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	free(name);
	if (part->fd >= 0 && (fstat(part->fd, &st) < 0 ||
	    st.st_dev == s->dev)) {
		close(part->fd);
		part->fd = -1;
	}
	part->stable = part->fd >= 0 &&
	    stable_inodes(part->fd, &part->type);
	return part;
}

/* The directory to look path up from. */
static int
root_for(struct source *s, const char **path, int *stable)
{
	const char *rest;
	unsigned int number = partition_of(*path, &rest);
	struct source_part *part = number ? find_part(s, number) : NULL;

	if (part && part->fd >= 0) {
		*path = *rest ? rest : ".";
		*stable = part->stable;
		s->partition = number;
		s->file_type = part->type;
		return part->fd;
	}
	s->partition = 0;
	s->file_type = s->root_type;
	*stable = s->stable;
	return s->root;
}

int
source_root(const struct source *s)
{
	size_t i;

	for (i = 0; i < s->part_count; i++)
		if (s->partition && s->parts[i].number == s->partition)
			return s->parts[i].fd;
	return s->root;
}

static int
type_error(char want, mode_t mode)
{
	switch (raw_letter(mode)) {
	case 'd': return EISDIR;
	case 'l': return ELOOP;
	default: return want == 'd' ? ENOTDIR : EINVAL;
	}
}

static int
fail(int fd, int err)
{
	close(fd);
	errno = err;
	return -1;
}

int
source_file(struct source *s, const char *path, char type, uint64_t ino,
    struct stat *st)
{
	int stable, root = root_for(s, &path, &stable), fd, path_fd;

	if (!*path)
		path = ".";
	/* O_NOATIME is the owner's; O_NONBLOCK: a fifo must not stop us */
	fd = open_beneath(root, path, O_RDONLY | O_NONBLOCK | O_NOATIME |
	    O_NOCTTY, 0);
	if (fd < 0 && errno == EPERM)
		fd = open_beneath(root, path, O_RDONLY | O_NONBLOCK |
		    O_NOCTTY, 0);
	if (fd < 0 && type == '?' && (errno == ELOOP || errno == ENXIO ||
	    errno == EACCES || errno == ENODEV)) {
		path_fd = open_beneath(root, path, O_PATH, 0);
		if (path_fd < 0 || fstat(path_fd, st) < 0 ||
		    S_ISREG(st->st_mode)) {
			if (path_fd >= 0)
				close(path_fd);
			errno = EACCES;
			return -1;
		}
		return path_fd;
	}
	if (fd < 0)
		return -1;
	if (fstat(fd, st) < 0)
		return fail(fd, errno);
	s->file_dev = st->st_dev;
	if (type != '?' && raw_letter(st->st_mode) != type)
		return fail(fd, type_error(type, st->st_mode));
	if (stable && st->st_ino != ino)
		return fail(fd, ESTALE);
	return fd;
}

char *
source_link(struct source *s, const char *path, uint64_t ino, size_t *len)
{
	int stable, root = root_for(s, &path, &stable), fd, err;
	size_t size = 4096;
	char *target = NULL;
	struct stat st;
	ssize_t n;

	fd = open_beneath(root, path, O_PATH, 0);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0)
		goto fail;
	errno = !S_ISLNK(st.st_mode) ? type_error('l', st.st_mode) :
	    stable && st.st_ino != ino ? ESTALE : 0;
	if (errno)
		goto fail;
	for (;; size *= 2) {
		target = xrealloc(target, size);
		n = readlinkat(fd, "", target, size);
		if (n < 0)
			goto fail;
		if ((size_t)n < size)
			break;
	}
	close(fd);
	target[n] = '\0';
	*len = (size_t)n;
	return target;
fail:
	err = errno;
	close(fd);
	free(target);
	errno = err;
	return NULL;
}
