#define _GNU_SOURCE
#define FUSE_USE_VERSION 312
#include "serve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "listing.h"
#include "media.h"
#include "missing.h"
#include "node.h"
#include "say.h"
#include "store/short_name.h"
#include "store/store.h"
#include "xattr.h"

/* Seconds for which the kernel need not ask again. */
#define LONG 3600.0		/* of what does not change */
#define SHORT 2.0		/* of what does: the media, what is copied */

enum { PAGE = 4096 };

static struct serve_options opt;
static struct store store;
static struct fuse_session *session;

/* Bytes [from, to) that are lost. */
struct range {
	uint64_t from, to;
};

/* An open file. */
struct file {
	int fd;			/* -1: text */
	uint64_t size;
	struct text *text;
	struct range *lost;	/* ascending */
	size_t lost_count;
};

/* An open directory: a listing, or names. */
struct dir {
	struct listing *listing;
	struct name {
		char *name;
		uint64_t number;
		mode_t mode;
	} *names;
	size_t count;
};

static struct node *
node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &node_root : (struct node *)(uintptr_t)ino;
}

static fuse_ino_t
number_of(const struct node *n)
{
	return n == &node_root ? FUSE_ROOT_ID : (uintptr_t)n;
}

static double
timeout_of(const struct shown *m)
{
	return !m || m->settled ? LONG : SHORT;
}

/* ---- what is not of a medium ---- */

/* A directory of ours. */
static void
own_directory(struct entry *e)
{
	memset(e, 0, sizeof *e);
	e->mode = S_IFDIR | 0555;
	e->uid = getuid();
	e->gid = getgid();
}

static void
text_entry(const struct shown *m, const struct text *t, struct entry *e)
{
	own_directory(e);
	e->mode = S_IFREG | 0444;
	e->nlink = 1;
	e->size = e->stored = t->len;
	e->mtime = e->atime = e->ctime = m->time;
}

/* Is name what the store has at this depth: "ab", "cd", a blob of abcd? */
static int
is_store_name(const struct node *dir, const char *name)
{
	size_t len = dir->len < 4 ? 2 : STORE_ID;

	return strlen(name) == len &&
	    strspn(name, "0123456789abcdef") == len &&
	    (dir->len < 4 || !memcmp(name, dir->path, 4));
}

/* "ab/cd" of the store for the path "abcd". */
static void
store_directory(const struct node *dir, char path[6])
{
	snprintf(path, 6, "%.2s%s%.2s", dir->len ? dir->path : ".",
	    dir->len > 2 ? "/" : "", dir->len > 2 ? dir->path + 2 : "");
}

static int
stat_entry(const struct stat *st, struct entry *e)
{
	own_directory(e);
	e->mtime = e->atime = e->ctime = st->st_mtim.tv_sec;
	e->mtime_ns = e->atime_ns = e->ctime_ns =
	    (uint32_t)st->st_mtim.tv_nsec;
	if (S_ISDIR(st->st_mode))
		return 0;
	if (!S_ISREG(st->st_mode))
		return -1;
	e->mode = S_IFREG | 0444;
	e->nlink = 1;
	e->size = (uint64_t)st->st_size;
	e->stored = (uint64_t)st->st_blocks * 512;
	e->has_blob = 1;
	return 0;
}

/* ---- looking up ---- */

struct looked_up {
	enum node_kind kind;
	struct shown *medium;
	struct entry e;
	struct buf path;
};

static int
in_root(const char *name, struct looked_up *l)
{
	own_directory(&l->e);
	if (!strcmp(name, "media"))
		l->kind = NODE_MEDIA;
	else if (!strcmp(name, "blobs") && media_hidden() == 0)
		l->kind = NODE_BLOBS;
	else
		return ENOENT;
	return 0;
}

static int
in_media(const char *name, struct looked_up *l)
{
	size_t len = strlen(name), suffix = strlen(MISSING_SUFFIX);
	struct text *t;

	media_refresh();
	l->medium = media_find(name, len);
	if (l->medium) {
		l->kind = NODE_DIR;
		if (l->medium->table)
			return listing_root(l->medium, &l->e) < 0 ? errno : 0;
		listing_implied(l->medium, &l->e);
		return 0;
	}
	if (len <= suffix || strcmp(name + len - suffix, MISSING_SUFFIX))
		return ENOENT;
	l->medium = media_find(name, len - suffix);
	if (!l->medium)
		return ENOENT;
	t = missing_text(l->medium);
	if (!t)
		return errno;
	l->kind = NODE_TEXT;
	text_entry(l->medium, t, &l->e);
	missing_put(t);
	return 0;
}

