#define _GNU_SOURCE
#include "trusted_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fsutil.h"

static int
open_without_links(const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static const char *
distrust(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (st.st_uid != 0)
		return "it does not belong to root";
	if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX))
		return "others than root can write to it";
	return NULL;
}

int
trusted_dir(const char *path, int strict, const char **why)
{
	int fd = make_dirs(path) == 0 ? open_without_links(path) : -1;

	*why = NULL;
	if (fd < 0)
		*why = errno == ELOOP ? "a symbolic link is in its path" :
		    strerror(errno);
	else if (strict)
		*why = distrust(fd);
	if (*why && fd >= 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int
trusted_subdir(int dir, const char *name, const char **why)
{
	char self[40];
	struct stat st;
	int fd;

	*why = NULL;
	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST) {
		*why = strerror(errno);
		return -1;
	}
	fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		*why = errno == ENOTDIR || errno == ELOOP ?
		    "it is not a directory" : strerror(errno);
		return -1;
	}
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) < 0)
		*why = strerror(errno);
	else if (st.st_uid != geteuid())
		*why = "it belongs to another user";
	else if ((st.st_mode & 07777) != 0755 && chmod(self, 0755) < 0)
		*why = strerror(errno);
	if (*why) {
		close(fd);
		fd = -1;
	}
	return fd;
}
