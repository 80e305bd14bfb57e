#define _GNU_SOURCE
#include "make.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/progress.h"
#include "base/sig.h"
#include "catalogue/content.h"
#include "catalogue/place.h"
#include "left.h"
#include "store/blob_read.h"

/* An attribute of this many bytes is the largest that Linux takes. */
enum { XATTR_MAX = 65536 };

/* What stands at the final name of an entry. */
enum found {
	FOUND_NOTHING,
	FOUND_SAME,
	FOUND_OTHER,		/* it is to be replaced */
	FOUND_IN_THE_WAY	/* and named */
};

/* An inode whose first name could not be made. */
struct relink {
	int64_t dev, ino;
	char *path;		/* the name that was, NULL: none yet */
};

/* An entry on its way to its name. */
struct making {
	int parent;
	const char *base;
	char temp[TARGET_TEMP];
	int replace;
};

static void __attribute__((noreturn))
stop(const struct making *mk)
{
	int err = errno;

	if (mk)
		unlinkat(mk->parent, mk->temp, 0);
	progress_stop();
	errno = err;
	die_errno("could not write to the directory: %m; the same command "
	    "goes on from here");
}

/* Not this entry is at fault but the disk. */
static int
is_fatal(int err)
{
	return exit_for_errno(err) == EXIT_AGAIN || err == EROFS ||
	    err == EIO;
}

static void
not_made(const struct item *e, const struct making *mk)
{
	if (is_fatal(errno))
		stop(mk);
	left_out(e->path, e->len, "it could not be made: %m");
}

/* Can this be the path of an entry?  Named if not. */
static int
path_fits(const struct item *e)
{
	char *copy = xmalloc(e->len + 1);
	int fits;

	memcpy(copy, e->path, e->len + 1);
	fits = place_normalize(copy, e->len) == (long)e->len;
	free(copy);
	if (!fits)
		left_out(e->path, e->len, "no file can have this path");
	return fits;
}

/* Links */

static int
compare_relinks(const void *a, const void *b)
{
	const struct relink *p = a, *q = b;

	if (p->dev != q->dev)
		return p->dev < q->dev ? -1 : 1;
	return p->ino < q->ino ? -1 : p->ino > q->ino;
}

static struct relink *
find_relink(const struct maker *m, const struct item *e)
{
	struct relink key = { e->dev, e->ino, NULL };
	struct relink **found = tfind(&key, &m->relinks, compare_relinks);

	return found ? *found : NULL;
}

/* What other names of the inode are to be links of; NULL: nothing yet. */
static void
set_relink(struct maker *m, const struct item *e, const char *path)
{
	struct relink *r = find_relink(m, e);

	if (!r) {
		r = xcalloc(1, sizeof *r);
		r->dev = e->dev;
		r->ino = e->ino;
		if (!tsearch(r, &m->relinks, compare_relinks))
			out_of_memory();
	}
	free(r->path);
	r->path = path ? xstrdup(path) : NULL;
}

void
make_note_failed(struct maker *m, const struct item *e)
{
	if (e->first)
		set_relink(m, e, NULL);
}

int
make_first_failed(const struct maker *m, const struct item *e)
{
	return find_relink(m, e) != NULL;
}

static void
free_relink(void *node)
{
	struct relink *r = node;

	free(r->path);
	free(r);
}

void
make_forget(struct maker *m)
{
	tdestroy(m->relinks, free_relink);
	tdestroy(m->new_parents, free);
	m->relinks = m->new_parents = NULL;
}