/* What an item of a directory is. */
static void
take_item(const struct node *dir, const struct item *i, struct looked_up *l)
{
	l->medium = dir->medium;
	l->e = i->e;
	l->kind = NODE_FILE;
	buf_reset(&l->path);
	if (!S_ISDIR(i->e.mode))
		return;
	l->kind = NODE_DIR;
	buf_put(&l->path, dir->path, dir->len);
	if (dir->len > 0)
		buf_putc(&l->path, '/');
	buf_put(&l->path, i->real, i->real_len);
}

static int
in_directory(struct node *dir, const char *name, struct looked_up *l)
{
	struct listing *list;
	const struct item *i;

	node_use(dir);
	if (strlen(name) > SHORT_NAME_MAX)
		return ENAMETOOLONG;
	list = listing_get(dir->medium, dir->path, dir->len);
	if (!list)
		return errno;
	i = listing_find(list, name, strlen(name));
	if (i)
		take_item(dir, i, l);
	listing_put(list);
	return i ? 0 : ENOENT;
}

static int
in_blobs(const struct node *dir, const char *name, struct looked_up *l)
{
	char path[STORE_ID + 8], above[6];
	struct stat st;

	if (media_hidden() > 0 || !is_store_name(dir, name))
		return ENOENT;
	store_directory(dir, above);
	snprintf(path, sizeof path, "%s/%s", above, name);
	if (fstatat(store.root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? ENOENT : EIO;
	if (stat_entry(&st, &l->e) < 0 ||
	    !S_ISDIR(st.st_mode) != (dir->len == 4))
		return ENOENT;
	if (dir->len == 4) {
		l->kind = NODE_BLOB;
		return hex_decode(l->e.blob, name, sizeof l->e.blob) < 0 ?
		    ENOENT : 0;
	}
	l->kind = NODE_BLOBS;
	buf_put(&l->path, dir->path, dir->len);
	buf_puts(&l->path, name);
	return 0;
}

/* A node for it, and what the kernel is told. */
static void
give_node(struct node *dir, const char *name, const struct looked_up *l,
    struct fuse_entry_param *e)
{
	const char *path = l->path.data ? l->path.data : "";

	memset(e, 0, sizeof *e);
	e->ino = number_of(node_get(l->kind, l->medium, &l->e, path,
	    l->path.len, dir, name));
	node_stat(l->kind, l->medium, &l->e, path, l->path.len, &e->attr);
	e->attr_timeout = e->entry_timeout = l->kind == NODE_TEXT ||
	    dir->kind == NODE_MEDIA || dir->kind == NODE_ROOT ? SHORT :
	    timeout_of(l->medium);
}

static void
do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = 0 };
	struct node *dir = node_of(parent);
	struct looked_up l = { .path = BUF_INIT };
	int err;

	switch (dir->kind) {
	case NODE_ROOT:
		err = in_root(name, &l);
		break;
	case NODE_MEDIA:
		err = in_media(name, &l);
		break;
	case NODE_DIR:
		err = in_directory(dir, name, &l);
		break;
	case NODE_BLOBS:
		err = in_blobs(dir, name, &l);
		break;
	default:
		err = ENOTDIR;
	}
	if (err == ENOENT && dir->kind == NODE_DIR) {
		e.entry_timeout = timeout_of(dir->medium);
		fuse_reply_entry(req, &e);
	} else if (err) {
		fuse_reply_err(req, err);
	} else {
		give_node(dir, name, &l, &e);
		if (fuse_reply_entry(req, &e) < 0)
			node_forget(node_of(e.ino), 1);
	}
	buf_free(&l.path);
}

static void
do_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	node_forget(node_of(ino), count);
	fuse_reply_none(req);
}

static void
do_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *f)
{
	size_t i;

	for (i = 0; i < count; i++)
		node_forget(node_of(f[i].ino), f[i].nlookup);
	fuse_reply_none(req);
}

static int
is_gone(const struct node *n)
{
	return n->medium && n->medium->gone;
}

