#define _GNU_SOURCE
#include "raw/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "raw/seen.h"

enum {
	/* ancestors further up are closed and found again through ".." */
	OPEN_LEVELS = 64,
	/* directory entries sorted at a time */
	BATCH_FIRST = 256 << 10,
	BATCH_MAX = 8 << 20,
	BATCH_TIGHT = 32 << 10,
	/* names of waiting directories after which batches become small */
	NAMES_SOFT = 8 << 20,
	NAMES_HARD = 16 << 20,
	BUCKETS = 1024,
	/* of getdents64(2), with a name of one byte */
	DIRENT_MIN = 24,
	FOUND_MIN = 16384,
	SMALL_SORT = 48
};

/* A directory that has been opened and is not finished. */
struct level {
	int fd;			/* -1: closed meanwhile */
	int eof;
	size_t path_len;	/* with its slash */
	size_t names, next;	/* its part of the waiting names */
	uint64_t dev, ino;	/* as stat(2) has them */
	uint64_t shown;		/* the device that records have */
	int64_t position;	/* for reading on */
	ssize_t same_bucket;	/* the next ancestor with this hash, or -1 */
};

/* In front of the name of a directory that waits to be entered. */
struct waiting {
	uint64_t dev, ino, shown;	/* as in struct level */
	char taken;			/* it has a record */
};

struct found {
	uint64_t ino;
	uint32_t at;		/* in the batch */
};

/* What walk_tree() keeps to itself. */
struct state {
	struct walk *w;
	struct level *levels;
	size_t depth, levels_size;
	struct buf names;	/* struct waiting, name, NUL; by level */
	char *batch;
	size_t batch_size;
	struct found *found, *scratch;
	size_t found_size;
	ssize_t buckets[BUCKETS];	/* of ancestors by inode number */
	int noatime;
	struct seen_inodes seen;	/* with several links, for meta() */
};

/* What a record needs, from either of the system calls. */
struct facts {
	unsigned int mode;
	uint64_t dev, ino, nlink, size;
	int64_t mtime;
	struct statx all;		/* where meta() is asked for */
};

/* Where asking for attributes may mean asking somebody else again. */
static int
has_server(uint32_t fs_type)
{
	switch (fs_type) {
	case 0x65735546:	/* FUSE */
	case 0x6969:		/* NFS */
	case 0x517b:		/* SMB */
	case 0xff534d42:	/* CIFS */
	case 0xfe534d42:	/* SMB2 */
	case 0x01021997:	/* 9P */
	case 0x5346414f:	/* AFS */
	case 0x00c36400:	/* Ceph */
		return 1;
	default:
		return 0;
	}
}

static int
stat_all(int dir, const char *name, int flags, unsigned int mask,
    struct facts *f)
{
	struct statx *st = &f->all;

	if (statx(dir, name, flags, mask, st) < 0)
		return -1;
	f->mode = st->stx_mode;
	f->dev = dev_number(st->stx_dev_major, st->stx_dev_minor);
	f->ino = st->stx_ino;
	f->nlink = st->stx_nlink;
	f->size = st->stx_size;
	f->mtime = st->stx_mtime.tv_sec;
	return 0;
}

/* fstatat(2) where it can, because it is a few per cent faster. */
static int
stat_entry(const struct walk *w, int dir, const char *name, struct facts *f)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
	    (*name ? 0 : AT_EMPTY_PATH);
	struct stat st;

	/* what the look-up brought is fresh enough */
	if (has_server(w->progress->fs_type))
		return stat_all(dir, name, flags | AT_STATX_DONT_SYNC,
		    w->meta ? STATX_BASIC_STATS | STATX_BTIME : STATX_TYPE |
		    STATX_NLINK | STATX_INO | STATX_SIZE | STATX_MTIME, f);
	if (w->meta)
		return stat_all(dir, name, flags, STATX_BASIC_STATS |
		    STATX_BTIME, f);
	if (fstatat(dir, name, &st, flags) < 0)
		return -1;
	f->mode = st.st_mode;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->nlink = st.st_nlink;
	f->size = (uint64_t)st.st_size;
	f->mtime = st.st_mtime;
	return 0;
}