/* Directories that no row names get what mkdir(1) would give them. */
static void
make_implied(struct maker *m, const char *path)
{
	char *dir = xstrdup(path), *slash;
	const char *base;
	int parent;

	for (slash = strchr(dir, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		parent = target_parent(m->target, dir, &base);
		if (parent >= 0)
			mkdirat(parent, base, 0755);
		*slash = '/';
	}
	free(dir);
}

/* The directory of an entry; -1 after it was named. */
static int
parent_of(struct maker *m, const struct item *e, struct making *mk)
{
	mk->parent = target_parent(m->target, e->path, &mk->base);
	if (mk->parent < 0 && errno == ENOENT) {
		make_implied(m, e->path);
		mk->parent = target_parent(m->target, e->path, &mk->base);
	}
	mk->replace = 0;
	target_temp(m->target, e->path, mk->temp);
	if (mk->parent >= 0)
		return 0;
	if (is_fatal(errno))
		stop(NULL);
	if (errno == ELOOP || errno == ENOTDIR)
		left_out(e->path, e->len, "a symbolic link, or no directory, "
		    "stands in the place of its directory");
	else
		left_out(e->path, e->len, "its directory could not be "
		    "opened: %m");
	return -1;
}

/* Something else has the name. */
static enum found
in_the_way(const struct maker *m, const struct item *e, const struct stat *st,
    struct making *mk)
{
	if (S_ISDIR(st->st_mode)) {
		left_out(e->path, e->len, "a directory has its name");
		return FOUND_IN_THE_WAY;
	}
	if (!m->overwrite) {
		left_out(e->path, e->len, "another file has its name "
		    "(--overwrite replaces it)");
		return FOUND_IN_THE_WAY;
	}
	mk->replace = 1;
	return FOUND_OTHER;
}

/* From the temporary name to the final one: 0, or -1 with errno. */
static int
give_name(const struct making *mk)
{
	struct stat st;

	if (renameat2(mk->parent, mk->temp, mk->parent, mk->base,
	    mk->replace ? 0 : RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL || mk->replace)
		return -1;
	/* some file systems cannot refuse to replace */
	if (fstatat(mk->parent, mk->base, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(mk->parent, mk->temp, mk->parent, mk->base);
}

static int
finish(const struct item *e, const struct making *mk)
{
	int err;

	if (give_name(mk) == 0)
		return 0;
	err = errno;
	unlinkat(mk->parent, mk->temp, 0);
	errno = err;
	not_made(e, mk);
	return -1;
}

/* Contents */

void
make_blame_blob(struct maker *m, const struct item *e, int outcome, int err)
{
	const char *state = blob_state_name(outcome, err);

	if (outcome == BLOB_STOPPED)
		return;
	if (state)
		content_mark(m->db, e->blob, state);
	if (outcome == BLOB_UNREADABLE)
		left_out(e->path, e->len, "%s: %s", blob_why(outcome),
		    strerror(err));
	else
		left_out(e->path, e->len, "%s (%s)", blob_why(outcome),
		    e->blob);
}

/* Where the bytes of a file go. */
struct file {
	struct maker *m;
	const struct item *e;
	int fd;
	uint64_t at;
	size_t hole;		/* the next that may hold at */
	int ends_in_hole;
};

/* How many of len bytes are in one piece, and whether it is a hole. */
static size_t
piece(struct file *f, size_t len, int *hole)
{
	const struct item *e = f->e;
	uint64_t end = UINT64_MAX;

	while (f->hole < e->hole_count && e->holes[f->hole].to <= f->at)
		f->hole++;
	*hole = f->hole < e->hole_count && e->holes[f->hole].from <= f->at;
	if (*hole)
		end = e->holes[f->hole].to;
	else if (f->hole < e->hole_count)
		end = e->holes[f->hole].from;
	return end - f->at < len ? (size_t)(end - f->at) : len;
}

static int
put(void *arg, const void *bytes, size_t len)
{
	struct file *f = arg;
	const char *p = bytes;
	size_t n;
	int hole;

	f->m->done += len;
	progress_set(f->m->done);
	for (; len > 0; len -= n, p += n, f->at += n) {
		n = piece(f, len, &hole);
		f->ends_in_hole = hole && all_zero(p, n);
		if (f->ends_in_hole ? lseek(f->fd, (off_t)n, SEEK_CUR) < 0 :
		    write_all(f->fd, p, n) < 0)
			return -1;
	}
	return 0;
}

static void
no_reflink(struct maker *m)
{
	m->reflink = 0;
	progress_hide();
	say("files cannot share blocks with the store here: %m; they are "
	    "copied");
}

/* 1: the file shares its blocks, and what it has is in *outcome. */
static int
share_blocks(struct maker *m, const struct item *e, int fd,
    enum blob_outcome *outcome)
{
	struct blob_sink sink = { .buf = m->buf, .stop = sig_caught };
	int blob = m->reflink ? store_read(&m->store, e->blob) : -1;

	if (blob < 0)
		return 0;
	if (ioctl(fd, FICLONE, blob) < 0) {
		no_reflink(m);
		close(blob);
		return 0;
	}
	close(blob);
	*outcome = blob_compare(fd, e->blob, &sink);
	m->done += e->size;
	progress_set(m->done);
	return 1;
}

/* The content of an open file: 0; -1 after its temporary was removed. */
static int
fill(struct maker *m, const struct item *e, int fd, const struct making *mk)
{
	struct file f = { .m = m, .e = e, .fd = fd };
	struct blob_sink sink = { .buf = m->buf, .put = put, .arg = &f,
		.stop = sig_caught };
	enum blob_outcome outcome;

	if (!share_blocks(m, e, fd, &outcome))
		outcome = blob_read(&m->store, e->blob, &sink);
	if (outcome == BLOB_GOOD && (!f.ends_in_hole ||
	    ftruncate(fd, (off_t)f.at) == 0))
		return 0;
	if (outcome == BLOB_GOOD)
		outcome = BLOB_NOT_TAKEN;
	if (outcome == BLOB_NOT_TAKEN && !sig_caught()) {
		not_made(e, mk);
	} else if (outcome != BLOB_NOT_TAKEN) {
		if (outcome == BLOB_UNREADABLE &&
		    exit_for_errno(errno) == EXIT_AGAIN)
			stop(mk);
		make_blame_blob(m, e, outcome, errno);
	}
	unlinkat(mk->parent, mk->temp, 0);
	return -1;
}

static int
append(void *arg, const void *bytes, size_t len)
{
	struct buf *b = arg;

	buf_put(b, bytes, len);
	/* nothing that goes into memory is larger */
	if (b->len <= XATTR_MAX)
		return 0;
	errno = E2BIG;
	return -1;
}

/* A small blob: an outcome of blob_read(). */
static enum blob_outcome
read_small(struct maker *m, const char *id, struct buf *out)
{
	struct blob_sink sink = { .buf = m->buf, .put = append, .arg = out,
		.stop = sig_caught };

	buf_reset(out);
	return blob_read(&m->store, id, &sink);
}

int
make_link_target(struct maker *m, const struct item *e, struct buf *target)
{
	enum blob_outcome outcome = read_small(m, e->blob, target);

	if (outcome == BLOB_NOT_TAKEN) {
		left_out(e->path, e->len, "its target is too long");
		return -1;
	}
	if (outcome != BLOB_GOOD) {
		make_blame_blob(m, e, outcome, errno);
		return -1;
	}
	if (!target->data || memchr(target->data, '\0', target->len)) {
		left_out(e->path, e->len, "no link can have its target");
		return -1;
	}
	return 0;
}

/* Streams */

void
make_large_xattrs(struct maker *m, const struct item *e,
    void (*give)(void *arg, const char *name, const void *value, size_t len),
    void *arg)
{
	const size_t skip = strlen("xattr:");
	struct buf value = BUF_INIT;
	enum blob_outcome outcome;
	size_t at = 0, len;
	char *name, *blob;

	while (plan_next_stream(e, &at, &name, &len, &blob)) {
		struct item stream = *e;

		if (strncmp(name, "xattr:", skip)) {
			free(name);
			free(blob);
			continue;
		}
		stream.blob = blob;
		outcome = blob ? read_small(m, blob, &value) : BLOB_GOOD;
		if (!blob)
			left_changed(e->path, e->len, "its attribute %s is "
			    "not stored", quoted(name + skip));
		else if (outcome == BLOB_GOOD)
			give(arg, name + skip, value.data ? value.data : "",
			    value.len);
		else if (outcome == BLOB_NOT_TAKEN)
			left_changed(e->path, e->len, "its attribute %s is "
			    "too large", quoted(name + skip));
		else
			make_blame_blob(m, &stream, (int)outcome, errno);
		free(name);
		free(blob);
	}
	buf_free(&value);
}

static void
give_xattr(void *arg, const char *name, const void *value, size_t len)
{
	meta_xattr(arg, name, value, len);
}

static void
set_large_xattrs(struct maker *m, const struct item *e,
    struct meta_target *t)
{
	if (e->streams_len)
		make_large_xattrs(m, e, give_xattr, t);
}

void
make_streams(struct maker *m, const struct item *e,
    int (*make)(struct maker *m, const struct item *stream))
{
	struct buf path = BUF_INIT;
	size_t at = 0, len;
	char *name, *blob;

	while (plan_next_stream(e, &at, &name, &len, &blob)) {
		struct item stream = *e;

		if (!strncmp(name, "xattr:", strlen("xattr:"))) {
			free(name);
			free(blob);
			continue;
		}
		buf_reset(&path);
		buf_put(&path, e->path, e->len);
		buf_putc(&path, ':');
		buf_put(&path, name, len);
		stream.path = path.data;
		stream.len = path.len;
		stream.type = 'f';
		stream.blob = blob;
		stream.first = NULL;
		stream.damaged = 0;
		stream.hole_count = stream.streams_len = 0;
		stream.meta.xattrs_len = 0;
		stream.meta.flags = stream.meta.dos = -1;
		if (stream.meta.mode >= 0)
			stream.meta.mode &= 0666;
		if (!m->streams)
			m->streams_left++;
		else if (!blob)
			left_out(path.data, path.len, "the stream is not "
			    "stored");
		else if (strchr(name, '/'))
			left_out(path.data, path.len, "no file can have this "
			    "path");
		else
			make(m, &stream);
		free(name);
		free(blob);
	}
	buf_free(&path);
}

/* Files */

static int
open_existing(const struct making *mk, const struct stat *st)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(mk->parent, mk->base, flags | O_NOATIME), handle;
	char link[32];

	if (fd < 0 && errno == EPERM)
		fd = openat(mk->parent, mk->base, flags);
	if (fd >= 0 || errno != EACCES || st->st_uid != geteuid())
		return fd;
	/* its owner may have taken the right to read from himself */
	handle = openat(mk->parent, mk->base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (handle < 0)
		return -1;
	snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
	if (chmod(link, (st->st_mode & 07777) | S_IRUSR) == 0) {
		fd = open(link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		chmod(link, st->st_mode & 07777);
	}
	close(handle);
	return fd;
}

/* Is what stands there the content?  A link to the store is nobody's own. */
static int
has_content(struct maker *m, const struct item *e, const struct making *mk,
    const struct stat *st, int *fd)
{
	struct blob_sink sink = { .buf = m->buf, .stop = sig_caught };
	char path[STORE_PATH];
	struct stat blob;

	*fd = -1;
	if (!S_ISREG(st->st_mode))
		return 0;
	store_path(path, e->blob);
	if (fstatat(m->store.root, path, &blob, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (blob.st_size != st->st_size || (blob.st_dev == st->st_dev &&
	    blob.st_ino == st->st_ino)))
		return 0;
	*fd = open_existing(mk, st);
	if (*fd >= 0 && blob_compare(*fd, e->blob, &sink) == BLOB_GOOD)
		return 1;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return 0;
}

static enum found
look_at_file(struct maker *m, const struct item *e, struct making *mk)
{
	struct meta_target t = { .type = S_IFREG,
		.inherits = m->target->inherits };
	struct stat st;

	if (fstatat(mk->parent, mk->base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return FOUND_NOTHING;
		not_made(e, NULL);
		return FOUND_IN_THE_WAY;
	}
	if (!has_content(m, e, mk, &st, &t.fd))
		return sig_caught() ? FOUND_IN_THE_WAY :
		    in_the_way(m, e, &st, mk);
	if (!meta_same(&e->meta, &st)) {
		set_large_xattrs(m, e, &t);
		meta_set(&e->meta, &t);
	}
	meta_flags(&e->meta, t.fd, ~(uint32_t)META_FORBIDDING, 1);
	close(t.fd);
	m->there++;
	m->done += e->size;
	progress_set(m->done);
	return FOUND_SAME;
}

/* A new file under the temporary name, -1 after the entry was named. */
static int
new_file(const struct item *e, const struct making *mk)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(mk->parent, mk->temp, flags, 0600);

	if (fd < 0 && errno == EEXIST) {
		/* of a run that was killed */
		unlinkat(mk->parent, mk->temp, 0);
		fd = openat(mk->parent, mk->temp, flags, 0600);
	}
	if (fd < 0)
		not_made(e, NULL);
	return fd;
}

/* 0: it is there, -1: it was named. */
static int
make_file(struct maker *m, const struct item *e)
{
	struct meta_target t = { .type = S_IFREG };
	struct making mk;
	enum found found;
	int rc;

	if (parent_of(m, e, &mk) < 0)
		return -1;
	found = look_at_file(m, e, &mk);
	if (found == FOUND_SAME || found == FOUND_IN_THE_WAY)
		return found == FOUND_SAME ? 0 : -1;
	t.fd = new_file(e, &mk);
	if (t.fd < 0)
		return -1;
	t.inherits = m->target->inherits;
	meta_flags_early(&e->meta, t.fd);
	rc = fill(m, e, t.fd, &mk);
	if (rc == 0) {
		set_large_xattrs(m, e, &t);
		meta_set(&e->meta, &t);
		rc = finish(e, &mk);
	}
	if (rc == 0) {
		meta_flags(&e->meta, t.fd, ~(uint32_t)META_FORBIDDING, 1);
		m->made++;
	}
	close(t.fd);
	return rc;
}

/* What has no content: it is made under its temporary name already. */
static int
finish_special(struct maker *m, const struct item *e,
    const struct making *mk, mode_t type)
{
	struct meta_target t = { .path_only = 1, .type = type,
		.inherits = m->target->inherits };
	int rc;

	t.fd = openat(mk->parent, mk->temp, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (t.fd >= 0) {
		meta_set(&e->meta, &t);
		close(t.fd);
	}
	rc = finish(e, mk);
	m->made += rc == 0;
	return rc;
}

/* Is it what the entry is, and what else would say otherwise? */
static enum found
look_at_special(struct maker *m, const struct item *e, struct making *mk,
    mode_t type, dev_t rdev, const struct buf *target)
{
	struct meta_target t = { .path_only = 1, .type = type,
		.inherits = m->target->inherits };
	struct stat st;
	int same;

	if (fstatat(mk->parent, mk->base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return FOUND_NOTHING;
		not_made(e, NULL);
		return FOUND_IN_THE_WAY;
	}
	same = (st.st_mode & S_IFMT) == type;
	if (same && (type == S_IFBLK || type == S_IFCHR))
		same = st.st_rdev == rdev;
	if (same && type == S_IFLNK) {
		char *text = xmalloc(target->len + 1);
		ssize_t n = readlinkat(mk->parent, mk->base, text,
		    target->len + 1);

		same = n == (ssize_t)target->len &&
		    !memcmp(text, target->data, target->len);
		free(text);
	}
	if (!same)
		return in_the_way(m, e, &st, mk);
	t.fd = openat(mk->parent, mk->base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (t.fd >= 0 && !meta_same(&e->meta, &st))
		meta_set(&e->meta, &t);
	if (t.fd >= 0)
		close(t.fd);
	m->there++;
	return FOUND_SAME;
}

static int
make_special(struct maker *m, const struct item *e, mode_t type,
    const struct buf *target)
{
	dev_t rdev = e->meta.rdev < 0 ? 0 : makedev(
	    (unsigned int)(e->meta.rdev >> 32),
	    (unsigned int)(e->meta.rdev & 0xffffffff));
	struct making mk;
	enum found found;
	int rc, tries;

	if ((type == S_IFBLK || type == S_IFCHR) && e->meta.rdev < 0) {
		left_out(e->path, e->len, "the numbers of this device are "
		    "not known");
		return -1;
	}
	if (parent_of(m, e, &mk) < 0)
		return -1;
	found = look_at_special(m, e, &mk, type, rdev, target);
	if (found == FOUND_SAME || found == FOUND_IN_THE_WAY)
		return found == FOUND_SAME ? 0 : -1;
	for (tries = 0; tries < 2; tries++) {
		rc = type == S_IFLNK ? symlinkat(target->data, mk.parent,
		    mk.temp) : mknodat(mk.parent, mk.temp, type | 0600, rdev);
		if (rc == 0)
			return finish_special(m, e, &mk, type);
		if (errno != EEXIST)
			break;
		unlinkat(mk.parent, mk.temp, 0);
	}
	not_made(e, NULL);
	return -1;
}

static int
make_symlink(struct maker *m, const struct item *e)
{
	struct buf target = BUF_INIT;
	int rc = make_link_target(m, e, &target);

	if (rc == 0)
		rc = make_special(m, e, S_IFLNK, &target);
	buf_free(&target);
	return rc;
}

/* The first name of the inode gets another: 1; 0: it must be made. */
static int
link_to(struct maker *m, const struct item *e, int from, const char *base)
{
	struct making mk;
	struct stat first, st;

	if (fstatat(from, base, &first, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (parent_of(m, e, &mk) < 0)
		return 1;
	if (fstatat(mk.parent, mk.base, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (st.st_dev == first.st_dev && st.st_ino == first.st_ino) {
			m->there++;
			return 1;
		}
		if (in_the_way(m, e, &st, &mk) == FOUND_IN_THE_WAY)
			return 1;
	}
	unlinkat(mk.parent, mk.temp, 0);
	if (linkat(from, base, mk.parent, mk.replace ? mk.temp : mk.base,
	    0) < 0) {
		if (is_fatal(errno))
			stop(NULL);
		meta_lost(META_LINKS);
		return 0;
	}
	if (!mk.replace || finish(e, &mk) == 0)
		m->links++;
	return 1;
}

static int
make_link(struct maker *m, const struct item *e)
{
	const struct relink *r = find_relink(m, e);
	const char *first = r ? r->path : e->first, *base;
	int from, rc;

	if (!first)
		return 0;
	from = open_parent_beneath(m->target->root, first, &base);
	if (from < 0)
		return 0;
	rc = link_to(m, e, from, base);
	close(from);
	return rc;
}

/* Directories */

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
note_parent(struct maker *m, const char *path)
{
	if (!tsearch(xstrdup(path), &m->new_parents, compare_texts))
		out_of_memory();
}

/* A directory that is there: its owner must be able to work in it. */
static void
unlock_directory(const struct making *mk, const struct stat *st)
{
	int fd;
	char link[32];

	if (st->st_uid != geteuid() || (st->st_mode & 0700) == 0700)
		return;
	fd = openat(mk->parent, mk->base, O_PATH | O_NOFOLLOW | O_DIRECTORY |
	    O_CLOEXEC);
	if (fd < 0)
		return;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	chmod(link, (st->st_mode & 07777) | 0700);
	close(fd);
}

static int
make_directory(struct maker *m, const struct item *e, int below)
{
	struct making mk;
	struct stat st;

	if (e->len == 0)
		return 0;
	if (parent_of(m, e, &mk) < 0)
		return -1;
	if (mkdirat(mk.parent, mk.base, 0700) == 0) {
		if (!below)
			note_parent(m, e->path);
		m->made++;
		return 0;
	}
	if (errno == EEXIST && fstatat(mk.parent, mk.base, &st,
	    AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode)) {
			/* of a run that was killed before it was finished */
			if (!below && m->target->resumed &&
			    st.st_uid == geteuid() &&
			    (st.st_mode & 07777) == 0700)
				note_parent(m, e->path);
			unlock_directory(&mk, &st);
			m->there++;
			return 0;
		}
		if (in_the_way(m, e, &st, &mk) == FOUND_IN_THE_WAY)
			return -1;
		unlinkat(mk.parent, mk.base, 0);
		if (mkdirat(mk.parent, mk.base, 0700) == 0) {
			m->made++;
			return 0;
		}
	}
	not_made(e, NULL);
	return -1;
}

/* Entries */

void
make_note_damage(struct maker *m, const struct item *e)
{
	left_changed(e->path, e->len, "it has zeros where the medium could "
	    "not be read: %s", e->lost ? e->lost : "which is not known");
	buf_printf(&m->damaged, "%s\t%s\n", quoted_bytes(e->path, e->len),
	    e->lost ? e->lost : "unknown");
}

static int
make_content(struct maker *m, const struct item *e)
{
	int rc;

	if (plan_is_link(e) && make_link(m, e))
		return 0;
	rc = e->type == 'f' ? make_file(m, e) : make_symlink(m, e);
	if (e->first && (rc < 0 || plan_is_link(e)))
		set_relink(m, e, rc < 0 ? NULL : e->path);
	return rc;
}

static int
make_node(struct maker *m, const struct item *e, mode_t type)
{
	int rc;

	if (plan_is_link(e) && make_link(m, e))
		return 0;
	rc = make_special(m, e, type, NULL);
	if (e->first && (rc < 0 || plan_is_link(e)))
		set_relink(m, e, rc < 0 ? NULL : e->path);
	return rc;
}

static void
why_not(const struct item *e)
{
	struct buf why = BUF_INIT;

	content_why_not(&why, e->type, e->status, e->excluded, e->error);
	left_out(e->path, e->len, "%s", why.data);
	buf_free(&why);
}

int
make_may(struct maker *m, const struct item *e)
{
	const int content = !strchr("dbcps", e->type);

	if (!path_fits(e)) {
		/* its other names are no links of what is not there */
		make_note_failed(m, e);
		return 0;
	}
	if (e->excluded || !strcmp(e->status, "excluded") ||
	    (content && (!e->blob || !strchr("fl", e->type)))) {
		why_not(e);
		return 0;
	}
	if (!e->damaged || !m->skip_damaged)
		return 1;
	left_out(e->path, e->len, "it has lost ranges: %s", e->lost ?
	    e->lost : "which is not known");
	make_note_failed(m, e);
	return 0;
}

static mode_t
node_type(char type)
{
	switch (type) {
	case 'b':
		return S_IFBLK;
	case 'c':
		return S_IFCHR;
	case 'p':
		return S_IFIFO;
	case 's':
		return S_IFSOCK;
	default:
		return 0;
	}
}

void
make_entry(struct maker *m, const struct item *e, int below)
{
	mode_t type = node_type(e->type);
	int rc;

	if (!make_may(m, e))
		return;
	if (e->type == 'd')
		rc = make_directory(m, e, below);
	else if (type)
		rc = make_node(m, e, type);
	else
		rc = make_content(m, e);
	if (rc < 0 || sig_caught())
		return;
	if (e->damaged)
		make_note_damage(m, e);
	if (e->streams_len && below && !plan_is_link(e))
		make_streams(m, e, make_file);
}

/* A directory, open: by its path where its owner may not read it. */
static int
open_directory(struct maker *m, const struct item *e, struct meta_target *t)
{
	const char *base = ".";
	int parent = e->len ? target_parent(m->target, e->path, &base) :
	    m->target->root;
	const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (parent < 0)
		return -1;
	t->fd = openat(parent, base, O_RDONLY | flags);
	t->path_only = 0;
	if (t->fd < 0 && errno == EACCES) {
		t->fd = openat(parent, base, O_PATH | flags);
		t->path_only = 1;
	}
	return t->fd;
}

/* Is the directory one whose own attributes are to be set? */
static int
is_ours(const struct maker *m, const struct item *e, int below)
{
	if (e->len == 0)
		return m->target->own ||
		    meta_same(&e->meta, &m->target->before);
	return below || tfind(e->path, &m->new_parents, compare_texts);
}

static void
finish_directory(struct maker *m, const struct item *e, int below)
{
	/* what directories inherit they have got already */
	struct meta_target t = { .type = S_IFDIR, .inherits = 1 };

	if (!is_ours(m, e, below))
		return;
	if (open_directory(m, e, &t) < 0) {
		/* what could not be made was named then */
		if (errno != ENOENT && errno != ENOTDIR)
			left_changed(e->path, e->len, "its mode, owner, times "
			    "and attributes could not be set: %s",
			    strerror(errno));
		return;
	}
	set_large_xattrs(m, e, &t);
	meta_set(&e->meta, &t);
	if (!t.path_only)
		meta_flags(&e->meta, t.fd, UINT32_MAX, 1);
	close(t.fd);
}

/* Flags that forbid changes; the file must be the one that was made. */
static void
finish_file(struct maker *m, const struct item *e)
{
	struct making mk;
	struct stat st;
	int fd;

	mk.parent = target_parent(m->target, e->path, &mk.base);
	if (mk.parent < 0 || fstatat(mk.parent, mk.base, &st,
	    AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_mtim.tv_sec != e->meta.times[1].tv_sec ||
	    st.st_mtim.tv_nsec != e->meta.times[1].tv_nsec)
		return;
	fd = open_existing(&mk, &st);
	if (fd < 0)
		return;
	meta_flags(&e->meta, fd, META_FORBIDDING, 0);
	close(fd);
}

void
make_last(struct maker *m, const struct item *e, int below)
{
	if (e->excluded)
		return;
	if (e->type == 'd')
		finish_directory(m, e, below);
	else if (e->type == 'f')
		finish_file(m, e);
}