static void
do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node *n = node_of(ino);
	struct entry e;
	struct text *t;
	struct stat st;

	(void)fi;
	if (is_gone(n)) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	if (n->kind == NODE_ROOT)
		own_directory(&e);
	else
		node_entry(n, &e);
	if (n->kind == NODE_TEXT) {
		t = missing_text(n->medium);
		if (!t) {
			fuse_reply_err(req, errno);
			return;
		}
		text_entry(n->medium, t, &e);
		node_set_entry(n, &e);
		missing_put(t);
	}
	node_stat(n->kind, n->medium, &e, n->path, n->len, &st);
	fuse_reply_attr(req, &st, n->kind == NODE_TEXT ? SHORT :
	    timeout_of(n->medium));
}

/* ---- directories ---- */

static void
add_name(struct dir *d, const char *name, enum node_kind kind,
    const struct shown *m, const char *path)
{
	struct entry e = { .ino = 0 };
	struct name *n;

	if ((d->count & (d->count - 1)) == 0)
		d->names = xrealloc(d->names, (d->count ? 2 * d->count : 1) *
		    sizeof *d->names);
	n = &d->names[d->count++];
	n->name = xstrdup(name);
	n->mode = kind == NODE_TEXT || kind == NODE_BLOB ? S_IFREG : S_IFDIR;
	if (kind == NODE_BLOB)
		hex_decode(e.blob, name, sizeof e.blob);
	n->number = node_number(kind, m, &e, path, strlen(path));
}

static void
list_media(struct dir *d)
{
	struct shown **all, **m;
	char *name;

	media_refresh();
	all = media_all();
	for (m = all; *m; m++) {
		add_name(d, (*m)->name, NODE_DIR, *m, "");
		name = xasprintf("%s%s", (*m)->name, MISSING_SUFFIX);
		add_name(d, name, NODE_TEXT, *m, "");
		free(name);
	}
	free(all);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->name,
	    ((const struct name *)b)->name);
}

/* 0 or errno. */
static int
list_blobs(struct dir *d, const struct node *n)
{
	char path[6], *below;
	struct dirent *de;
	DIR *stream;
	int fd;

	store_directory(n, path);
	fd = openat(store.root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return EIO;
	while (errno = 0, (de = readdir(stream))) {
		if (!is_store_name(n, de->d_name))
			continue;
		below = xasprintf("%s%s", n->path, de->d_name);
		add_name(d, de->d_name, n->len == 4 ? NODE_BLOB : NODE_BLOBS,
		    NULL, n->len == 4 ? "" : below);
		free(below);
	}
	fd = errno;
	closedir(stream);
	if (d->count > 1)
		qsort(d->names, d->count, sizeof *d->names, compare_names);
	return fd ? EIO : 0;
}

static void
free_dir(struct dir *d)
{
	if (d->listing)
		listing_put(d->listing);
	while (d->count > 0)
		free(d->names[--d->count].name);
	free(d->names);
	free(d);
}

static void
do_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir *d = xcalloc(1, sizeof *d);
	struct node *n = node_of(ino);
	int err = 0;

	switch (n->kind) {
	case NODE_ROOT:
		media_refresh();
		add_name(d, "media", NODE_MEDIA, NULL, "");
		if (media_hidden() == 0)
			add_name(d, "blobs", NODE_BLOBS, NULL, "");
		break;
	case NODE_MEDIA:
		list_media(d);
		break;
	case NODE_BLOBS:
		err = list_blobs(d, n);
		break;
	default:
		node_use(n);
		media_refresh();
		d->listing = listing_get(n->medium, n->path, n->len);
		err = d->listing ? 0 : errno;
		fi->cache_readdir = fi->keep_cache =
		    (unsigned int)n->medium->settled & 1;
	}
	fi->fh = (uintptr_t)d;
	if (err)
		fuse_reply_err(req, err);
	if (err || fuse_reply_open(req, fi) < 0)
		free_dir(d);
}

