#include "base/xattrs.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

enum {
	/* the kernel takes as much memory as is offered */
	FEW_NAMES = 1024,
	SHORT_VALUE = 4096
};

void
xattrs_init(struct xattrs *x)
{
	memset(x, 0, sizeof *x);
}

void
xattrs_free(struct xattrs *x)
{
	buf_free(&x->names);
	buf_free(&x->value);
}

static int
is_nothing(int err)
{
	return err == ENODATA || err == EOPNOTSUPP || err == ENOSYS;
}

static ssize_t
list(struct xattrs *x, size_t room)
{
	buf_reserve(&x->names, room);
	return x->path ? llistxattr(x->path, x->names.data, room) :
	    flistxattr(x->fd, x->names.data, room);
}

static ssize_t
get(struct xattrs *x, size_t room)
{
	buf_reserve(&x->value, room);
	return x->path ? lgetxattr(x->path, x->name, x->value.data, room) :
	    fgetxattr(x->fd, x->name, x->value.data, room);
}

int
xattrs_list(struct xattrs *x, int fd, const char *path)
{
	ssize_t n;

	x->fd = fd;
	x->path = path;
	x->at = 0;
	buf_reset(&x->names);
	n = list(x, FEW_NAMES);
	if (n < 0 && errno == ERANGE)
		n = list(x, XATTR_LIST_MAX);
	if (n < 0)
		return is_nothing(errno) ? 0 : -1;
	x->names.len = (size_t)n;
	x->names.data[n] = '\0';
	return 0;
}

int
xattrs_next(struct xattrs *x)
{
	ssize_t n;

	while (x->at < x->names.len) {
		x->name = x->names.data + x->at;
		x->at += strlen(x->name) + 1;
		buf_reset(&x->value);
		n = get(x, SHORT_VALUE);
		if (n < 0 && errno == ERANGE)
			n = get(x, XATTR_SIZE_MAX);
		if (n < 0 && is_nothing(errno))
			continue;
		if (n < 0)
			return -1;
		x->value.len = (size_t)n;
		return 1;
	}
	return 0;
}
