#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "map_write.h"

enum { LOCK_TRIES = 50, LOCK_STEP_MS = 100, SPARE = 1 << 20 };

void
imager_files_name(struct imager_files *f, const char *image, const char *map)
{
	memset(f, 0, sizeof *f);
	f->lock = f->image_fd = -1;
	f->image = xstrdup(image);
	f->map = map ? xstrdup(map) : image_map(image);
	f->log = image_companion(image, "-ddrescue.log");
	f->stall = xasprintf("%s.stall", f->map);
}

static int
complain(char **error, int status, char *text)
{
	*error = text;
	return status;
}

static int
could_not(char **error, const char *what, const char *path)
{
	int err = errno;

	*error = xasprintf("could not %s %s: %s", what, quoted(path),
	    strerror(err));
	return exit_for_errno(err);
}

/* The name may have gone with its last holder: then it is no lock. */
static int
still_named(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 &&
	    a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/*
 * ddrescue has the lock until it has saved its map, also when its imager was
 * killed: that is waited for.
 */
static int
lock_map(struct imager_files *f, char **error)
{
	static const struct timespec step = { 0, LOCK_STEP_MS * 1000000L };
	char *name = xasprintf("%s.lock", f->map);
	int i, status = EXIT_DONE;

	for (i = 0; i < LOCK_TRIES && f->lock < 0; i++) {
		f->lock = open_regular(name, O_RDWR | O_CREAT, 0644);
		if (f->lock < 0) {
			status = could_not(error, "lock", f->map);
			break;
		}
		if (flock(f->lock, LOCK_EX | LOCK_NB) == 0 &&
		    still_named(f->lock, name))
			break;
		close(f->lock);
		f->lock = -1;
		nanosleep(&step, NULL);
	}
	if (f->lock < 0 && status == EXIT_DONE)
		status = complain(error, EXIT_AGAIN, xasprintf("another "
		    "ntt-imager works on %s", quoted(f->map)));
	free(name);
	return status;
}

static uint64_t
rescued_end(const struct mapfile *m)
{
	size_t i = m->count;

	while (i > 0 && m->blocks[i - 1].status != MAPFILE_RESCUED)
		i--;
	return i ? m->blocks[i - 1].pos + m->blocks[i - 1].size : 0;
}

/* The map before, of a medium of this size, in place of a damaged one. */
static int
take_backup(struct imager_files *f, uint64_t size)
{
	char *path = xasprintf("%s.bak", f->map), *error = NULL;

	if (mapfile_load(&f->before, path, &error) == 0) {
		f->from_backup = f->before.end == size;
		if (!f->from_backup)
			mapfile_free(&f->before);
	}
	free(error);
	free(path);
	return f->from_backup;
}

static int
check_map(struct imager_files *f, uint64_t size, char **error)
{
	struct stat st;

	if (stat(f->map, &st) < 0) {
		if (errno != ENOENT)
			return could_not(error, "look at", f->map);
		if (stat(f->image, &st) == 0)
			take_backup(f, size);
		return EXIT_DONE;
	}
	if (mapfile_load(&f->before, f->map, error) < 0) {
		if (!take_backup(f, size))
			return EXIT_FAILED;
		free(*error);
		*error = NULL;
	}
	if (f->before.end == size)
		return EXIT_DONE;
	return complain(error, EXIT_FAILED, xasprintf("the map %s is of a "
	    "medium of %s bytes, not of %s", quoted(f->map),
	    num_grouped(f->before.end), num_grouped(size)));
}

/* What the map says to be rescued is in the image. */
static int
check_image(const struct imager_files *f, uint64_t size, char **error)
{
	struct stat st;

	if (stat(f->image, &st) < 0) {
		if (errno != ENOENT)
			return could_not(error, "look at", f->image);
		if (rescued_end(&f->before) == 0)
			return EXIT_DONE;
		return complain(error, EXIT_FAILED, xasprintf("the map %s "
		    "says that bytes were rescued, but %s is not there",
		    quoted(f->map), quoted(f->image)));
	}
	if (!S_ISREG(st.st_mode))
		return complain(error, EXIT_FAILED, xasprintf("%s is not a "
		    "regular file", quoted(f->image)));
	if (f->before.count == 0)
		return complain(error, EXIT_REFUSED, xasprintf("%s is there "
		    "without its map %s: it is not overwritten",
		    quoted(f->image), quoted(f->map)));
	if ((uint64_t)st.st_size > size)
		return complain(error, EXIT_FAILED, xasprintf("%s is larger "
		    "than the medium: %s and %s bytes", quoted(f->image),
		    num_grouped((uint64_t)st.st_size), num_grouped(size)));
	if ((uint64_t)st.st_size < rescued_end(&f->before))
		return complain(error, EXIT_FAILED, xasprintf("%s is shorter "
		    "than what its map %s says to be rescued",
		    quoted(f->image), quoted(f->map)));
	return EXIT_DONE;
}

static int
check_room(const struct imager_files *f, uint64_t size, char **error)
{
	uint64_t missing = size - mapfile_bytes(&f->before, MAPFILE_RESCUED);
	char *dir = path_directory(f->image);
	struct statvfs fs;
	int status = EXIT_DONE;

	if (statvfs(dir, &fs) < 0)
		status = could_not(error, "look at", dir);
	else if ((uint64_t)fs.f_bavail * fs.f_frsize < missing + SPARE)
		status = complain(error, EXIT_AGAIN, xasprintf("no room for "
		    "the image in %s: %s are missing, %s are free",
		    quoted(dir), num_bytes(missing),
		    num_bytes((uint64_t)fs.f_bavail * fs.f_frsize)));
	free(dir);
	return status;
}

static int
make_map(struct imager_files *f, uint64_t size, char **error)
{
	char *damaged;

	if (f->before.count > 0 && !f->from_backup)
		return EXIT_DONE;
	if (f->from_backup) {
		damaged = xasprintf("%s.damaged", f->map);
		/* there may have been none at all */
		rename(f->map, damaged);
		free(damaged);
	} else {
		map_untried(&f->before, size);
	}
	if (map_save(&f->before, f->map, f->from_backup ?
	    "From its backup." : "Nothing was tried yet.") < 0)
		return could_not(error, "write", f->map);
	return EXIT_DONE;
}

static int
make_image(struct imager_files *f, uint64_t size, char **error)
{
	struct stat st;

	f->image_fd = open_regular(f->image, O_RDWR | O_CREAT, 0644);
	if (f->image_fd < 0 || fstat(f->image_fd, &st) < 0)
		return could_not(error, "open", f->image);
	if (flock(f->image_fd, LOCK_EX | LOCK_NB) < 0)
		return complain(error, EXIT_AGAIN, xasprintf("another "
		    "ntt-imager works on %s", quoted(f->image)));
	/* holes at the end count as rescued zeros: they must be there */
	if ((uint64_t)st.st_size < size &&
	    ftruncate(f->image_fd, (off_t)size) < 0)
		return could_not(error, "extend", f->image);
	if (fsync(f->image_fd) < 0 || fsync_parent(f->image) < 0)
		return could_not(error, "write", f->image);
	return EXIT_DONE;
}

/* ddrescue writes its command line into the map, newlines and all. */
static int
check_names(const struct imager_files *f, char **error)
{
	if (strchr(f->image, '\n') || strchr(f->map, '\n'))
		return complain(error, EXIT_USAGE, xasprintf("cannot make an "
		    "image with a newline in its name: %s",
		    quoted(f->image)));
	return EXIT_DONE;
}

/*
 * ddrescue opens its files by their names, so nothing else may have them: a
 * link that somebody planted would have root write where it points.
 */
static int
check_planted(const struct imager_files *f, char **error)
{
	const char *const paths[] = { f->image, f->map, f->log };
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		if (lstat(paths[i], &st) < 0) {
			if (errno != ENOENT)
				return could_not(error, "look at", paths[i]);
		} else if (!S_ISREG(st.st_mode)) {
			return complain(error, EXIT_FAILED, xasprintf("cannot "
			    "write to %s: it is not a regular file",
			    quoted(paths[i])));
		}
	}
	return EXIT_DONE;
}