static void
do_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	free_dir((struct dir *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

/* An entry that is only a name; 0: it does not fit. */
static size_t
put_name(fuse_req_t req, char *to, size_t room, const char *name,
    uint64_t number, mode_t mode, off_t next, int plus)
{
	struct fuse_entry_param e = { .ino = 0 };

	e.attr.st_ino = number;
	e.attr.st_mode = mode;
	return plus ? fuse_add_direntry_plus(req, to, room, name, &e, next) :
	    fuse_add_direntry(req, to, room, name, &e.attr, next);
}

static size_t
put_item(fuse_req_t req, char *to, size_t room, struct node *dir,
    const struct item *i, off_t next, int plus, struct looked_up *l)
{
	struct fuse_entry_param e = { .ino = 0 };

	take_item(dir, i, l);
	if (!plus)
		return put_name(req, to, room, i->name, node_number(l->kind,
		    l->medium, &l->e, l->path.data ? l->path.data : "",
		    l->path.len), i->e.mode, next, 0);
	if (fuse_add_direntry_plus(req, NULL, 0, i->name, NULL, 0) > room)
		return room + 1;
	give_node(dir, i->name, l, &e);
	return fuse_add_direntry_plus(req, to, room, i->name, &e, next);
}

static void
read_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    struct fuse_file_info *fi, int plus)
{
	const struct dir *d = (struct dir *)(uintptr_t)fi->fh;
	size_t count = d->listing ? d->listing->count : d->count, at, n;
	struct looked_up l = { .path = BUF_INIT };
	struct node *dir = node_of(ino);
	char *to = xmalloc(size + 1);
	size_t used = 0;

	/* 0 and 1 are "." and "..", then come the entries */
	for (at = (size_t)offset; at < count + 2; at++) {
		if (at < 2)
			n = put_name(req, to + used, size - used, at ? ".." :
			    ".", 1, S_IFDIR, (off_t)at + 1, plus);
		else if (d->listing)
			n = put_item(req, to + used, size - used, dir,
			    &d->listing->items[at - 2], (off_t)at + 1, plus,
			    &l);
		else
			n = put_name(req, to + used, size - used,
			    d->names[at - 2].name, d->names[at - 2].number,
			    d->names[at - 2].mode, (off_t)at + 1, plus);
		if (n > size - used)
			break;
		used += n;
	}
	fuse_reply_buf(req, to, used);
	free(to);
	buf_free(&l.path);
}

static void
do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	read_dir(req, ino, size, offset, fi, 0);
}

static void
do_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	read_dir(req, ino, size, offset, fi, 1);
}

/* ---- contents ---- */

static void __attribute__((format(printf, 3, 4)))
complain(const struct node *n, const struct entry *e, const char *fmt, ...)
{
	char id[STORE_ID + 1];
	struct buf why = BUF_INIT;
	va_list ap;
	int err = errno;

	hex_encode(id, e->blob, sizeof e->blob);
	va_start(ap, fmt);
	errno = err;
	buf_vprintf(&why, fmt, ap);
	va_end(ap);
	say_lock();
	warn("%s gives an I/O error: its blob %s %s", n->name ?
	    quoted(n->name) : "a file", id, why.data);
	say_unlock();
	buf_free(&why);
}

/* The blob, of the size that it must have: a descriptor, or -1. */
static int
open_blob(const struct node *n, const struct entry *e)
{
	char id[STORE_ID + 1];
	struct stat st;
	int fd;

	hex_encode(id, e->blob, sizeof e->blob);
	if (media_blob_is_bad(e->blob)) {
		complain(n, e, "is marked in the catalogue as not good");
		return -1;
	}
	fd = store_read(&store, id);
	if (fd < 0) {
		complain(n, e, "could not be opened in the store: %m");
		return -1;
	}
	/* of a link the source may have said anything */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (S_ISREG(e->mode) && (uint64_t)st.st_size != e->size)) {
		complain(n, e, "has %lld bytes and not %llu",
		    (long long)st.st_size, (unsigned long long)e->size);
		close(fd);
		return -1;
	}
	return fd;
}

static void
inode_params(const struct entry *e, struct param params[2],
    uint64_t numbers[2])
{
	numbers[0] = htobe64(e->dev);
	numbers[1] = htobe64(e->ino);
	params[0] = (struct param){ (const char *)&numbers[0], 8 };
	params[1] = (struct param){ (const char *)&numbers[1], 8 };
}

/* What had no blob when its directory was read may have one now. */
static int
find_blob(struct node *n, struct entry *e)
{
	enum { BLOB, SIZE, STATUS, ERROR, DAMAGED };
	struct param params[2];
	uint64_t numbers[2];
	const char *blob;
	PGresult *res;
	size_t len;

	inode_params(e, params, numbers);
	res = ask(&n->medium->inode, 2, params);
	if (!res)
		return -1;
	blob = PQntuples(res) ? cell(res, 0, BLOB, &len) : NULL;
	if (blob && len == STORE_ID &&
	    hex_decode(e->blob, blob, sizeof e->blob) == 0) {
		e->has_blob = 1;
		e->size = (uint64_t)cell_int(res, 0, SIZE, 0);
		e->damaged = cell_true(res, 0, DAMAGED);
		node_set_entry(n, e);
	} else if (PQntuples(res)) {
		const char *why = cell(res, 0, ERROR, NULL);

		say_lock();
		detail("%s gives an I/O error: it is not stored (%s%s%s)",
		    n->name ? quoted(n->name) : "a file", cell(res, 0, STATUS,
		    NULL), why ? ": " : "", why ? quoted(why) : "");
		say_unlock();
	}
	PQclear(res);
	errno = EIO;
	return e->has_blob ? 0 : -1;
}

