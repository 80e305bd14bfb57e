#define _GNU_SOURCE
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "guest/places.h"
#include "wire.h"

enum {
	BLOCK = 64 << 10,
	/* of names at a time: with all their targets they fit an answer */
	DIRENTS = 8 << 10,
	HANDLES = 65536,
	/* blocks looked up for one PLACES: well below a second */
	PLACES_BLOCKS = 1 << 16
};

struct server {
	int line, root;
	int has_xattrs;		/* the file system may have some */
	struct guest_request r;
	struct buf bytes;	/* of the request */
	struct buf in;
	size_t taken;		/* of in */
	struct buf out;		/* the answer */
	/* the directory that the last LIST paused in, and where */
	int list;		/* -1: none */
	char *list_path;
	uint64_t list_offset;
};

/* ---- the line ---- */

static int
hear(struct server *s, void *bytes, size_t len)
{
	char *to = bytes;
	size_t part;
	ssize_t n;

	while (len > 0) {
		if (s->taken == s->in.len) {
			buf_reset(&s->in);
			s->taken = 0;
			buf_reserve(&s->in, BLOCK);
			n = read(s->line, s->in.data, BLOCK);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return -1;
			s->in.len = (size_t)n;
		}
		part = s->in.len - s->taken;
		part = part < len ? part : len;
		memcpy(to, s->in.data + s->taken, part);
		s->taken += part;
		to += part;
		len -= part;
	}
	return 0;
}

static int
hear_request(struct server *s)
{
	if (hear(s, &s->r, sizeof s->r) < 0 || s->r.len > GUEST_REQUEST_MAX)
		return -1;
	buf_reset(&s->bytes);
	buf_reserve(&s->bytes, s->r.len + 1);
	s->bytes.len = s->r.len;
	s->bytes.data[s->r.len] = '\0';
	return hear(s, s->bytes.data, s->r.len);
}

/* Room for the head of an answer, which answer() fills. */
static void
begin(struct server *s)
{
	static const struct guest_answer none;

	buf_reset(&s->out);
	buf_put(&s->out, &none, sizeof none);
}

static int
answer(struct server *s, int err, uint32_t flags)
{
	struct guest_answer a = { s->r.id, err,
		(uint32_t)(s->out.len - sizeof a), flags };

	memcpy(s->out.data, &a, sizeof a);
	return write_all(s->line, s->out.data, s->out.len);
}

/* ---- names ---- */

static int
open_path(const struct server *s, const char *path, int flags)
{
	return open_beneath(s->root, *path ? path : ".", flags, 0);
}

static const char *
self(int fd, const char *name, char *room, size_t size)
{
	int n = snprintf(room, size, "/proc/self/fd/%d%s%s", fd,
	    *name ? "/" : "", name);

	return n < (int)size ? room : NULL;
}

static int
without_xattrs(const struct server *s, int dir, const char *name)
{
	char room[64 + GUEST_NAME_MAX];

	if (!s->has_xattrs)
		return 1;
	return self(dir, name, room, sizeof room) && *name &&
	    llistxattr(room, NULL, 0) == 0;
}

static void
take_stat(struct guest_entry *e, const struct stat *st)
{
	e->dev = st->st_dev;
	e->ino = st->st_ino;
	e->size = (uint64_t)st->st_size;
	e->blocks = (uint64_t)st->st_blocks;
	e->atime = st->st_atim.tv_sec;
	e->mtime = st->st_mtim.tv_sec;
	e->ctime = st->st_ctim.tv_sec;
	e->atime_ns = (uint32_t)st->st_atim.tv_nsec;
	e->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
	e->ctime_ns = (uint32_t)st->st_ctim.tv_nsec;
	e->mode = st->st_mode;
	e->nlink = (uint32_t)st->st_nlink;
	e->uid = st->st_uid;
	e->gid = st->st_gid;
	e->rdev_major = major(st->st_rdev);
	e->rdev_minor = minor(st->st_rdev);
}

/* name in dir, or dir itself where it is "". */
static void
put_entry(struct server *s, struct guest_entry *e, int dir, const char *name,
    const char *shown)
{
	char target[GUEST_LINK_MAX + 1];
	ssize_t n = 0;
	struct stat st;

	e->name_len = (uint16_t)strlen(shown);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
	    AT_EMPTY_PATH) < 0) {
		e->err = errno;
	} else {
		take_stat(e, &st);
		/* a target that cannot be read is asked for once more */
		if (S_ISLNK(st.st_mode))
			n = readlinkat(dir, name, target, sizeof target);
		if (n > GUEST_LINK_MAX || n < 0)
			n = 0;
		e->link_len = (uint16_t)n;
		if (without_xattrs(s, dir, name))
			e->flags = GUEST_NO_XATTRS;
	}
	buf_put(&s->out, e, sizeof *e);
	buf_put(&s->out, shown, e->name_len);
	buf_put(&s->out, target, (size_t)n);
}

