#define _GNU_SOURCE
#include "meta.h"

#include <errno.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/msdos_fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fileflags.h"

enum {
	/* ranges; later holes become zeros when the file is restored */
	HOLES_MAX = 65536
};

#define NTFS3_MAGIC 0x7366746eul

static struct queue_meta *
need(struct queue_meta **m)
{
	if (!*m) {
		*m = xcalloc(1, sizeof **m);
		(*m)->flags = (*m)->dos_attributes = -1;
	}
	return *m;
}

static int
has_dos_attributes(unsigned long fs_type)
{
	return fs_type == MSDOS_SUPER_MAGIC || fs_type == EXFAT_SUPER_MAGIC ||
	    fs_type == NTFS3_MAGIC;
}

static void
take_flags(struct queue_meta **m, int fd, unsigned long fs_type)
{
	unsigned int flags = fileflags(fd, fs_type);
	uint32_t dos = 0;

	if (flags)
		need(m)->flags = flags;
	if (has_dos_attributes(fs_type) &&
	    ioctl(fd, FAT_IOCTL_GET_ATTRIBUTES, &dos) == 0)
		need(m)->dos_attributes = dos;
}

static void
take_holes(struct queue_meta **m, int fd, const struct stat *st)
{
	struct buf ranges = BUF_INIT;
	off_t hole, data = 0;
	int n = 0;

	while (data < st->st_size && n < HOLES_MAX) {
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0 || hole >= st->st_size)
			break;
		data = lseek(fd, hole, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			break;
		if (data < 0 || data > st->st_size)
			data = st->st_size;
		buf_printf(&ranges, "%c[%lld,%lld)", n++ ? ',' : '{',
		    (long long)hole, (long long)data);
	}
	if (n > 0) {
		buf_putc(&ranges, '}');
		need(m)->holes = buf_detach(&ranges);
	}
	buf_free(&ranges);
}

void
meta_unread(struct queue_meta *m, const char *name, int err,
    const struct queue_path *path)
{
	char *before = m->unread;

	m->unread = before ? xasprintf("%s; %s: %s", before, name,
	    strerror(err)) : xasprintf("could not read its extended "
	    "attributes: %s: %s", name, strerror(err));
	m->unread_err = err;
	free(before);
	if (m->path)
		return;
	m->path = xmalloc(path->len + 1);
	memcpy(m->path, path->bytes, path->len);
	m->path_len = path->len;
}

static void
add_xattr(struct queue_meta *m, const struct xattrs *x)
{
	struct queue_xattr *a;

	m->xattrs = xrealloc(m->xattrs,
	    (m->xattr_count + 1) * sizeof *m->xattrs);
	a = &m->xattrs[m->xattr_count++];
	a->name = xstrdup(x->name);
	a->len = x->value.len;
	a->value = xmalloc(a->len + 1);
	memcpy(a->value, x->value.data, a->len);
}

static void
take_xattrs(struct queue_meta **m, struct xattrs *x, int fd,
    const struct queue_path *path)
{
	int rc;

	if (xattrs_list(x, fd, NULL) < 0) {
		rc = errno;
		meta_unread(need(m), "their names", rc, path);
		return;
	}
	while ((rc = xattrs_next(x)) != 0) {
		int err = errno;

		if (rc > 0)
			add_xattr(need(m), x);
		else
			meta_unread(need(m), x->name, err, path);
	}
}

struct queue_meta *
meta_take(struct xattrs *x, int fd, const struct stat *st,
    unsigned long fs_type, const struct queue_path *path)
{
	struct queue_meta *m = NULL;

	take_flags(&m, fd, fs_type);
	take_xattrs(&m, x, fd, path);
	if (st->st_blocks * 512 < st->st_size)
		take_holes(&m, fd, st);
	return m;
}

size_t
meta_size(const struct queue_meta *m)
{
	size_t i, n = 0;

	if (!m)
		return 0;
	for (i = 0; i < m->xattr_count; i++)
		n += sizeof m->xattrs[i] + m->xattrs[i].len + XATTR_NAME_MAX;
	return n + (m->holes ? strlen(m->holes) : 0);
}

void
meta_free(struct queue_meta *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->xattr_count; i++) {
		free(m->xattrs[i].name);
		free(m->xattrs[i].value);
	}
	free(m->xattrs);
	free(m->holes);
	free(m->unread);
	free(m->path);
	free(m);
}