static int
find_lost(const struct node *n, const struct entry *e, struct file *f)
{
	struct param params[2];
	uint64_t numbers[2];
	PGresult *res;
	int row;

	inode_params(e, params, numbers);
	res = ask(&n->medium->lost, 2, params);
	if (!res)
		return -1;
	f->lost = xcalloc((size_t)PQntuples(res) + 1, sizeof *f->lost);
	for (row = 0; row < PQntuples(res); row++) {
		/* nobody knows which: it may be any */
		f->lost[f->lost_count++] = (struct range){
			(uint64_t)cell_int(res, row, 0, 0),
			(uint64_t)cell_int(res, row, 1, INT64_MAX) };
	}
	PQclear(res);
	return 0;
}

static void
close_file(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->text)
		missing_put(f->text);
	free(f->lost);
	free(f);
}

/*
 * Are the pages that the kernel has of the node from this file?  A blob that
 * was healed is another file.
 */
static int
same_file(struct node *n, int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	return node_opened(n, (st.st_ino * 0x9e3779b97f4a7c15u ^
	    ((uint64_t)st.st_ctim.tv_sec << 30) ^
	    (uint64_t)st.st_ctim.tv_nsec) | 1);
}

/* 0 or errno. */
static int
open_file(struct node *n, struct file *f)
{
	struct entry e;

	if (is_gone(n))
		return ESTALE;
	node_entry(n, &e);
	if (n->kind == NODE_TEXT) {
		f->text = missing_text(n->medium);
		return f->text ? 0 : errno;
	}
	if (!S_ISREG(e.mode))
		return EIO;
	if (!e.has_blob && find_blob(n, &e) < 0)
		return errno;
	f->size = e.size;
	f->fd = open_blob(n, &e);
	if (f->fd < 0)
		return EIO;
	posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return e.damaged && !opt.zeros && find_lost(n, &e, f) < 0 ? errno : 0;
}

static void
do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct file *f;
	int err;

	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EROFS);
		return;
	}
	media_refresh();
	f = xcalloc(1, sizeof *f);
	f->fd = -1;
	err = open_file(node_of(ino), f);
	if (err) {
		fuse_reply_err(req, err);
		close_file(f);
		return;
	}
	/* the kernel takes a short answer for the end of the file where it
	 * keeps pages */
	fi->direct_io = f->text || f->lost_count > 0;
	fi->keep_cache = !fi->direct_io && same_file(node_of(ino), f->fd);
	fi->fh = (uintptr_t)f;
	if (fuse_reply_open(req, fi) < 0)
		close_file(f);
}

static void
do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	close_file((struct file *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

/*
 * How many of the bytes can be given before the first that is lost; -1: none.
 * A request for whole pages may be one for a mapping, which must not get part
 * of a page.
 */
static ssize_t
before_lost(const struct file *f, uint64_t offset, size_t size, size_t asked)
{
	uint64_t from;
	size_t i;

	for (i = 0; i < f->lost_count && f->lost[i].to <= offset; i++)
		;
	if (i == f->lost_count || f->lost[i].from >= offset + size)
		return (ssize_t)size;
	from = f->lost[i].from;
	if (offset % PAGE == 0 && asked % PAGE == 0)
		from -= from % PAGE;
	return from > offset ? (ssize_t)(from - offset) : -1;
}

static void
do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	const struct file *f = (struct file *)(uintptr_t)fi->fh;
	uint64_t end = f->text ? f->text->len : f->size, from;
	struct fuse_bufvec data;
	size_t asked = size;
	ssize_t n;

	(void)ino;
	from = (uint64_t)offset;
	if (from >= end)
		size = 0;
	else if (size > end - from)
		size = (size_t)(end - from);
	if (f->text || size == 0) {
		fuse_reply_buf(req, size ? f->text->data + offset : "", size);
		return;
	}
	n = before_lost(f, from, size, asked);
	if (n < 0) {
		fuse_reply_err(req, EIO);
		return;
	}
	data = FUSE_BUFVEC_INIT((size_t)n);
	data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	data.buf[0].fd = f->fd;
	data.buf[0].pos = offset;
	/* moving pages that are in the page cache is in vain, and slower */
	fuse_reply_data(req, &data, 0);
}

static void
do_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct node *n = node_of(ino);
	char target[PAGE + 1];
	struct entry e;
	ssize_t len;
	int fd;

	node_entry(n, &e);
	if (is_gone(n)) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	if (!e.has_blob && find_blob(n, &e) < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	fd = open_blob(n, &e);
	len = fd < 0 ? -1 : pread_full(fd, target, PAGE, 0);
	if (fd >= 0)
		close(fd);
	if (len < 0) {
		fuse_reply_err(req, EIO);
		return;
	}
	target[len] = '\0';
	fuse_reply_readlink(req, target);
}

/* ---- attributes and the rest ---- */

static void
reply_value(fuse_req_t req, const char *bytes, size_t len, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, len);
	else if (len > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, len ? bytes : "", len);
}

