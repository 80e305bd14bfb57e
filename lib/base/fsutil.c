#define _GNU_SOURCE
#include "base/fsutil.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"

int
write_all(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* offset < 0: from where the descriptor is. */
static ssize_t
fill(int fd, void *bytes, size_t len, off_t offset)
{
	char *p = bytes;
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = offset < 0 ? read(fd, p + got, len - got) :
		    pread(fd, p + got, len - got, offset + (off_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

ssize_t
read_full(int fd, void *bytes, size_t len)
{
	return fill(fd, bytes, len, -1);
}

ssize_t
pread_full(int fd, void *bytes, size_t len, off_t offset)
{
	return fill(fd, bytes, len, offset);
}

/* A directory that is new is worth no more than its name is. */
static int
make_dir(const char *path)
{
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? 0 : -1;
	/* who may not read the directory above cannot sync it */
	return fsync_parent(path) < 0 && errno != EACCES ? -1 : 0;
}

int
make_dirs(const char *path)
{
	char *copy, *p;
	int rc = 0;
	struct stat st;

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		errno = ENOTDIR;
		return -1;
	}
	copy = xstrdup(path);
	for (p = copy + strspn(copy, "/"); rc == 0; p++) {
		p = strchrnul(p, '/');
		if (p > copy && p[-1] != '/') {
			char c = *p;

			*p = '\0';
			rc = make_dir(copy);
			*p = c;
		}
		if (*p == '\0')
			break;
	}
	free(copy);
	return rc;
}

static char *
parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir;

	if (!slash)
		return xstrdup(".");
	if (slash == path)
		return xstrdup("/");
	dir = xstrdup(path);
	dir[slash - path] = '\0';
	return dir;
}

int
make_parents(const char *path)
{
	char *dir = parent_of(path);
	int rc = make_dirs(dir);

	free(dir);
	return rc;
}

int
fsync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc, err;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	err = errno;
	close(fd);
	/* some FUSE servers have no fsync for directories */
	if (rc < 0 && err == EINVAL)
		return 0;
	errno = err;
	return rc;
}

int
fsync_parent(const char *path)
{
	char *dir = parent_of(path);
	int rc = fsync_dir(dir);

	free(dir);
	return rc;
}

static int
open_step(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
		    RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int tries = 64;
	long fd;

	/* EAGAIN: a rename raced with the look-up */
	do
		fd = syscall(SYS_openat2, root, path, &how, sizeof how);
	while (fd < 0 && (errno == EAGAIN || errno == EINTR) && --tries > 0);
	return (int)fd;
}

int
open_regular(const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		err = errno;
	else if (!S_ISREG(st.st_mode))
		err = EINVAL;
	if (err) {
		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

int
open_beneath(int root, const char *path, int flags, mode_t mode)
{
	int at = root, fd, err;

	/* the kernel takes PATH_MAX bytes at a time; trees can be deeper */
	while (strlen(path) >= PATH_MAX) {
		char step[PATH_MAX];
		const char *cut = memrchr(path, '/', PATH_MAX - 1);

		if (!cut) {
			fd = -1;
			errno = ENAMETOOLONG;
			goto out;
		}
		memcpy(step, path, (size_t)(cut - path));
		step[cut - path] = '\0';
		fd = open_step(at, step, O_PATH | O_DIRECTORY, 0);
		if (fd < 0)
			goto out;
		if (at != root)
			close(at);
		at = fd;
		path = cut + 1;
	}
	fd = open_step(at, path, flags, mode);
out:
	err = errno;
	if (at != root)
		close(at);
	errno = err;
	return fd;
}

int
open_parent_beneath(int root, const char *path, const char **base)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int fd;

	*base = slash ? slash + 1 : path;
	dir = slash ? xstrdup(path) : xstrdup(".");
	if (slash)
		dir[slash - path] = '\0';
	fd = open_beneath(root, dir, O_PATH | O_DIRECTORY, 0);
	free(dir);
	return fd;
}

char *
path_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);

	return xasprintf("%s%s%s", dir, len && dir[len - 1] == '/' ? "" : "/",
	    name);
}

char *
path_absolute(const char *path)
{
	char *cwd, *abs;
	size_t len;

	if (path[0] == '/') {
		abs = xstrdup(path);
	} else {
		cwd = getcwd(NULL, 0);
		abs = path_join(cwd ? cwd : "", !strcmp(path, ".") ? "" :
		    !strncmp(path, "./", 2) ? path + 2 : path);
		free(cwd);
	}
	len = strlen(abs);
	while (len > 1 && abs[len - 1] == '/')
		abs[--len] = '\0';
	return abs;
}

uint64_t
dev_number(uint32_t major, uint32_t minor)
{
	return makedev(major, minor);
}

char *
path_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? xasprintf("%.*s/", (int)(slash - path), path) :
	    xstrdup(".");
}

int
path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

int
has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && !strcmp(name + n - m, suffix);
}

int
is_dot(const char *name)
{
	return name[0] == '.' &&
	    (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

int
syncfs_reaches_disk(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return 0;
	switch ((uint32_t)fs.f_type) {
	case FUSE_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case V9FS_MAGIC:
		return 0;
	default:
		return 1;
	}
}

/* Takes dir over.  Some servers have no fsync for directories. */
static int
sync_each_below(int dir)
{
	DIR *d = fdopendir(dir);
	const struct dirent *e;
	int rc = 0, err;

	if (!d) {
		err = errno;
		close(dir);
		errno = err;
		return -1;
	}
	while (rc == 0 && (errno = 0, e = readdir(d))) {
		struct stat st;
		int fd;

		if (is_dot(e->d_name) || fstatat(dir, e->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) < 0 ||
		    !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
			continue;
		fd = openat(dir, e->d_name, O_RDONLY | O_NOFOLLOW |
		    O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || S_ISDIR(st.st_mode)) {
			rc = fd < 0 ? -1 : sync_each_below(fd);
			continue;
		}
		rc = fsync(fd);
		err = errno;
		close(fd);
		errno = err;
	}
	if (rc == 0 && errno)
		rc = -1;	/* of readdir() */
	if (rc == 0 && fsync(dir) < 0 && errno != EINVAL && errno != ENOSYS)
		rc = -1;
	err = errno;
	closedir(d);
	errno = err;
	return rc;
}

int
sync_tree(int dir)
{
	int copy;

	if (syncfs_reaches_disk(dir))
		return syncfs(dir);
	copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return copy < 0 ? -1 : sync_each_below(copy);
}
