#define _GNU_SOURCE
#include "archive_sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blake3.h"
#include "buf.h"
#include "config.h"
#include "diag.h"
#include "fsutil.h"

static int
below(const char *path, enum config_key key)
{
	char *root = realpath(config_get(key), NULL);
	size_t len = root ? strlen(root) : 0;
	int yes = len > 0 && !strncmp(path, root, len) && path[len] == '/';

	free(root);
	return yes;
}

static struct archive_source *
add(struct archive_sources *s, const char *medium, const char *suffix, int fd)
{
	struct archive_source *one;

	s->list = xrealloc(s->list, (s->count + 1) * sizeof *s->list);
	one = &s->list[s->count++];
	memset(one, 0, sizeof *one);
	one->member = xasprintf("%s%s", medium, suffix);
	one->fd = fd;
	return one;
}

/* 1 it is there and in the list now, 0 it is not there, -1. */
static int
take(struct archive_sources *s, const char *medium, const char *suffix,
    const char *path, char **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct archive_source *one;
	int err;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0) {
		err = errno;
		*error = xasprintf("could not open %s: %s", quoted(path),
		    strerror(err));
		errno = err;
		return -1;
	}
	one = add(s, medium, suffix, fd);
	one->path = realpath(path, NULL);
	if (fstat(fd, &one->st) < 0 || !one->path) {
		err = errno;
		*error = xasprintf("could not look at %s: %s", quoted(path),
		    strerror(err));
		errno = err;
		return -1;
	}
	if (!S_ISREG(one->st.st_mode)) {
		*error = xasprintf("cannot archive %s: it is not a regular "
		    "file", quoted(path));
		errno = EINVAL;
		return -1;
	}
	one->removable = below(one->path, CONFIG_IMAGE_ROOT) ||
	    below(one->path, CONFIG_RAW_ROOT) ||
	    below(one->path, CONFIG_LOG_DIR);
	return 1;
}

static int
take_from(struct archive_sources *s, const char *medium, const char *suffix,
    enum config_key root, char **error)
{
	char *path = xasprintf("%s/%s%s", config_get(root), medium, suffix);
	int rc = take(s, medium, suffix, path, error);

	free(path);
	return rc;
}

/* What belongs to an image: "/x/y.img" has "/x/y.map". */
static int
take_companion(struct archive_sources *s, const char *medium,
    const char *suffix, int in_logs, char **error)
{
	size_t len = strlen(s->image);
	char *path;
	int rc;

	if (len > 4 && !strcmp(s->image + len - 4, ".img"))
		len -= 4;
	path = xasprintf("%.*s%s", (int)len, s->image, suffix);
	rc = take(s, medium, suffix, path, error);
	free(path);
	if (rc == 0)
		rc = take_from(s, medium, suffix, CONFIG_IMAGE_ROOT, error);
	if (rc == 0 && in_logs)
		rc = take_from(s, medium, suffix, CONFIG_LOG_DIR, error);
	return rc;
}

/* A file without a name that holds what is written to it. */
static int
unnamed_file(void)
{
	const char *dir = config_get(CONFIG_ARCHIVE_ROOT);
	char *name;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR &&
	    errno != EINVAL))
		return fd;
	name = path_join(dir, ".ntt-archiver.XXXXXX");
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	free(name);
	return fd;
}

/* The lines of one log that are about the medium, appended to out. */
static int
extract_log(const char *path, const char *about, FILE *out)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int rc = 0;

	if (!in)
		return errno == ENOENT ? 0 : -1;
	while (rc == 0 && getline(&line, &size, in) >= 0)
		if (strstr(line, about) && fputs(line, out) == EOF)
			rc = -1;
	if (ferror(in))
		rc = -1;
	free(line);
	fclose(in);
	return rc;
}

static int
is_log(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 6 &&
	    !strcmp(d->d_name + len - 6, ".jsonl");
}

static int
extract_logs(const char *medium, FILE *out)
{
	const char *dir = config_get(CONFIG_LOG_DIR);
	char *about = xasprintf("\"medium\":\"%s\"", medium), *path;
	struct dirent **names = NULL;
	int n, i, rc = 0;

	n = scandir(dir, &names, is_log, alphasort);
	if (n < 0 && errno != ENOENT)
		rc = -1;
	for (i = 0; i < n; i++) {
		path = path_join(dir, names[i]->d_name);
		if (rc == 0)
			rc = extract_log(path, about, out);
		free(path);
		free(names[i]);
	}
	free(names);
	free(about);
	return rc;
}

