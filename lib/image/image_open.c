#define _GNU_SOURCE
#include "image/image_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/fsutil.h"
#include "image/container.h"

static const char system_file[] = "/etc/ntt/ntt.env";

static void
take_roots(void *arg, const char *key, const char *value, int line)
{
	char **roots = arg;

	(void)line;
	if (!strcmp(key, "NTT_IMAGE_ROOTS")) {
		free(*roots);
		*roots = xstrdup(value);
	}
}

/* NTT_IMAGE_ROOTS of root's own file, or NULL; caller frees. */
static char *
other_roots(void)
{
	enum { MAX_BYTES = 1 << 20 };
	int fd = open(system_file, O_RDONLY | O_CLOEXEC);
	char *roots = NULL, *text;
	ssize_t n;

	if (fd < 0)
		return NULL;
	text = xmalloc(MAX_BYTES);
	n = read_full(fd, text, MAX_BYTES);
	if (n > 0 && config_parse(text, (size_t)n, system_file, take_roots,
	    &roots) < 0) {
		free(roots);
		roots = NULL;
	}
	free(text);
	close(fd);
	return roots;
}

/* What of path is below root; NULL if it is not. */
static const char *
below(const char *root, const char *path)
{
	size_t len = strlen(root);

	while (len > 0 && root[len - 1] == '/')
		len--;
	if (root[0] != '/' || strncmp(path, root, len) || path[len] != '/')
		return NULL;
	return path + len + strspn(path + len, "/");
}

int
image_name_allowed(const char *path)
{
	char *list = other_roots(), *root, *save = NULL;
	int allowed = below(config_get(CONFIG_IMAGE_ROOT), path) != NULL;

	for (root = list ? strtok_r(list, ":", &save) : NULL;
	    root && !allowed; root = strtok_r(NULL, ":", &save))
		allowed = below(root, path) != NULL;
	free(list);
	return allowed;
}

/* O_PATH has no side effect on a device and does not wait for a fifo. */
static int
open_below(const char *root, const char *path, int *outside)
{
	const char *rest = below(root, path);
	int dir, fd;

	if (!rest)
		return -1;
	*outside = 0;
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd = open_beneath(dir, rest, O_PATH, 0);
	close(dir);
	return fd;
}

static int
open_allowed(const char *path, int *outside)
{
	char *list = other_roots(), *root, *save = NULL;
	int fd = open_below(config_get(CONFIG_IMAGE_ROOT), path, outside);

	for (root = list ? strtok_r(list, ":", &save) : NULL;
	    root && fd < 0 && *outside; root = strtok_r(NULL, ":", &save))
		fd = open_below(root, path, outside);
	free(list);
	return fd;
}

static char *
link_text(const char *path)
{
	char *text = xmalloc(8192);
	ssize_t n = readlink(path, text, 8191);

	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

int
image_open(struct image *im, const char *path, int anywhere, const char **why)
{
	char *absolute = path_absolute(path), *self = NULL;
	struct stat st;
	int outside = 0, handle;

	*im = (struct image){ .fd = -1 };
	*why = NULL;
	if (anywhere) {
		handle = open(absolute, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	} else {
		outside = 1;
		handle = open_allowed(absolute, &outside);
	}
	if (handle < 0) {
		*why = outside ? "it is not below IMAGE_ROOT or another "
		    "directory of NTT_IMAGE_ROOTS" : errno == ELOOP ?
		    "a symbolic link is in its path" : strerror(errno);
		goto out;
	}
	if (fstat(handle, &st) < 0) {
		*why = strerror(errno);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		*why = S_ISLNK(st.st_mode) ? "it is a symbolic link" :
		    "it is not a regular file";
		goto out;
	}
	/* the same file again, this time to read from it */
	self = xasprintf("/proc/self/fd/%d", handle);
	im->fd = open(self, O_RDONLY | O_CLOEXEC);
	im->path = link_text(self);
	if (im->fd < 0 || !im->path) {
		*why = strerror(errno);
		goto out;
	}
	im->size = container_raw_size(im->fd, (uint64_t)st.st_size);
	im->dev = st.st_dev;
	im->ino = st.st_ino;
out:
	if (handle >= 0)
		close(handle);
	free(absolute);
	free(self);
	if (*why)
		image_close(im);
	return *why ? -1 : 0;
}

void
image_close(struct image *im)
{
	if (im->fd >= 0)
		close(im->fd);
	free(im->path);
	im->fd = -1;
	im->path = NULL;
}
