#define _GNU_SOURCE
#include "mount/mount_registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/tempfile.h"

enum { MAX_BYTES = 4 << 20 };

struct registry_mount *
registry_add(struct registry *r, const char *name, unsigned int major,
    unsigned int minor)
{
	struct registry_mount *m;

	r->mounts = xrealloc(r->mounts, (r->count + 1) * sizeof *r->mounts);
	m = &r->mounts[r->count++];
	memset(m, 0, sizeof *m);
	strncpy(m->name, name, sizeof m->name - 1);
	m->major = major;
	m->minor = minor;
	return m;
}

void
registry_free(struct registry *r)
{
	free(r->mounts);
	free(r->json);
	*r = (struct registry)REGISTRY_INIT;
}

static int
is_mount_name(const char *name)
{
	return !strcmp(name, ".") || (name[0] == 'p' && name[1] &&
	    strspn(name + 1, "0123456789") == strlen(name + 1));
}

static int
parse_line(struct registry *r, const char *line, int first)
{
	unsigned long long dev, ino;
	unsigned int major, minor, status, view;
	char verb[16], name[16], end;

	if (first) {
		if (sscanf(line, "ntt-mount 1 %llu %llu %3u%c", &dev, &ino,
		    &status, &end) != 3)
			return -1;
		r->status = (int)status;
		r->dev = dev;
		r->ino = ino;
	} else if (!strncmp(line, "json {", 6) && !r->json) {
		r->json = xstrdup(line + 5);
	} else if (sscanf(line, "view %9u%c", &view, &end) == 1) {
		r->view = (int)view;
	} else {
		if (sscanf(line, "%15s %15s %u:%u%c", verb, name, &major,
		    &minor, &end) != 4 || !is_mount_name(name) ||
		    (strcmp(verb, "mount") && strcmp(verb, "failing")))
			return -1;
		registry_add(r, name, major, minor)->failing =
		    !strcmp(verb, "failing");
	}
	return 0;
}

int
registry_parse(struct registry *r, const char *text, size_t len)
{
	const char *end = text + len, *p, *eol;
	int rc = 0;

	for (p = text; p < end && rc == 0; p = eol + 1) {
		char *line;

		eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol || memchr(p, '\0', (size_t)(eol - p))) {
			rc = -1;
			break;
		}
		line = xasprintf("%.*s", (int)(eol - p), p);
		rc = parse_line(r, line, p == text);
		free(line);
	}
	if (rc == 0 && r->json)
		return 0;
	registry_free(r);
	errno = EBADMSG;
	return -1;
}

static int
is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_uid == 0 || st.st_uid == geteuid()) && st.st_nlink == 1 &&
	    !(st.st_mode & 022) && st.st_size < MAX_BYTES;
}

int
registry_read(struct registry *r, const char *dir, const char *medium)
{
	char *path = medium_registry(dir, medium), *text = NULL;
	int fd, rc = -1, err;
	ssize_t n;

	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	free(path);
	if (fd < 0)
		return -1;
	errno = EPERM;
	if (is_ours(fd)) {
		text = xmalloc(MAX_BYTES);
		n = read_full(fd, text, MAX_BYTES);
		if (n >= 0)
			rc = registry_parse(r, text, (size_t)n);
	}
	err = errno;
	free(text);
	close(fd);
	errno = err;
	return rc;
}

int
registry_write(const struct registry *r, const char *dir, const char *medium)
{
	char *path = medium_registry(dir, medium);
	struct buf b = BUF_INIT;
	struct tempfile t;
	size_t i;
	int rc;

	buf_printf(&b, "ntt-mount 1 %llu %llu %d\n",
	    (unsigned long long)r->dev, (unsigned long long)r->ino,
	    r->status);
	if (r->view >= 0)
		buf_printf(&b, "view %d\n", r->view);
	for (i = 0; i < r->count; i++)
		buf_printf(&b, "%s %s %u:%u\n", r->mounts[i].failing ?
		    "failing" : "mount", r->mounts[i].name,
		    r->mounts[i].major, r->mounts[i].minor);
	buf_printf(&b, "json %s\n", r->json);
	rc = tempfile_open(&t, path);
	if (rc == 0) {
		rc = write_all(t.fd, b.data, b.len);
		if (rc == 0)
			rc = tempfile_commit(&t);
		else
			tempfile_abort(&t);
	}
	buf_free(&b);
	free(path);
	return rc;
}

void
registry_remove(const char *dir, const char *medium)
{
	char *path = medium_registry(dir, medium);

	unlink(path);
	free(path);
}