static int
put_meta(struct state *s, const struct facts *f, uint64_t dev, int dir,
    const char *name)
{
	struct seen_key key;

	if (!s->w->meta)
		return 0;
	/* so many devices that they cannot be kept apart: once too often */
	if (f->nlink > 1 && !S_ISDIR(f->mode) &&
	    seen_inode_key(&s->seen, dev, f->ino, &key) == 0 &&
	    !seen_inode_at(&s->seen, &key, 0))
		return 0;
	return s->w->meta(s->w->arg, dev, &f->all, dir, name);
}

static int
put_entry(struct state *s, const struct facts *f, uint64_t dev,
    size_t path_len, int dir, const char *name)
{
	struct walk *w = s->w;
	struct raw_record rec = {
		.type = raw_letter(f->mode),
		.dev = dev,
		.ino = f->ino,
		.nlink = f->nlink,
		.size = f->size,
		.mtime = f->mtime,
		.path = w->path,
		.path_len = path_len,
	};

	int rc = w->entry(w->arg, &rec);

	return rc ? rc : put_meta(s, f, dev, dir, name);
}

/* The path without the slash that waits for names. */
static int
problem(struct state *s, int err, const char *doing, size_t path_len)
{
	struct walk *w = s->w;

	return w->problem(w->arg, err, doing, w->path, path_len);
}

static void
around(const struct walk *w, enum walk_act act, int before, size_t path_len)
{
	if (w->around)
		w->around(w->arg, act, before, w->path, path_len);
}

static size_t
bucket(uint64_t ino)
{
	return (size_t)(ino * 0x9e3779b97f4a7c15u >> 54) % BUCKETS;
}

/* A damaged file system can contain itself. */
static int
is_ancestor(const struct state *s, uint64_t dev, uint64_t ino)
{
	ssize_t i;

	for (i = s->buckets[bucket(ino)]; i >= 0;
	    i = s->levels[i].same_bucket)
		if (s->levels[i].ino == ino && s->levels[i].dev == dev)
			return 1;
	return 0;
}

static void
push_level(struct state *s, int fd, uint64_t dev, uint64_t ino,
    uint64_t shown, size_t path_len)
{
	struct level *l;
	ssize_t *b = &s->buckets[bucket(ino)];

	if (s->depth == s->levels_size) {
		s->levels_size = s->levels_size ? s->levels_size * 2 : 64;
		s->levels = xrealloc(s->levels,
		    s->levels_size * sizeof *s->levels);
	}
	l = &s->levels[s->depth];
	l->fd = fd;
	l->eof = 0;
	l->path_len = path_len;
	l->names = l->next = s->names.len;
	l->dev = dev;
	l->ino = ino;
	l->shown = shown;
	l->position = 0;
	l->same_bucket = *b;
	*b = (ssize_t)s->depth++;
	/* the root stays open: all others can be found from it */
	if (s->depth > OPEN_LEVELS + 1) {
		l = &s->levels[s->depth - 1 - OPEN_LEVELS];
		if (l->fd >= 0)
			close(l->fd);
		l->fd = -1;
	}
}

static int
open_with(int dir, const char *name, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = flags | O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
		    O_CLOEXEC,
		.resolve = resolve,
	};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
}

static int
open_dir(struct state *s, int dir, const char *name, uint64_t resolve)
{
	int fd = open_with(dir, name, s->noatime ? O_NOATIME : 0, resolve);

	if (fd < 0 && errno == EPERM && s->noatime) {
		/* only owners may; most likely nothing here is ours */
		s->noatime = 0;
		fd = open_with(dir, name, 0, resolve);
	}
	return fd;
}

/* The directory at name, EXDEV: another file system is mounted there. */
static int
open_child(struct state *s, int dir, const char *name)
{
	return open_dir(s, dir, name, s->w->cross ? 0 : RESOLVE_NO_XDEV);
}

