#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { LAST_ERRNO = EHWPOISON, SECOND = 1000000000 };

int
guest_errno(int32_t err)
{
	if (err == 0)
		return 0;
	/* ENOSYS: FUSE never asks again; EINTR, EAGAIN: nobody waits here */
	if (err < 0 || err > LAST_ERRNO || err == ENOSYS || err == EINTR ||
	    err == EAGAIN)
		return EIO;
	return err;
}

int
guest_answer_ok(const struct guest_answer *a, uint32_t id)
{
	return a->id == id && a->len <= GUEST_ANSWER_MAX &&
	    (a->flags & ~(uint32_t)GUEST_END) == 0;
}

int
guest_link_ok(const char *bytes, size_t len)
{
	return len > 0 && len <= GUEST_LINK_MAX && !memchr(bytes, '\0', len);
}

static int
name_ok(const char *name, size_t len)
{
	if (len == 0 || len > GUEST_NAME_MAX || memchr(name, '\0', len) ||
	    memchr(name, '/', len))
		return 0;
	return !(name[0] == '.' && (len == 1 || (len == 2 &&
	    name[1] == '.')));
}

static int
is_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFBLK:
	case S_IFCHR:
	case S_IFIFO:
	case S_IFSOCK:
		return (mode & ~(uint32_t)(S_IFMT | 07777)) == 0;
	default:
		return 0;
	}
}

/* What FUSE would refuse, or take for something else. */
static int
is_strange(const struct guest_entry *e)
{
	return !is_type(e->mode) || e->size > INT64_MAX ||
	    e->blocks > INT64_MAX || e->atime_ns >= SECOND ||
	    e->mtime_ns >= SECOND || e->ctime_ns >= SECOND;
}

int
guest_name_next(struct guest_name *n, const char **at, const char *end,
    int named)
{
	size_t left = (size_t)(end - *at), strings;

	if (left == 0)
		return 0;
	if (left < sizeof n->e)
		return -1;
	memcpy(&n->e, *at, sizeof n->e);
	strings = (size_t)n->e.name_len + n->e.link_len;
	if (left - sizeof n->e < strings)
		return -1;
	n->name = *at + sizeof n->e;
	n->link = n->name + n->e.name_len;
	if (named ? !name_ok(n->name, n->e.name_len) : n->e.name_len != 0)
		return -1;
	if (n->e.link_len && !guest_link_ok(n->link, n->e.link_len))
		return -1;
	n->e.err = guest_errno(n->e.err);
	if (n->e.err == 0 && is_strange(&n->e))
		n->e.err = EIO;
	*at += sizeof n->e + strings;
	return 1;
}

int
guest_file_next(struct guest_file *f, const char **bytes, const char **at,
    const char *end)
{
	size_t left = (size_t)(end - *at);

	if (left == 0)
		return 0;
	if (left < sizeof *f)
		return -1;
	memcpy(f, *at, sizeof *f);
	if (left - sizeof *f < f->len)
		return -1;
	f->err = guest_errno(f->err);
	*bytes = *at + sizeof *f;
	*at = *bytes + f->len;
	return 1;
}

int
guest_xlist_ok(const char *bytes, size_t len)
{
	size_t i;

	if (len > GUEST_XATTR_MAX || (len > 0 && bytes[len - 1] != '\0'))
		return 0;
	for (i = 0; i < len; i += strlen(bytes + i) + 1)
		if (bytes[i] == '\0')
			return 0;
	return 1;
}