int
imager_files_open(struct imager_files *f, uint64_t size, char **error)
{
	int status = check_names(f, error);

	*error = status == EXIT_DONE ? NULL : *error;
	if (status == EXIT_DONE && (config_make_parents(f->image) < 0 ||
	    config_make_parents(f->map) < 0))
		status = could_not(error, "make the directory of", f->image);
	if (status == EXIT_DONE)
		status = check_planted(f, error);
	if (status == EXIT_DONE)
		status = lock_map(f, error);
	if (status == EXIT_DONE)
		status = check_map(f, size, error);
	if (status == EXIT_DONE)
		status = check_image(f, size, error);
	if (status == EXIT_DONE)
		status = check_room(f, size, error);
	if (status == EXIT_DONE)
		status = make_map(f, size, error);
	if (status == EXIT_DONE)
		status = make_image(f, size, error);
	return status;
}

int
imager_files_check(struct imager_files *f, uint64_t size, char **error)
{
	int status;

	if (mapfile_load(&f->before, f->map, error) < 0)
		return EXIT_FAILED;
	mapfile_free(&f->before);
	status = check_map(f, size, error);
	if (status == EXIT_DONE)
		status = check_image(f, size, error);
	if (status != EXIT_DONE)
		return status;
	f->image_fd = open(f->image, O_RDONLY | O_CLOEXEC);
	return f->image_fd < 0 ? could_not(error, "open", f->image) :
	    EXIT_DONE;
}

void
imager_files_close(struct imager_files *f, int keep_lock)
{
	char *name;

	if (f->lock >= 0) {
		name = xasprintf("%s.lock", f->map);
		if (!keep_lock)
			unlink(name);
		free(name);
		close(f->lock);
	}
	if (f->image_fd >= 0)
		close(f->image_fd);
	mapfile_free(&f->before);
	free(f->image);
	free(f->map);
	free(f->log);
	free(f->stall);
	memset(f, 0, sizeof *f);
	f->lock = f->image_fd = -1;
}