/* 0 if fd is the directory that the top level was; closes it if not. */
static int
adopt(struct state *s, int fd)
{
	struct level *l = &s->levels[s->depth - 1];
	struct facts f;

	if (fd < 0)
		return -1;
	if (stat_entry(s->w, fd, "", &f) < 0)
		goto fail;
	if (f.ino != l->ino || f.dev != l->dev) {
		errno = ESTALE;
		goto fail;
	}
	if (!l->eof && lseek(fd, l->position, SEEK_SET) < 0)
		goto fail;
	l->fd = fd;
	return 0;
fail:
	close(fd);
	return -1;
}

/* The top level's directory again: from its child's, or from the root. */
static int
reopen(struct state *s, int child)
{
	struct level *l = &s->levels[s->depth - 1], *root = s->levels;
	char *slash = s->w->path + l->path_len - 1;
	int fd;

	if (child >= 0 && adopt(s, open_dir(s, child, "..", 0)) == 0)
		return 0;
	*slash = '\0';
	fd = open_beneath(root->fd, s->w->path + root->path_len,
	    O_RDONLY | O_DIRECTORY | (s->noatime ? O_NOATIME : 0), 0);
	*slash = '/';
	return adopt(s, fd);
}

static int
pop_level(struct state *s)
{
	struct level *child = &s->levels[--s->depth], *l;
	int rc = 0;

	s->buckets[bucket(child->ino)] = child->same_bucket;
	s->names.len = child->names;
	if (s->depth > 0) {
		l = &s->levels[s->depth - 1];
		if (l->fd < 0 && reopen(s, child->fd) < 0)
			rc = problem(s, errno, "return to", l->path_len - 1);
	}
	if (child->fd >= 0)
		close(child->fd);
	return rc;
}

/*
 * The device of the records of another device's directory: that of a
 * subvolume does not change from mount to mount.  *skip: a snapshot that
 * nobody wants.
 */
static uint64_t
shown_dev(struct state *s, int dir, const char *name, const struct facts *f,
    int *skip)
{
	struct btrfs_ioctl_get_subvol_info_args info = { 0 };
	struct btrfs_ioctl_ino_lookup_args where = {
		.objectid = BTRFS_FIRST_FREE_OBJECTID,
	};
	uint64_t dev = f->dev;
	int fd;

	*skip = 0;
	if (s->w->progress->fs_type != BTRFS_SUPER_MAGIC)
		return dev;
	fd = open_dir(s, dir, name, RESOLVE_NO_XDEV);
	if (fd >= 0 && ioctl(fd, BTRFS_IOC_INO_LOOKUP, &where) == 0) {
		dev = s->w->dev << 32 | (uint32_t)where.treeid;
		/* some kernels return 1 when it went well */
		if (s->w->no_snapshots &&
		    ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) >= 0) {
			static const uint8_t none[sizeof info.parent_uuid];

			*skip = memcmp(info.parent_uuid, none,
			    sizeof none) != 0;
		}
	}
	if (fd >= 0)
		close(fd);
	return dev;
}

/*
 * ntfs-3g shows what only Windows reads (a compressed system file, a file in
 * the cloud, a deduplicated one) as a link with these words.
 */
static int
omit_reparse_point(struct state *s, const struct level *dir, const char *name,
    const struct facts *f, size_t len)
{
	static const char words[] = "unsupported reparse tag 0x";
	struct raw_omission o = { .dev = f->dev, .ino = f->ino,
		.kind = "reparse_point", .path = s->w->path, .path_len = len };
	char target[64];
	ssize_t n = readlinkat(dir->fd, name, target, sizeof target - 1);
	char *detail;
	int rc;

	if (n < (ssize_t)sizeof words ||
	    memcmp(target, words, sizeof words - 1))
		return 0;
	target[n] = '\0';
	detail = xasprintf("only Windows reads it: reparse tag %s",
	    target + sizeof words - 3);
	o.detail = detail;
	rc = s->w->omitted(s->w->arg, &o);
	free(detail);
	return rc;
}

