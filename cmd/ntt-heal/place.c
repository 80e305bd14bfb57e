#define _GNU_SOURCE
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive_read.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/use_lock.h"
#include "mount/mounted.h"

const char *
place_name(enum place_kind kind)
{
	static const char *const names[PLACE_KINDS] = {
		[PLACE_TREE] = "a tree", [PLACE_SOURCE] = "the source",
		[PLACE_ARCHIVE] = "an archive",
	};

	return names[kind];
}

static int
fail(struct place *p, char *why)
{
	free(p->error);
	p->error = why;
	return 0;
}

static int
open_root(struct place *p, const char *path)
{
	p->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->root >= 0)
		return 1;
	return errno == ENOENT ? 0 : fail(p, xasprintf("could not open %s: %s",
	    quoted(path), strerror(errno)));
}

static int
open_tree(struct place *p, const struct medium *m)
{
	char *tree;
	int rc;

	if (!*config_get(CONFIG_ARCHIVED_ROOT))
		return 0;
	tree = medium_tree(m->hash);
	rc = open_root(p, tree);
	free(tree);
	return rc;
}

/* Through ntt-mount-helper, or in a guest. */
static int
mount_image(struct place *p, const struct medium *m, const char *image)
{
	struct mounted mounts;
	char *point;
	int rc = 0;

	p->lock = use_lock(m->hash, LOCK_SHARED);
	if (p->lock < 0)
		return fail(p, xasprintf("could not lock it for use: %s",
		    strerror(errno)));
	if (mounted_call(&mounts, "mount", m->hash, image, 0) < 0 ||
	    mounts.layout == LAYOUT_NONE || mounted_count(&mounts) == 0) {
		fail(p, xasprintf("could not mount %s: %s", quoted(image),
		    mounts.error ? mounts.error : "nothing of it"));
	} else {
		if (!mounts.already)
			p->medium = xstrdup(m->hash);
		point = medium_mount_point(m->hash);
		rc = open_root(p, point);
		free(point);
	}
	mounted_free(&mounts);
	return rc;
}

static int
open_source(struct place *p, const struct medium *m)
{
	char *image;
	int rc;

	if (!medium_has_image(m))
		return m->source_path ? open_root(p, m->source_path) : 0;
	image = m->image_path ? xstrdup(m->image_path) : medium_image(m->hash);
	rc = access(image, R_OK) == 0 ? mount_image(p, m, image) : 0;
	free(image);
	return rc;
}

/* Zeros stay holes. */
static int
put(void *arg, const void *bytes, size_t len)
{
	const char *b = bytes;
	int fd = *(int *)arg;

	if (sig_caught()) {
		errno = EINTR;
		return -1;
	}
	if (len > 0 && b[0] == 0 && !memcmp(b, b + 1, len - 1))
		return lseek(fd, (off_t)len, SEEK_CUR) < 0 ? -1 : 0;
	return write_all(fd, bytes, len);
}

static int
unpack(struct place *p, const char *archive, const char *member,
    const char *image)
{
	int from = open(archive, O_RDONLY | O_CLOEXEC), to = -1, rc = -1;
	char *error = NULL;

	if (from < 0)
		return errno == ENOENT ? 0 : fail(p, xasprintf(
		    "could not open %s: %s", quoted(archive),
		    strerror(errno)));
	unlink(image);
	if (make_parents(image) == 0)
		to = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to >= 0) {
		p->unpacked = xstrdup(image);
		say("unpacking %s from %s", quoted(member), quoted(archive));
		rc = archive_extract(from, member, 0, UINT64_MAX, put, &to,
		    &error);
		if (rc == 0)
			rc = ftruncate(to, lseek(to, 0, SEEK_CUR));
	}
	if (rc < 0)
		fail(p, xasprintf("could not unpack %s: %s", quoted(archive),
		    error ? error : strerror(errno)));
	free(error);
	close(from);
	if (to >= 0)
		close(to);
	return rc == 0;
}