/*
 * "ls -l" asks for two attributes of every file, until it hears that there are
 * none on this device.
 */
static int
no_attribute(const struct node *n, const char *name)
{
	if (!strcmp(name, "security.selinux") ||
	    (!strcmp(name, "system.posix_acl_access") && n->medium &&
	    listing_no_xattrs(n->medium)))
		return EOPNOTSUPP;
	return ENODATA;
}

static void
reply_xattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct node *n = node_of(ino);
	struct buf value = BUF_INIT;
	struct entry e = { .ino = 0 };
	int err = 0;

	if (n->kind == NODE_DIR || n->kind == NODE_FILE)
		node_entry(n, &e);
	if (is_gone(n))
		err = ESTALE;
	else if (e.has_xattrs)
		err = name ? xattr_value(n->medium, &e, &store, name,
		    &value) : xattr_names(n->medium, &e, &value);
	else if (name)
		err = no_attribute(n, name);
	if (err)
		fuse_reply_err(req, err);
	else
		reply_value(req, value.data, value.len, size);
	buf_free(&value);
}

static void
do_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	reply_xattr(req, ino, name, size);
}

static void
do_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	reply_xattr(req, ino, NULL, size);
}

static void
do_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st = { .f_bsize = 4096, .f_frsize = 4096,
		.f_namemax = SHORT_NAME_MAX };

	(void)ino;
	fuse_reply_statfs(req, &st);
}

static void
do_init(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	conn->want |= conn->capable & (FUSE_CAP_SPLICE_WRITE |
	    FUSE_CAP_SPLICE_MOVE | FUSE_CAP_PARALLEL_DIROPS |
	    FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_READDIRPLUS |
	    FUSE_CAP_ASYNC_READ);
	/* "ls -l" reads all names before it looks at the first */
	conn->want &= ~(unsigned int)(FUSE_CAP_AUTO_INVAL_DATA |
	    FUSE_CAP_READDIRPLUS_AUTO);
	if (opt.answering)
		opt.answering();
}

const struct fuse_lowlevel_ops serve_operations = {
	.init = do_init, .lookup = do_lookup, .forget = do_forget,
	.forget_multi = do_forget_multi, .getattr = do_getattr,
	.readlink = do_readlink, .opendir = do_opendir,
	.readdir = do_readdir, .readdirplus = do_readdirplus,
	.releasedir = do_releasedir, .open = do_open, .read = do_read,
	.release = do_release, .getxattr = do_getxattr,
	.listxattr = do_listxattr, .statfs = do_statfs
};

static void
drop_name(struct node *parent, const char *name, size_t len)
{
	fuse_lowlevel_notify_inval_entry(session, number_of(parent), name,
	    len);
}

static void *
sweep(void *arg)
{
	(void)arg;
	node_sweep(drop_name);
	return NULL;
}

void
serve_start(const struct serve_options *o)
{
	opt = *o;
	memset(&store, 0, sizeof store);
	store.temporaries = -1;
	store.root = o->store;
}

void
serve_sweep(struct fuse_session *s)
{
	pthread_t thread;

	session = s;
	if (pthread_create(&thread, NULL, sweep, NULL))
		die(EXIT_AGAIN, "could not start a thread");
	pthread_detach(thread);
}