/* The logs hold the lines of all media, so they stay where they are. */
static int
take_logs(struct archive_sources *s, const char *medium, char **error)
{
	int fd = unnamed_file(), copy = -1, rc = -1, err;
	struct archive_source *one;
	FILE *out = NULL;

	if (fd >= 0)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy >= 0)
		out = fdopen(copy, "w");
	if (!out)
		goto fail;
	rc = extract_logs(medium, out);
	if (fclose(out) == EOF)
		rc = -1;
	copy = -1;
	if (rc < 0)
		goto fail;
	one = add(s, medium, ".jsonl", fd);
	fd = -1;
	if (fstat(one->fd, &one->st) < 0)
		goto fail;
	if (one->st.st_size == 0) {
		free(one->member);
		close(one->fd);
		s->count--;
	}
	return 0;
fail:
	err = errno;
	*error = xasprintf("could not collect the log of %s: %s", medium,
	    strerror(err));
	if (fd >= 0)
		close(fd);
	if (copy >= 0)
		close(copy);
	errno = err;
	return -1;
}

int
archive_sources_find(struct archive_sources *s, const char *medium,
    const char *image_path, char **error)
{
	int image;

	memset(s, 0, sizeof *s);
	*error = NULL;
	s->image = image_path && *image_path ? xstrdup(image_path) :
	    xasprintf("%s/%s.img", config_get(CONFIG_IMAGE_ROOT), medium);
	image = take(s, medium, ".img", s->image, error);
	s->has_image = image > 0;
	if (image < 0 ||
	    take_companion(s, medium, ".map", 0, error) < 0 ||
	    take_companion(s, medium, ".map.bak", 0, error) < 0 ||
	    take_companion(s, medium, ".map.stall", 0, error) < 0 ||
	    take_companion(s, medium, "-ddrescue.log", 1, error) < 0 ||
	    take_from(s, medium, ".raw", CONFIG_RAW_ROOT, error) < 0 ||
	    take_from(s, medium, ".raw.json", CONFIG_RAW_ROOT, error) < 0 ||
	    take_from(s, medium, ".log", CONFIG_LOG_DIR, error) < 0)
		return -1;
	return take_logs(s, medium, error);
}

void
archive_sources_free(struct archive_sources *s)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		free(s->list[i].member);
		free(s->list[i].path);
		close(s->list[i].fd);
	}
	free(s->list);
	free(s->image);
	memset(s, 0, sizeof *s);
}

uint64_t
archive_sources_bytes(const struct archive_sources *s)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < s->count; i++)
		bytes += (uint64_t)s->list[i].st.st_size;
	return bytes;
}

int
archive_source_changed(const struct archive_source *s)
{
	struct stat now, there;

	if (!s->path)
		return 0;
	return fstat(s->fd, &now) < 0 || stat(s->path, &there) < 0 ||
	    there.st_dev != now.st_dev || there.st_ino != now.st_ino ||
	    now.st_size != s->st.st_size ||
	    now.st_mtim.tv_sec != s->st.st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != s->st.st_mtim.tv_nsec;
}

int
archive_source_hash(const struct archive_source *s, char hex[65],
    int (*stop)(void))
{
	enum { CHUNK = 1 << 20 };
	uint8_t hash[BLAKE3_OUT_LEN];
	char *bytes = xmalloc(CHUNK);
	blake3_hasher h;
	off_t at = 0;
	ssize_t n;

	blake3_hasher_init(&h);
	while ((n = pread_full(s->fd, bytes, CHUNK, at)) > 0) {
		blake3_hasher_update(&h, bytes, (size_t)n);
		at += n;
		if (stop && stop()) {
			errno = EINTR;
			n = -1;
			break;
		}
	}
	free(bytes);
	if (n < 0)
		return -1;
	blake3_hasher_finalize(&h, hash, sizeof hash);
	hex_encode(hex, hash, sizeof hash);
	return 0;
}

int
archive_source_remove(const struct archive_source *s)
{
	if (archive_source_changed(s)) {
		errno = ESTALE;
		return -1;
	}
	if (unlink(s->path) < 0)
		return -1;
	return fsync_parent(s->path);
}