/* The archive has what the image was made of. */
static void
hint_at_container(struct place *p, const struct medium *m)
{
	char *error = xasprintf("it holds a container, of which "
	    "\"ntt-orchestrator --force --image %s\" makes the image again",
	    quoted(m->source_path));

	free(p->error);
	p->error = error;
}

static int
open_archive(struct place *p, const struct medium *m)
{
	char *archive, *member, *image, *there;
	int rc = 0;

	/* what a directory had is in no archive */
	if (!medium_has_image(m) || (!m->archived_at && !m->archive_path))
		return 0;
	there = medium_image(m->hash);
	archive = m->archive_path ? xstrdup(m->archive_path) :
	    medium_archive(m->hash);
	member = xasprintf("%s.img", m->hash);
	image = xasprintf("%s/%s.healing.img",
	    config_get(CONFIG_IMAGE_ROOT), m->hash);
	if (access(there, F_OK) < 0 && (!m->image_path ||
	    access(m->image_path, R_OK) < 0) && unpack(p, archive, member, image))
		rc = mount_image(p, m, image);
	else if (p->error && strstr(p->error, "it has no member") &&
	    m->source_path)
		hint_at_container(p, m);
	free(there);
	free(archive);
	free(member);
	free(image);
	return rc;
}

int
place_open(struct place *p, enum place_kind kind, const struct medium *m)
{
	static int (*const open_it[PLACE_KINDS])(struct place *,
	    const struct medium *) = {
		[PLACE_TREE] = open_tree, [PLACE_SOURCE] = open_source,
		[PLACE_ARCHIVE] = open_archive,
	};

	*p = (struct place){ .kind = kind, .root = -1, .lock = -1 };
	return open_it[kind](p, m);
}

void
place_close(struct place *p)
{
	struct mounted mounts;

	if (p->root >= 0)
		close(p->root);
	if (p->lock >= 0)
		use_lock_release(p->lock);
	if (p->medium) {
		if (mounted_call(&mounts, "unmount", p->medium, NULL, 0) < 0 ||
		    mounts.error)
			warn("could not unmount %s: %s", p->medium,
			    mounts.error ? mounts.error : "no reason given");
		mounted_free(&mounts);
	}
	if (p->unpacked && unlink(p->unpacked) < 0 && errno != ENOENT)
		warn("could not remove %s: %m", quoted(p->unpacked));
	free(p->medium);
	free(p->unpacked);
	free(p->error);
	*p = (struct place){ .root = -1, .lock = -1 };
}

/*
 * The directory to begin at, and the rest of the path: below the mount point of
 * a medium with partitions "pN" is another file system.
 */
static int
begin(const struct place *p, const char *path, const char **rest)
{
	const char *slash = strchr(path, '/');
	struct stat root, st;
	char *first;
	int fd = -1;

	*rest = path;
	if (p->kind == PLACE_TREE || !slash)
		return dup(p->root);
	first = xasprintf("%.*s", (int)(slash - path), path);
	if (fstat(p->root, &root) == 0)
		fd = openat(p->root, first, O_PATH | O_DIRECTORY | O_CLOEXEC |
		    O_NOFOLLOW);
	free(first);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev != root.st_dev) {
		*rest = slash + 1;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return dup(p->root);
}

int
place_file(const struct place *p, const char *path)
{
	const char *rest;
	int at = begin(p, path, &rest), fd = -1;
	struct stat st;

	if (at >= 0)
		fd = open_beneath(at, rest, O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		    0);
	if (at >= 0)
		close(at);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

char *
place_link(const struct place *p, const char *path)
{
	char target[PATH_MAX];
	const char *rest, *base;
	int at = begin(p, path, &rest), dir = -1;
	ssize_t n = -1;

	if (at >= 0)
		dir = open_parent_beneath(at, rest, &base);
	if (dir >= 0)
		n = readlinkat(dir, base, target, sizeof target - 1);
	if (dir >= 0)
		close(dir);
	if (at >= 0)
		close(at);
	return n < 0 ? NULL : xasprintf("%.*s", (int)n, target);
}