static int
visit(struct state *s, const struct level *dir, const char *name,
    unsigned char type)
{
	struct walk *w = s->w;
	enum walk_choice choice = WALK_TAKE;
	size_t name_len = strlen(name), len = dir->path_len + name_len;
	struct waiting waiting = { 0 };
	uint64_t dev = dir->shown;
	struct facts f;
	int rc, err, skip = 0;

	if (len > WALK_PATH_ROOM - 1)
		return problem(s, ENAMETOOLONG, "list an entry of",
		    dir->path_len - 1);
	memcpy(w->path + dir->path_len, name, name_len + 1);
	if (len > RAW_PATH_MAX - 1)
		return problem(s, ENAMETOOLONG, "list", len);
	if (w->choose)
		choice = w->choose(w->arg, w->path, len);
	if (choice == WALK_SKIP ||
	    (choice == WALK_PASS && type != DT_DIR && type != DT_UNKNOWN))
		return 0;
	around(w, WALK_STAT, 1, len);
	rc = stat_entry(w, dir->fd, name, &f);
	err = errno;
	around(w, WALK_STAT, 0, len);
	if (rc < 0)
		return problem(s, err, "stat", len);
	if (f.dev != dir->dev)
		dev = S_ISDIR(f.mode) ? shown_dev(s, dir->fd, name, &f, &skip) :
		    f.dev;
	if (choice == WALK_TAKE &&
	    (rc = put_entry(s, &f, dev, len, dir->fd, name)))
		return rc;
	if (S_ISLNK(f.mode) && w->omitted && has_server(w->progress->fs_type) &&
	    (rc = omit_reparse_point(s, dir, name, &f, len)))
		return rc;
	if (!S_ISDIR(f.mode) || skip)
		return 0;
	waiting.dev = f.dev;
	waiting.ino = f.ino;
	waiting.shown = dev;
	waiting.taken = choice == WALK_TAKE;
	buf_put(&s->names, &waiting, sizeof waiting);
	buf_put(&s->names, name, name_len + 1);
	return 0;
}

