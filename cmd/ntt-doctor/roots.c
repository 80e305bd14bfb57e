#define _GNU_SOURCE
#include "finding.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "roots.h"

char *
nearest_there(const char *path)
{
	char *p = xstrdup(path), *up;
	struct stat st;

	while (stat(p, &st) < 0 && (errno == ENOENT || errno == ENOTDIR) &&
	    strcmp(p, "/")) {
		up = xstrdup(dirname(p));
		free(p);
		p = up;
	}
	return p;
}

/* How full the file system is; 1: there is something to say. */
static int
check_space(const char *name, const char *path, const char *there)
{
	enum { LEAST = 1 << 30, FEW_INODES = 10000 };
	struct statvfs v;
	uint64_t room;

	if (statvfs(there, &v) < 0)
		return 0;
	if (v.f_flag & ST_RDONLY) {
		finding(ROOTS, WRONG, xasprintf("%s %s is on a file system "
		    "that is mounted read-only", name, quoted(path)), NULL);
		return 1;
	}
	room = (uint64_t)v.f_bavail * v.f_frsize;
	if (room < LEAST) {
		finding(ROOTS, WRONG, xasprintf("%s %s has %s left", name,
		    quoted(path), num_bytes(room)),
		    xstrdup("make room, or put it on a larger file system"));
		return 1;
	}
	if (v.f_files && v.f_favail < FEW_INODES) {
		finding(ROOTS, WRONG, xasprintf("%s %s has %s inodes left",
		    name, quoted(path), num_grouped(v.f_favail)),
		    xstrdup("a file system made with more inodes is needed"));
		return 1;
	}
	if (v.f_bavail < v.f_blocks / 10) {
		finding(ROOTS, NOTE, xasprintf("%s %s has %s left, less than a "
		    "tenth", name, quoted(path), num_bytes(room)), NULL);
		return 1;
	}
	return 0;
}

static void
check_root(enum config_key key)
{
	const char *path = config_get(key), *name = config_name(key);
	char *there;
	struct stat st;

	if (!path || !*path)
		return;
	there = nearest_there(path);
	if (stat(there, &st) < 0)
		finding(ROOTS, WRONG, xasprintf("%s %s: %s", name,
		    quoted(path), strerror(errno)), NULL);
	else if (!S_ISDIR(st.st_mode))
		finding(ROOTS, WRONG, xasprintf("%s %s cannot be made: %s is "
		    "no directory", name, quoted(path), quoted(there)), NULL);
	else if (faccessat(AT_FDCWD, there, W_OK | X_OK, AT_EACCESS) < 0 &&
	    errno != EROFS)
		finding(ROOTS, WRONG, strcmp(there, path) ?
		    xasprintf("%s %s cannot be made: %s", name, quoted(path),
		    strerror(errno)) : xasprintf("%s %s cannot be written to: "
		    "%s", name, quoted(path), strerror(errno)),
		    xasprintf("sudo install -d -o \"$USER\" %s",
		    quoted(path)));
	else if (!check_space(name, path, there))
		finding(ROOTS, OK, xasprintf("%s %s%s", name, quoted(path),
		    strcmp(there, path) ? ", to be made" : ""), NULL);
	free(there);
}

/*
 * Files that have no name yet are known only where there are hard links too;
 * elsewhere it is tried.
 */
static int
has_hard_links(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600), has = 1;
	char *name, *second;

	if (fd >= 0) {
		close(fd);
		return 1;
	}
	name = path_join(dir, ".ntt-doctor.XXXXXX");
	fd = mkostemp(name, O_CLOEXEC);
	second = xasprintf("%s.link", name);
	if (fd >= 0) {
		has = link(name, second) == 0 || errno == EEXIST;
		unlink(second);
		unlink(name);
		close(fd);
	}
	free(name);
	free(second);
	return has;
}

/* The trees of media are hard links into the store. */
static void
check_links(void)
{
	const char *tree = config_get(CONFIG_ARCHIVED_ROOT);
	char *store = nearest_there(config_get(CONFIG_BYHASH_ROOT));
	char *links = nearest_there(*tree ? tree : "/");
	struct stat a, b;

	if (!*tree || stat(store, &a) < 0 || stat(links, &b) < 0)
		goto out;
	if (a.st_dev != b.st_dev)
		finding(ROOTS, WRONG, xstrdup("BYHASH_ROOT and ARCHIVED_ROOT "
		    "are on different file systems, and the trees of media "
		    "are hard links into the store"),
		    xstrdup("put them on one, or set ARCHIVED_ROOT= to have "
		    "no trees"));
	else if (!has_hard_links(store))
		finding(ROOTS, WRONG, xstrdup("the file system of the store "
		    "has no hard links, which the trees of media are"),
		    xstrdup("use ext4, xfs or btrfs, or set ARCHIVED_ROOT= to "
		    "have no trees"));
out:
	free(store);
	free(links);
}

/* Locks and registries of several users. */
static void
check_run_directory(void)
{
	const char *path = config_get(CONFIG_RUN_DIR);
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & S_IWOTH) &&
	    !(st.st_mode & S_ISVTX))
		finding(ROOTS, WRONG, xasprintf("NTT_RUN_DIR %s: everybody can "
		    "remove the locks of others there", quoted(path)),
		    xasprintf("chmod 1775 %s", quoted(path)));
}

void
check_roots(void)
{
	static const enum config_key keys[] = { CONFIG_IMAGE_ROOT,
		CONFIG_RAW_ROOT, CONFIG_BYHASH_ROOT, CONFIG_ARCHIVED_ROOT,
		CONFIG_ARCHIVE_ROOT, CONFIG_MOUNT_ROOT, CONFIG_LOG_DIR,
		CONFIG_RUN_DIR };
	size_t i;

	for (i = 0; i < sizeof keys / sizeof keys[0]; i++)
		check_root(keys[i]);
	check_links();
	check_run_directory();
}