static int
do_stat(struct server *s)
{
	int fd = open_path(s, s->bytes.data, O_PATH), err = 0;
	struct guest_entry e = { .err = 0 };

	if (fd < 0)
		return answer(s, errno, 0);
	put_entry(s, &e, fd, "", "");
	memcpy(&e, s->out.data + sizeof(struct guest_answer), sizeof e);
	if (e.err) {
		err = e.err;
		begin(s);
	}
	close(fd);
	return answer(s, err, 0);
}

static int
do_readlink(struct server *s)
{
	char target[GUEST_LINK_MAX + 1];
	int fd = open_path(s, s->bytes.data, O_PATH), err;
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof target);

	err = n < 0 ? errno : n > GUEST_LINK_MAX ? ENAMETOOLONG : 0;
	if (fd >= 0)
		close(fd);
	if (!err)
		buf_put(&s->out, target, (size_t)n);
	return answer(s, err, 0);
}

/* ---- directories ---- */

static void
forget_list(struct server *s)
{
	if (s->list >= 0)
		close(s->list);
	free(s->list_path);
	s->list = -1;
	s->list_path = NULL;
}

/* The directory at the offset, opened now or by the LIST before this one. */
static int
find_list(struct server *s)
{
	if (s->list >= 0 && s->list_offset == s->r.offset &&
	    !strcmp(s->list_path, s->bytes.data))
		return 0;
	forget_list(s);
	s->list = open_path(s, s->bytes.data, O_RDONLY | O_DIRECTORY);
	if (s->list < 0)
		return -1;
	s->list_path = xstrdup(s->bytes.data);
	if (s->r.offset && lseek(s->list, (off_t)s->r.offset, SEEK_SET) < 0) {
		forget_list(s);
		return -1;
	}
	return 0;
}

static void
put_dirents(struct server *s, const char *bytes, size_t len)
{
	const struct dirent64 *d;
	size_t at;

	for (at = 0; at < len; at += d->d_reclen) {
		struct guest_entry e = { .err = 0 };

		d = (const void *)(bytes + at);
		s->list_offset = (uint64_t)d->d_off;
		if (is_dot(d->d_name))
			continue;
		e.offset = (uint64_t)d->d_off;
		e.ino = d->d_ino;
		e.mode = (uint32_t)DTTOIF(d->d_type);
		put_entry(s, &e, s->list, d->d_name, d->d_name);
	}
}

static int
do_list(struct server *s)
{
	char bytes[DIRENTS] __attribute__((aligned(16)));
	long n = 1;
	int err;

	if (find_list(s) < 0)
		return answer(s, errno, GUEST_END);
	while (n > 0 && s->out.len < GUEST_LIST_FULL) {
		n = syscall(SYS_getdents64, s->list, bytes, sizeof bytes);
		if (n > 0)
			put_dirents(s, bytes, (size_t)n);
	}
	err = n < 0 ? errno : 0;
	if (n <= 0)
		forget_list(s);
	return answer(s, err, n <= 0 ? GUEST_END : 0);
}

/* ---- contents ---- */

static int
open_file(const struct server *s, const char *path)
{
	int fd = open_path(s, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
		errno = EINVAL;
	}
	return fd;
}

/* Adds up to size bytes of fd; the errno that ended it. */
static int
put_bytes(struct server *s, int fd, uint64_t offset, size_t size)
{
	size_t got = 0;
	ssize_t n = 1;

	buf_reserve(&s->out, size);
	while (got < size && n > 0) {
		n = pread(fd, s->out.data + s->out.len, size - got,
		    (off_t)(offset + got));
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0) {
			s->out.len += (size_t)n;
			got += (size_t)n;
		}
	}
	return n < 0 ? errno : 0;
}

static int
do_open(struct server *s)
{
	int fd = open_file(s, s->bytes.data);
	uint32_t handle = (uint32_t)fd;

	if (fd < 0)
		return answer(s, errno, 0);
	buf_put(&s->out, &handle, sizeof handle);
	return answer(s, 0, 0);
}

static int
do_pread(struct server *s)
{
	size_t size = s->r.size;

	if (size > GUEST_READ_MAX)
		return answer(s, EINVAL, 0);
	return answer(s, put_bytes(s, (int)s->r.handle, s->r.offset, size),
	    0);
}

/* One file of a READALL: one byte more tells that it is too large. */
static void
put_file(struct server *s, const char *path)
{
	int fd = open_file(s, path);
	struct guest_file f = { fd < 0 ? errno : 0, 0 };
	size_t head = s->out.len;

	buf_put(&s->out, &f, sizeof f);
	if (fd < 0)
		return;
	f.err = put_bytes(s, fd, 0, (size_t)s->r.size + 1);
	f.len = (uint32_t)(s->out.len - head - sizeof f);
	if (!f.err && f.len > s->r.size)
		f.err = EFBIG;
	if (f.err) {
		s->out.len = head + sizeof f;
		f.len = 0;
	}
	memcpy(s->out.data + head, &f, sizeof f);
	close(fd);
}

static int
do_readall(struct server *s)
{
	const char *path = s->bytes.data, *end = path + s->bytes.len;

	if (s->r.size > GUEST_SMALL || path == end ||
	    end[-1] != '\0')
		return answer(s, EINVAL, 0);
	for (; path < end; path += strlen(path) + 1)
		put_file(s, path);
	return answer(s, 0, 0);
}

