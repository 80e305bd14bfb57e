#define _GNU_SOURCE
#include "sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/tempfile.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/db.h"
#include "hash/blake3_hex.h"

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
	char *path = image_companion(s->image, suffix);
	int rc = take(s, medium, suffix, path, error);

	free(path);
	if (rc == 0)
		rc = take_from(s, medium, suffix, CONFIG_IMAGE_ROOT, error);
	if (rc == 0 && in_logs)
		rc = take_from(s, medium, suffix, CONFIG_LOG_DIR, error);
	return rc;
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
	int fd = tempfile_unnamed(config_get(CONFIG_ARCHIVE_ROOT));
	int copy = -1, rc = -1, err;
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

/* The .raw of RAW_ROOT, else the one that was loaded if it still is that. */
static int
take_list(struct archive_sources *s, const struct archive_medium *m,
    char **error)
{
	struct stat st;
	char *sidecar;
	int rc = take_from(s, m->hash, ".raw", CONFIG_RAW_ROOT, error);

	if (rc != 0 || !m->list)
		return rc < 0 ? -1 : take_from(s, m->hash, ".raw.json",
		    CONFIG_RAW_ROOT, error);
	if (stat(m->list, &st) < 0 || st.st_size != m->list_bytes ||
	    st.st_mtime != m->list_mtime) {
		warn("the list %s is not what was loaded any more, so the "
		    "archive has none", quoted(m->list));
		return 0;
	}
	if (take(s, m->hash, ".raw", m->list, error) < 0)
		return -1;
	sidecar = xasprintf("%s.json", m->list);
	rc = take(s, m->hash, ".raw.json", sidecar, error);
	free(sidecar);
	return rc;
}

/* ".disk.qcow2.part1": what an archive and a shell take for a name. */
static char *
part_suffix(const char *path, size_t number)
{
	enum { LONGEST = 100 };
	const char *slash = strrchr(path, '/');
	char *suffix = xasprintf(".%.*s.part%zu", LONGEST, slash ? slash + 1 :
	    path, number), *p;

	for (p = suffix; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
		    "WXYZ0123456789._-", *p))
			*p = '_';
	return suffix;
}

/* 1 it is in the list now, 0 it is not there, -1. */
static int
take_part(struct archive_sources *s, const char *medium,
    const struct archive_part *part, size_t number, char **error)
{
	char *suffix = part_suffix(part->path, number), mtime[48];
	int rc = take(s, medium, suffix, part->path, error);
	const struct stat *st;

	free(suffix);
	if (rc <= 0)
		return rc;
	st = &s->list[s->count - 1].st;
	snprintf(mtime, sizeof mtime, "%lld.%09ld",
	    (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if ((uint64_t)st->st_size == part->size &&
	    !strcmp(mtime, part->mtime))
		return 1;
	*error = xasprintf("cannot archive %s: it was changed after its image "
	    "was made", quoted(part->path));
	errno = ESTALE;
	return -1;
}

/* What the image was made of: all of it is there, or has_image stays 0. */
static int
take_container(struct archive_sources *s, const struct archive_medium *m,
    char **error)
{
	size_t i;
	int rc = 1;

	if (take(s, m->hash, ".img", s->image, error) > 0) {
		s->made = s->list[--s->count];
		/* a file that somebody else made stays */
		s->made.removable = below(s->made.path, CONFIG_IMAGE_ROOT);
	}
	for (i = 0; i < m->part_count && rc > 0 && !*error; i++)
		rc = take_part(s, m->hash, &m->parts[i], i + 1, error);
	if (rc == 0) {
		free(s->image);
		s->image = xstrdup(m->parts[i - 1].path);
	}
	s->has_image = rc > 0 && !*error;
	return *error ? -1 : 0;
}

int
archive_sources_find(struct archive_sources *s,
    const struct archive_medium *m, char **error)
{
	const char *medium = m->hash;
	int image;

	memset(s, 0, sizeof *s);
	s->made.fd = -1;
	*error = NULL;
	s->image = m->image_path && *m->image_path ? xstrdup(m->image_path) :
	    medium_image(medium);
	if (m->part_count) {
		image = take_container(s, m, error);
	} else {
		image = take(s, medium, ".img", s->image, error);
		s->has_image = image > 0;
	}
	if (image < 0 ||
	    take_companion(s, medium, ".map", 0, error) < 0 ||
	    take_companion(s, medium, ".map.bak", 0, error) < 0 ||
	    take_companion(s, medium, ".map.stall", 0, error) < 0 ||
	    take_companion(s, medium, "-ddrescue.log", 1, error) < 0 ||
	    take_list(s, m, error) < 0 ||
	    take_from(s, medium, ".log", CONFIG_LOG_DIR, error) < 0)
		return -1;
	return take_logs(s, medium, error);
}

int
archive_sources_add_catalogue(struct archive_sources *s, const char *medium,
    PGconn *db, char **error)
{
	int fd = tempfile_unnamed(config_get(CONFIG_ARCHIVE_ROOT));
	int err;
	struct stat st;

	*error = NULL;
	if (fd >= 0 && catalogue_file_put(db, medium, fd) == 0 &&
	    fstat(fd, &st) == 0) {
		add(s, medium, CATALOGUE_FILE_SUFFIX, fd)->st = st;
		return 0;
	}
	err = errno;
	*error = xasprintf("could not write what the catalogue knows of %s: "
	    "%s", medium, err ? strerror(err) : db_error());
	if (fd >= 0)
		close(fd);
	errno = err;
	return -1;
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
	if (s->made.fd >= 0)
		close(s->made.fd);
	free(s->made.member);
	free(s->made.path);
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
	blake3_hex(&h, hex);
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