/* Insertion for the many small directories, else by bytes that differ. */
static struct found *
sort_found(struct state *s, size_t n, uint64_t differing)
{
	struct found *from = s->found, *to = s->scratch, *swap, f;
	size_t i, j, start[256];
	int shift;

	if (n <= SMALL_SORT) {
		for (i = 1; i < n; i++) {
			f = from[i];
			for (j = i; j > 0 && from[j - 1].ino > f.ino; j--)
				from[j] = from[j - 1];
			from[j] = f;
		}
		return from;
	}
	for (shift = 0; shift < 64; shift += 8) {
		size_t sum = 0, count;

		if ((differing >> shift & 0xff) == 0)
			continue;
		memset(start, 0, sizeof start);
		for (i = 0; i < n; i++)
			start[from[i].ino >> shift & 0xff]++;
		for (i = 0; i < 256; i++) {
			count = start[i];
			start[i] = sum;
			sum += count;
		}
		for (i = 0; i < n; i++)
			to[start[from[i].ino >> shift & 0xff]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	return from;
}

static void
reserve_found(struct state *s, size_t n)
{
	if (n <= s->found_size)
		return;
	s->found_size = n < FOUND_MIN ? FOUND_MIN : n;
	free(s->found);
	free(s->scratch);
	s->found = xmalloc(s->found_size * sizeof *s->found);
	s->scratch = xmalloc(s->found_size * sizeof *s->scratch);
}

/* Where nothing keeps a directory from having a name twice but care. */
static int
may_have_twins(uint32_t fs_type)
{
	switch (fs_type) {
	case 0x4d44:		/* FAT */
	case 0x2011bab0:	/* exFAT */
	case 0x9660:		/* ISO 9660 */
	case 0x15013346:	/* UDF */
	case 0x4244:		/* HFS */
	case 0x482b:		/* HFS+ */
	case 0x7366746e:	/* NTFS */
	case 0x65735546:	/* FUSE: what the guest shows, among others */
		return 1;
	default:
		return 0;
	}
}

static int
compare_names(const void *a, const void *b, void *batch)
{
	const struct found *x = a, *y = b;

	return strcmp(((const struct dirent64 *)(const void *)
	    ((char *)batch + x->at))->d_name,
	    ((const struct dirent64 *)(const void *)
	    ((char *)batch + y->at))->d_name);
}

/*
 * Of entries with one name the path leads to the first alone: the others are
 * out of reach.
 */
static int
omit_twins(struct state *s, const struct level *dir, size_t n)
{
	struct raw_omission o = { .kind = "duplicate_name", .detail =
		"its directory has another entry of this name, which cannot "
		"be reached", .path = s->w->path };
	size_t i, len;
	int rc = 0;

	memcpy(s->scratch, s->found, n * sizeof *s->found);
	qsort_r(s->scratch, n, sizeof *s->scratch, compare_names, s->batch);
	for (i = 1; i < n && rc == 0; i++) {
		const struct dirent64 *d = (const void *)(s->batch +
		    s->scratch[i].at);

		len = strlen(d->d_name);
		if (compare_names(&s->scratch[i - 1], &s->scratch[i],
		    s->batch) ||
		    dir->path_len + len > RAW_PATH_MAX)
			continue;
		memcpy(s->w->path + dir->path_len, d->d_name, len + 1);
		o.path_len = dir->path_len + len;
		rc = s->w->omitted(s->w->arg, &o);
	}
	return rc;
}

static int
visit_batch(struct state *s, const struct level *dir, size_t bytes)
{
	const struct dirent64 *d;
	const struct found *f;
	uint64_t differing = 0;
	size_t at, i, n = 0;
	int rc;

	reserve_found(s, bytes / DIRENT_MIN);
	for (at = 0; at < bytes; at += d->d_reclen) {
		d = (const void *)(s->batch + at);
		if (is_dot(d->d_name))
			continue;
		s->found[n].ino = d->d_ino;
		s->found[n].at = (uint32_t)at;
		differing |= s->found[n].ino ^ s->found[0].ino;
		n++;
	}
	if (n > 1 && s->w->omitted &&
	    may_have_twins(s->w->progress->fs_type) &&
	    (rc = omit_twins(s, dir, n)))
		return rc;
	f = sort_found(s, n, differing);
	for (i = 0; i < n; i++) {
		d = (const void *)(s->batch + f[i].at);
		s->w->progress->steps++;
		if ((rc = visit(s, dir, d->d_name, d->d_type)))
			return rc;
	}
	return 0;
}

/* The next entries of the top level, all of them if they fit. */
static int
read_level(struct state *s)
{
	struct level *l = &s->levels[s->depth - 1];
	size_t limit = s->names.len < NAMES_SOFT ? BATCH_MAX :
	    s->names.len < NAMES_HARD ? BATCH_FIRST : BATCH_TIGHT;
	size_t len = 0;
	ssize_t n;
	int rc, err = 0;

	around(s->w, WALK_LIST, 1, l->path_len - 1);
	while (len + BATCH_TIGHT <= limit) {
		if (s->batch_size - len < BATCH_TIGHT) {
			s->batch_size *= 2;
			s->batch = xrealloc(s->batch, s->batch_size);
		}
		n = syscall(SYS_getdents64, l->fd, s->batch + len,
		    (s->batch_size < limit ? s->batch_size : limit) - len);
		if (n <= 0) {
			err = n < 0 ? errno : 0;
			l->eof = 1;
			break;
		}
		s->w->progress->steps++;
		len += (size_t)n;
	}
	around(s->w, WALK_LIST, 0, l->path_len - 1);
	if (!l->eof)
		l->position = lseek(l->fd, 0, SEEK_CUR);
	else if (!err && s->w->listed)
		s->w->listed(s->w->arg, s->w->path, l->path_len - 1);
	rc = visit_batch(s, l, len);
	if (rc == 0 && err)
		rc = problem(s, err, "read", l->path_len - 1);
	return rc;
}

static int
omit_mount(struct state *s, const struct waiting *waiting, size_t path_len)
{
	struct raw_omission o = {
		.dev = waiting->shown,
		.ino = waiting->ino,
		.kind = "mount_point",
		.path = s->w->path,
		.path_len = path_len,
	};

	return s->w->omitted ? s->w->omitted(s->w->arg, &o) : 0;
}

/* The next waiting directory of the top level. */
static int
enter_next(struct state *s)
{
	struct level *l = &s->levels[s->depth - 1];
	struct waiting waiting;
	const char *name = s->names.data + l->next + sizeof waiting;
	size_t name_len = strlen(name), len = l->path_len + name_len;
	int fd, err;

	memcpy(&waiting, s->names.data + l->next, sizeof waiting);
	l->next += sizeof waiting + name_len + 1;
	memcpy(s->w->path + l->path_len, name, name_len + 1);
	around(s->w, WALK_LIST, 1, len);
	fd = open_child(s, l->fd, name);
	err = errno;
	around(s->w, WALK_LIST, 0, len);
	if (fd < 0 && err == EXDEV)
		return waiting.taken ? omit_mount(s, &waiting, len) : 0;
	if (fd < 0)
		return problem(s, err, "open", len);
	if (is_ancestor(s, waiting.dev, waiting.ino)) {
		close(fd);
		return problem(s, ELOOP, "enter", len);
	}
	s->w->path[len] = '/';
	push_level(s, fd, waiting.dev, waiting.ino, waiting.shown, len + 1);
	return 0;
}

static int
step(struct state *s)
{
	struct level *l = &s->levels[s->depth - 1];

	if (l->fd < 0)		/* could not be found again */
		return pop_level(s);
	if (l->next < s->names.len)
		return enter_next(s);
	s->names.len = l->next = l->names;
	if (!l->eof)
		return read_level(s);
	return pop_level(s);
}

static int
open_root(struct state *s, const char *root, struct facts *f)
{
	struct walk *w = s->w;
	size_t len = strlen(root);
	struct statfs fs;
	int fd, rc;

	if (len == 0 || len >= RAW_PATH_MAX) {
		errno = len ? ENAMETOOLONG : ENOENT;
		return -1;
	}
	memcpy(w->path, root, len + 1);
	w->progress->fs_type = 0;
	if (stat_entry(w, AT_FDCWD, root, f) < 0)
		return -1;
	if (!S_ISDIR(f->mode)) {
		errno = S_ISLNK(f->mode) ? ELOOP : ENOTDIR;
		return -1;
	}
	fd = open_dir(s, AT_FDCWD, root, 0);
	if (fd < 0)
		return -1;
	w->dev = f->dev;
	if (fstatfs(fd, &fs) == 0)
		w->progress->fs_type = (uint32_t)fs.f_type;
	rc = put_entry(s, f, f->dev, len, fd, "");
	if (rc) {
		close(fd);
		return rc;
	}
	/* as find: "/" and "x/" bring their slash */
	if (w->path[len - 1] != '/')
		w->path[len++] = '/';
	push_level(s, fd, f->dev, f->ino, f->dev, len);
	return 0;
}

/* A medium that went away must not look like one that was walked. */
static int
still_there(const struct walk *w, const char *root, uint64_t ino)
{
	struct facts f;

	if (stat_entry(w, AT_FDCWD, root, &f) < 0)
		return -1;
	if (f.ino == ino && f.dev == w->dev)
		return 0;
	errno = ESTALE;
	return -1;
}

int
walk_tree(struct walk *w, const char *root)
{
	struct state s = { .w = w, .noatime = 1, .batch_size = BATCH_FIRST };
	struct facts root_facts;
	size_t i;
	int rc, err;

	for (i = 0; i < BUCKETS; i++)
		s.buckets[i] = -1;
	s.batch = xmalloc(s.batch_size);
	seen_inodes_init(&s.seen);
	rc = open_root(&s, root, &root_facts);
	while (rc == 0 && s.depth > 0)
		rc = step(&s);
	if (rc == 0)
		rc = still_there(w, root, root_facts.ino);
	err = errno;
	while (s.depth > 0)
		if (s.levels[--s.depth].fd >= 0)
			close(s.levels[s.depth].fd);
	free(s.levels);
	free(s.batch);
	free(s.found);
	free(s.scratch);
	buf_free(&s.names);
	seen_inodes_free(&s.seen);
	errno = err;
	return rc;
}