/* ---- attributes and the rest ---- */

static int
do_xattr(struct server *s)
{
	const char *path = s->bytes.data, *name = path + strlen(path) + 1;
	int fd = open_path(s, path, O_PATH), err;
	ssize_t n = -1;
	struct statfs fs;
	char room[64];

	if (s->r.op == GUEST_XGET && name > path + s->bytes.len)
		name = "";
	buf_reserve(&s->out, GUEST_XATTR_MAX);
	if (fd >= 0) {
		self(fd, "", room, sizeof room);
		n = s->r.op == GUEST_XLIST ?
		    listxattr(room, s->out.data + s->out.len,
		    GUEST_XATTR_MAX) :
		    getxattr(room, name, s->out.data + s->out.len,
		    GUEST_XATTR_MAX);
	}
	err = n < 0 ? errno : 0;
	/* ntfs-3g that shows no streams says so of files */
	if (s->r.op == GUEST_XLIST && err == EINVAL &&
	    fstatfs(fd, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC)
		err = EOPNOTSUPP;
	if (n > 0)
		s->out.len += (size_t)n;
	if (fd >= 0)
		close(fd);
	return answer(s, err, 0);
}

static int
do_statfs(struct server *s)
{
	struct guest_statfs f = { .unused = 0 };
	struct statvfs v;

	if (fstatvfs(s->root, &v) < 0)
		return answer(s, errno, 0);
	f.blocks = v.f_blocks;
	f.bfree = v.f_bfree;
	f.bavail = v.f_bavail;
	f.files = v.f_files;
	f.ffree = v.f_ffree;
	f.bsize = (uint32_t)v.f_bsize;
	f.frsize = (uint32_t)v.f_frsize;
	f.namelen = (uint32_t)v.f_namemax;
	buf_put(&s->out, &f, sizeof f);
	return answer(s, 0, 0);
}

struct places {
	struct buf *out;
	size_t count;
	uint64_t next;		/* behind the last one */
	int full;
};

static int
put_places(void *arg, const struct fibmap_place *places, size_t n)
{
	struct places *p = arg;

	if (p->count + n > GUEST_PLACES_MAX) {
		n = GUEST_PLACES_MAX - p->count;
		p->full = 1;
	}
	buf_put(p->out, places, n * sizeof *places);
	p->count += n;
	if (n > 0)
		p->next = places[n - 1].logical + places[n - 1].length;
	return p->full;
}

/* A part of the file that ends at a block; where it ends is in *next. */
static int
find_places(struct server *s, int fd, uint64_t *next)
{
	struct places p = { .out = &s->out };
	uint64_t end;
	struct stat st;
	int block;

	if (fstat(fd, &st) < 0 || ioctl(fd, FIGETBSZ, &block) < 0)
		return errno;
	*next = s->r.offset;
	if (s->r.offset >= (uint64_t)st.st_size)
		return 0;
	end = s->r.offset + (uint64_t)block * PLACES_BLOCKS;
	if (end > (uint64_t)st.st_size)
		end = (uint64_t)st.st_size;
	if (fibmap_walk(fd, s->r.offset, end, put_places, &p) < 0 && !p.full)
		return errno;
	*next = p.full ? p.next : end;
	return 0;
}

static int
do_places(struct server *s)
{
	int fd = open_file(s, s->bytes.data);
	struct fibmap_place last = { 0, 0, 0 };
	int err = fd < 0 ? errno : find_places(s, fd, &last.logical);

	if (fd >= 0)
		close(fd);
	if (err)
		begin(s);
	else
		buf_put(&s->out, &last, sizeof last);
	return answer(s, err, 0);
}

static int
obey(struct server *s)
{
	begin(s);
	switch (s->r.op) {
	case GUEST_STAT:
		return do_stat(s);
	case GUEST_LIST:
		return do_list(s);
	case GUEST_READLINK:
		return do_readlink(s);
	case GUEST_OPEN:
		return do_open(s);
	case GUEST_PREAD:
		return do_pread(s);
	case GUEST_READALL:
		return do_readall(s);
	case GUEST_CLOSE:
		close((int)s->r.handle);
		return 0;
	case GUEST_XLIST:
	case GUEST_XGET:
		return do_xattr(s);
	case GUEST_STATFS:
		return do_statfs(s);
	case GUEST_PLACES:
		return do_places(s);
	default:
		return answer(s, EIO, 0);
	}
}

int
server_run(int line, const char *root)
{
	struct rlimit many = { HANDLES, HANDLES };
	struct server s = { .line = line, .list = -1 };

	setrlimit(RLIMIT_NOFILE, &many);
	s.root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.root < 0)
		return -1;
	s.has_xattrs = flistxattr(s.root, NULL, 0) >= 0 ||
	    errno != EOPNOTSUPP;
	while (hear_request(&s) == 0 && obey(&s) == 0)
		;
	forget_list(&s);
	close(s.root);
	buf_free(&s.bytes);
	buf_free(&s.in);
	buf_free(&s.out);
	return 0;
}
