#define _GNU_SOURCE
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fileflags.h"
#include "base/fsutil.h"
#include "base/xattrs.h"
#include "raw/raw.h"
#include "failing.h"
#include "owners.h"

enum {
	/* a path that is not UTF-8 quadruples in a message, at most */
	FRAME_MAX = 8 * RAW_PATH_MAX,
	STOP_MS = 2000,
	/* the child's descriptors */
	FRAMES_FD = 3,
	CREDIT_FD = 4
};

/* The child's side. */
struct scanner {
	const struct scan_options *o;
	struct scan_status *status;
	int credits;			/* blocks that are free to fill */
	uint32_t block;
	size_t len;			/* of what is in block */
	uint64_t records;
	size_t root_len;		/* of o->root without slashes */
	char **partitions;		/* NULL-terminated names */
	int skip_partitions;
	uint64_t next_ino;		/* of carved files */
	struct buf meta;
	struct owners owners;		/* of what is walked */
	struct xattrs xattrs;
	/* the volume that is walked */
	const char *volume_root;
	const struct scan_volume *volume;	/* NULL: nothing is known */
	struct failing *failing;		/* NULL: it has no such view */
};

static int
send_frame(struct scan_frame *f, const void *bytes, size_t len)
{
	f->len = (uint32_t)len;
	f->bytes = NULL;
	if (write_all(FRAMES_FD, f, sizeof *f) < 0 ||
	    write_all(FRAMES_FD, bytes, len) < 0)
		return -1;
	return 0;
}

/* The block goes to the parent, and the next one is ours. */
static int
send_block(struct scanner *c)
{
	struct scan_frame f = {
		.kind = SCAN_RECORDS, .block = c->block,
		.records = c->records,
	};
	char credit;

	if (c->len == 0)
		return 0;
	f.len = (uint32_t)c->len;
	if (write_all(FRAMES_FD, &f, sizeof f) < 0)
		return -1;
	c->len = 0;
	c->records = 0;
	c->block = (c->block + 1) % SCAN_BLOCKS;
	if (--c->credits > 0)
		return 0;
	if (read_full(CREDIT_FD, &credit, 1) != 1)
		return -1;
	c->credits++;
	return 0;
}

static void __attribute__((noreturn, format(printf, 3, 4)))
fail(struct scanner *c, int err, const char *fmt, ...)
{
	struct scan_frame f = { .kind = SCAN_FAILED, .err = err };
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	errno = err;
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	send_block(c);
	send_frame(&f, text.data, text.len);
	_exit(1);
}

/*
 * Among the records, so that whoever loads the list learns what it lacks.  An
 * omission is no entry, and does not count as one.
 */
static int
put_omission(void *arg, const struct raw_omission *o)
{
	struct scanner *c = arg;
	struct buf b = BUF_INIT;
	int rc = 0;

	raw_encode_omission(&b, o);
	if (c->len + b.len > SCAN_BLOCK)
		rc = send_block(c);
	if (rc == 0) {
		memcpy(c->status->blocks[c->block] + c->len, b.data, b.len);
		c->len += b.len;
		c->status->omissions++;
	}
	buf_free(&b);
	return rc;
}

/* And a word about it. */
static int
omit(struct scanner *c, const struct raw_omission *o)
{
	struct scan_frame f = { .kind = SCAN_OMISSION, .err = o->err };
	struct buf text = BUF_INIT;
	int rc;

	buf_printf(&text, "%s: %s", quoted_bytes(o->path, o->path_len),
	    o->detail);
	rc = put_omission(c, o) < 0 ? -1 : send_frame(&f, text.data,
	    text.len);
	buf_free(&text);
	return rc;
}

/* Mount points need no word each. */
static int
walk_omitted(void *arg, const struct raw_omission *o)
{
	return o->detail ? omit(arg, o) : put_omission(arg, o);
}

static void
put_time(struct buf *b, const char *key, struct statx_timestamp t)
{
	raw_meta_time(b, key, t.tv_sec, t.tv_nsec);
}

static void
put_owner(struct buf *b, const char *key, const char *name)
{
	if (name)
		raw_meta_put(b, key, name, strlen(name));
}

static int
omit_xattr(struct scanner *c, uint64_t dev, const struct statx *st,
    const char *name, int err)
{
	struct raw_omission o = { .dev = dev, .ino = st->stx_ino,
		.kind = "xattr_unread", .err = err, .path = c->status->path,
		.path_len = strlen(c->status->path) };
	char *detail = xasprintf("could not read its extended attribute%s%s: "
	    "%s", name ? " " : "s", name ? name : "", strerror(err));
	int rc;

	o.detail = detail;
	rc = omit(c, &o);
	free(detail);
	return rc;
}

/*
 * By its name, because neither links nor devices can be opened for it.  What
 * could not be read is said behind the record.
 */
static int
put_xattrs(struct scanner *c, uint64_t dev, const struct statx *st, int dir,
    const char *name)
{
	char place[32], *path, *key;
	struct xattrs *x = &c->xattrs;
	struct buf *b = &c->meta;
	int rc, got, err = 0;

	snprintf(place, sizeof place, "/proc/self/fd/%d", dir);
	path = path_join(place, *name ? name : ".");
	rc = xattrs_list(x, -1, path);
	if (rc < 0) {
		err = errno;
		x->name = NULL;
	}
	while (rc == 0 && (got = xattrs_next(x)) != 0) {
		key = xasprintf("xattr:%s", x->name);
		if (got > 0 && b->len + 3 * (strlen(key) + x->value.len) + 2 >
		    RAW_META_MAX) {
			got = -1;
			errno = E2BIG;
		}
		if (got > 0)
			raw_meta_put(b, key, x->value.data, x->value.len);
		else
			rc = omit_xattr(c, dev, st, x->name, errno);
		free(key);
	}
	free(path);
	return err ? omit_xattr(c, dev, st, NULL, err) : rc;
}

/*
 * statx(2) shows only some of the flags.  Nobody else opens a directory later,
 * as ntt-copier opens files.
 */
static void
put_flags(struct scanner *c, int dir, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = c->o->cross ? 0 : RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, dir, *name ? name : ".", &how,
	    sizeof how);
	unsigned int flags;
	char hex[16];

	if (fd < 0)	/* the walk says so when it enters the directory */
		return;
	flags = fileflags(fd, c->status->walk.fs_type);
	close(fd);
	snprintf(hex, sizeof hex, "%x", flags);
	if (flags)
		raw_meta_put(&c->meta, "flags", hex, strlen(hex));
}

static int
put_meta(void *arg, uint64_t dev, const struct statx *st, int dir,
    const char *name)
{
	struct scanner *c = arg;
	struct buf *b = &c->meta;

	buf_reset(b);
	raw_meta_begin(b, dev, st->stx_ino);
	raw_meta_octal(b, "mode", st->stx_mode & 07777u);
	raw_meta_number(b, "uid", st->stx_uid);
	raw_meta_number(b, "gid", st->stx_gid);
	put_owner(b, "user", owners_user(&c->owners, st->stx_uid));
	put_owner(b, "group", owners_group(&c->owners, st->stx_gid));
	put_time(b, "mtime", st->stx_mtime);
	put_time(b, "atime", st->stx_atime);
	put_time(b, "ctime", st->stx_ctime);
	if (st->stx_mask & STATX_BTIME)
		put_time(b, "btime", st->stx_btime);
	if (S_ISBLK(st->stx_mode) || S_ISCHR(st->stx_mode)) {
		char rdev[32];

		snprintf(rdev, sizeof rdev, "%u:%u", st->stx_rdev_major,
		    st->stx_rdev_minor);
		raw_meta_put(b, "rdev", rdev, strlen(rdev));
	}
	raw_meta_number(b, "blocks", st->stx_blocks);
	if (st->stx_attributes) {
		char attr[32];

		snprintf(attr, sizeof attr, "%llx",
		    (unsigned long long)st->stx_attributes);
		raw_meta_put(b, "attr", attr, strlen(attr));
	}
	if (S_ISDIR(st->stx_mode))
		put_flags(c, dir, name);
	if (!S_ISREG(st->stx_mode) && put_xattrs(c, dev, st, dir, name) < 0)
		return -1;
	raw_meta_end(b);
	if (c->len + b->len > SCAN_BLOCK && send_block(c) < 0)
		return -1;
	memcpy(c->status->blocks[c->block] + c->len, b->data, b->len);
	c->len += b->len;
	return 0;
}

/* What the whole volume lacks, behind the record of its root. */
static int
omit_of_volume(struct scanner *c, const struct raw_record *rec)
{
	const struct scan_volume *v = c->volume;
	struct raw_omission o = { .dev = rec->dev, .ino = rec->ino,
		.path = rec->path, .path_len = rec->path_len };
	char *detail;
	int rc = 0;

	if (v->cut) {
		o.kind = "truncated";
		o.detail = v->cut;
		rc = omit(c, &o);
	}
	if (rc == 0 && v->lost && !c->failing) {
		detail = xasprintf("its structure is damaged, and what is "
		    "missing cannot be told: where reading fails it cannot "
		    "be mounted%s%s", v->failing_reason ? ": " : "",
		    v->failing_reason ? v->failing_reason : "");
		o.kind = "structure_damaged";
		o.detail = detail;
		rc = omit(c, &o);
		free(detail);
	}
	return rc;
}

/* What the failing view said of an entry. */
static int
omit_of_entry(struct scanner *c, const struct raw_record *rec,
    const char *below, size_t len)
{
	unsigned int marks = failing_marks(c->failing, below, len);
	struct raw_omission o = { .dev = rec->dev, .ino = rec->ino,
		.err = EIO, .path = rec->path, .path_len = rec->path_len };
	int rc = 0;

	if (marks & FAILING_INODE) {
		o.kind = "inode_damaged";
		o.detail = "its inode lies where nothing was rescued";
		rc = omit(c, &o);
	}
	if (rc == 0 && rec->type == 'd' &&
	    (marks & FAILING_GAPS || !(marks & FAILING_LISTED))) {
		o.kind = "names_may_be_missing";
		o.detail = "names may be missing in it: a part was not rescued";
		rc = omit(c, &o);
	}
	return rc;
}

static int
put(void *arg, const struct raw_record *rec)
{
	struct scanner *c = arg;
	const char *below = rec->path;
	size_t len = rec->path_len;

	if (c->len + RAW_HEAD_MAX + rec->path_len + 1 > SCAN_BLOCK &&
	    send_block(c) < 0)
		return -1;
	c->len += raw_encode(c->status->blocks[c->block] + c->len, rec);
	c->records++;
	c->status->records++;
	if (!c->volume)
		return 0;
	below = raw_relative(rec->path, rec->path_len, c->volume_root,
	    strlen(c->volume_root), &len);
	if (len == 0 && omit_of_volume(c, rec) < 0)
		return -1;
	return c->failing ? omit_of_entry(c, rec, below, len) : 0;
}

static const char *
omission_kind(const char *doing)
{
	if (!strcmp(doing, "stat"))
		return "unreadable_entry";
	if (!strncmp(doing, "list", 4))
		return "name_too_long";
	return strcmp(doing, "enter") ? "unreadable_directory" :
	    "entered_before";
}

/* Nothing below will work either: no medium, or no machine to read it. */
static int
is_fatal(int err)
{
	return err == ENOTCONN || err == ENODEV || err == ENXIO ||
	    err == ESHUTDOWN || err == EMFILE || err == ENFILE ||
	    err == ENOMEM;
}

static int
problem(void *arg, int err, const char *doing, const char *path, size_t len)
{
	struct scanner *c = arg;
	struct scan_frame f = { .kind = SCAN_PROBLEM, .err = err };
	struct raw_omission o = {
		.kind = omission_kind(doing), .err = err, .path = path,
		.path_len = len,
	};

	if (len == 0) {
		path = o.path = "/";
		len = o.path_len = 1;
	}
	if (len > RAW_PATH_MAX)
		o.path_len = RAW_PATH_MAX;
	if (is_fatal(err))
		fail(c, err, "could not %s %s: %m", doing,
		    quoted_bytes(path, len));
	strncpy(f.doing, doing, sizeof f.doing - 1);
	if (put_omission(c, &o) < 0)
		return -1;
	return send_frame(&f, path, len);
}

/* The path behind the root's and its slash. */
static const char *
relative(const struct scanner *c, const char *path, size_t *len)
{
	size_t skip = c->root_len;

	while (skip < *len && path[skip] == '/')
		skip++;
	*len -= skip;
	return path + skip;
}

static int
is_partition(const struct scanner *c, const char *name)
{
	char **p;

	for (p = c->partitions; p && *p; p++)
		if (!strcmp(*p, name))
			return 1;
	return 0;
}

static enum walk_choice
choose(void *arg, const char *path, size_t len)
{
	struct scanner *c = arg;
	const char *name = relative(c, path, &len);

	if (c->skip_partitions && is_partition(c, name))
		return WALK_SKIP;
	if (c->o->patterns && pattern_match(c->o->patterns, name, len) >= 0)
		return WALK_PASS;
	return WALK_TAKE;
}

static int
by_number(const void *a, const void *b)
{
	unsigned long x = strtoul(*(char *const *)a + 1, NULL, 10);
	unsigned long y = strtoul(*(char *const *)b + 1, NULL, 10);

	return x < y ? -1 : x > y;
}

static int
is_partition_name(const char *name)
{
	size_t digits = name[0] == 'p' ? strspn(name + 1, "0123456789") : 0;

	return digits > 0 && digits <= 9 && name[1] != '0' &&
	    name[1 + digits] == '\0';
}

static int
is_mount(int dir, const char *name)
{
	struct statx st;

	return statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
	    (*name ? 0 : AT_EMPTY_PATH), STATX_TYPE, &st) == 0 &&
	    S_ISDIR(st.stx_mode) &&
	    (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int
is_empty_dir(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		return 0;
	while (n < 3 && readdir(d))
		n++;
	closedir(d);
	return n < 3;
}

/*
 * What ntt-mount-helper mounted at HASH: either the base or pN, never both.
 * Empty pN with nothing mounted anywhere mean that the mounts are gone.
 */
static void
find_partitions(struct scanner *c)
{
	DIR *d = opendir(c->o->root);
	const struct dirent *e;
	size_t n = 0, gone = 0, others = 0;
	int base;

	if (!d)
		return;		/* walk_tree() will say it better */
	base = is_mount(dirfd(d), "");
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (!is_partition_name(e->d_name)) {
			others++;
		} else if (is_mount(dirfd(d), e->d_name)) {
			c->partitions = xrealloc(c->partitions,
			    (n + 2) * sizeof *c->partitions);
			c->partitions[n++] = xstrdup(e->d_name);
			c->partitions[n] = NULL;
		} else if (is_empty_dir(dirfd(d), e->d_name)) {
			gone++;
		} else {
			others++;
		}
	}
	closedir(d);
	if (base && n)
		fail(c, 0, "cannot enumerate %s: both the medium and its "
		    "partitions are mounted there", quoted(c->o->root));
	if (!base && !n && gone && !others)
		fail(c, 0, "cannot enumerate %s: its partitions are not "
		    "mounted", quoted(c->o->root));
	if (n)
		qsort(c->partitions, n, sizeof *c->partitions, by_number);
}

static int
is_mounted_medium(const struct scan_options *o)
{
	char *root = path_absolute(o->root);
	char *base = path_absolute(o->mount_root);
	char *expected = path_join(base, o->medium);
	int same = !strcmp(root, expected);

	free(root);
	free(base);
	free(expected);
	return same;
}

/* One partition that cannot be read does not stop the others. */
static void
root_failed(struct scanner *c, const char *root, int partition)
{
	int err = errno;

	if (partition && !is_fatal(err)) {
		if (problem(c, err, "enumerate", root, strlen(root)) < 0)
			_exit(1);
		return;
	}
	if (err == ELOOP)
		fail(c, 0, "cannot enumerate %s: it is a symbolic link; with "
		    "a slash at its end the directory it points to is "
		    "enumerated", quoted(root));
	fail(c, err, "could not enumerate %s: %m", quoted(root));
}

/* The failing view first: what it says goes behind the records. */
static void
begin_volume(struct scanner *c, const char *root, const char *name)
{
	const struct scan_volume *v;
	size_t i;

	c->volume = NULL;
	c->volume_root = root;
	for (i = 0; i < c->o->volume_count; i++) {
		v = &c->o->volumes[i];
		if (!strcmp(v->name, name) && (v->lost || v->cut))
			c->volume = v;
	}
	if (c->volume && c->volume->failing && c->o->refused)
		c->failing = failing_walk(c->volume->failing, c->o->refused,
		    &c->status->walk, c->status->path);
}

/* An entry that only the failing view has, as if the volume had it. */
static int
put_other(void *arg, const struct raw_record *rec)
{
	struct scanner *c = arg;
	struct raw_record other = *rec;
	size_t len;
	const char *below = raw_relative(rec->path, rec->path_len,
	    c->volume->failing, strlen(c->volume->failing), &len);
	char *path = path_join(c->volume_root, below);
	int rc = 0;

	other.path = path;
	other.path_len = strlen(path);
	if (c->skip_partitions || !c->o->patterns ||
	    choose(c, path, strlen(path)) == WALK_TAKE)
		rc = put(c, &other);
	free(path);
	return rc;
}

static void
walk_one(struct scanner *c, const char *root, const char *name)
{
	struct scan_frame f = { .kind = SCAN_PARTITION };
	struct walk w = {
		.path = c->status->path, .arg = c, .entry = put,
		.problem = problem, .omitted = walk_omitted,
		.cross = c->o->cross, .no_snapshots = c->o->no_snapshots,
		.meta = c->o->meta ? put_meta : NULL,
		.progress = &c->status->walk,
	};

	if (c->o->patterns || c->skip_partitions)
		w.choose = choose;
	begin_volume(c, root, name);
	if (c->o->meta)
		owners_open(&c->owners, root, is_mounted_medium(c->o));
	if (walk_tree(&w, root) != 0)
		root_failed(c, root, *name != '\0');
	if (c->failing && failing_others(c->failing, put_other, c) != 0)
		_exit(1);
	failing_free(c->failing);
	c->failing = NULL;
	owners_close(&c->owners);
	if (send_block(c) < 0)
		_exit(1);
	f.dev = w.dev;
	f.fs_type = c->status->walk.fs_type;
	if (send_frame(&f, name, strlen(name)) < 0)
		_exit(1);
}

static void
walk_all(struct scanner *c)
{
	char **p, *path;

	if (is_mounted_medium(c->o))
		find_partitions(c);
	c->skip_partitions = c->partitions != NULL;
	walk_one(c, c->o->root, "");
	c->skip_partitions = 0;
	for (p = c->partitions; p && *p; p++) {
		path = path_join(c->o->root, *p);
		walk_one(c, path, *p);
		free(path);
	}
}

static int
by_version(const FTSENT **a, const FTSENT **b)
{
	return strverscmp((*a)->fts_name, (*b)->fts_name);
}

static int
is_carved_dir(const char *name)
{
	return fnmatch("carved.*", name, 0) == 0 ||
	    fnmatch("recup_dir.*", name, 0) == 0;
}

/* HASH/dir/file with a running number: PhotoRec's inodes mean nothing. */
static void
put_carved(struct scanner *c, const FTSENT *e, const char *under)
{
	char *path = xasprintf("%s/%s", c->o->medium, under);
	struct raw_record rec = {
		.type = S_ISREG(e->fts_statp->st_mode) ? 'f' :
		    S_ISLNK(e->fts_statp->st_mode) ? 'l' : 'U',
		.dev = 1,
		.ino = c->next_ino,
		.nlink = 1,
		.size = (uint64_t)e->fts_statp->st_size,
		.mtime = e->fts_statp->st_mtime,
		.path = path,
		.path_len = strlen(path),
	};
	int dropped = c->o->patterns && pattern_match(c->o->patterns, under,
	    strlen(under)) >= 0;

	/* the same number for the same file, whatever the patterns */
	c->next_ino++;
	if (!dropped && put(c, &rec) != 0)
		_exit(1);
	free(path);
}

static void
visit_carved(struct scanner *c, FTS *fts, FTSENT *e)
{
	size_t len = e->fts_pathlen;
	const char *under = relative(c, e->fts_path, &len);

	c->status->walk.steps++;
	switch (e->fts_info) {
	case FTS_D:
		if (e->fts_level == 1 && !is_carved_dir(e->fts_name))
			fts_set(fts, e, FTS_SKIP);
		break;
	case FTS_DP:
		break;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		if (problem(c, e->fts_errno, "read", e->fts_path,
		    e->fts_pathlen) < 0)
			_exit(1);
		break;
	case FTS_DC:
		if (problem(c, ELOOP, "enter", e->fts_path,
		    e->fts_pathlen) < 0)
			_exit(1);
		break;
	default:
		if (e->fts_level > 1)
			put_carved(c, e, under);
	}
}

static void
walk_carved(struct scanner *c)
{
	char *root = xstrdup(c->o->root);
	char *paths[] = { root, NULL };
	struct stat st;
	FTS *fts;
	FTSENT *e;

	if (stat(root, &st) < 0)
		fail(c, errno, "could not enumerate %s: %m", quoted(root));
	if (!S_ISDIR(st.st_mode))
		fail(c, ENOTDIR, "could not enumerate %s: %m", quoted(root));
	c->next_ino = 1;
	fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR,
	    by_version);
	if (!fts)
		fail(c, errno, "could not enumerate %s: %m", quoted(root));
	while ((e = fts_read(fts)))
		visit_carved(c, fts, e);
	if (errno)
		fail(c, errno, "could not enumerate %s: %m", quoted(root));
	fts_close(fts);
	free(root);
	if (send_block(c) < 0)
		_exit(1);
}

static void
send_hits(struct scanner *c)
{
	struct scan_frame f = { .kind = SCAN_HITS };
	size_t i, n = c->o->patterns ? pattern_count(c->o->patterns) : 0;
	uint64_t *hits = xcalloc(n + 1, sizeof *hits);

	for (i = 0; i < n; i++)
		hits[i] = pattern_hits(c->o->patterns, i);
	if (send_frame(&f, hits, n * sizeof *hits) < 0)
		_exit(1);
	free(hits);
}

/* Two pipes and the medium: nobody waits for anything else of ours. */
static void
drop_everything(int frames, int credit, pid_t parent)
{
	int null = open("/dev/null", O_RDWR);
	/* above all that is replaced below */
	int high = fcntl(credit, F_DUPFD, CREDIT_FD + 1);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || high < 0)
		_exit(1);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	dup2(frames, FRAMES_FD);
	dup2(high, CREDIT_FD);
	close_range(CREDIT_FD + 1, ~0u, 0);
}

static void __attribute__((noreturn))
child(const struct scan_options *o, struct scan_status *status)
{
	struct scanner c = {
		.o = o, .status = status, .credits = SCAN_BLOCKS,
	};
	struct scan_frame done = { .kind = SCAN_DONE };

	c.root_len = strlen(o->root);
	while (c.root_len > 0 && o->root[c.root_len - 1] == '/')
		c.root_len--;
	if (o->carved)
		walk_carved(&c);
	else
		walk_all(&c);
	send_hits(&c);
	send_frame(&done, "", 0);
	_exit(0);
}

int
scan_start(struct scan *s, const struct scan_options *options)
{
	pid_t parent = getpid();
	int frames[2], credit[2], err;

	memset(s, 0, sizeof *s);
	s->fd = s->credit = -1;
	s->status = mmap(NULL, sizeof *s->status, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->status == MAP_FAILED || pipe2(frames, O_CLOEXEC) < 0)
		return -1;
	s->fd = frames[0];
	if (pipe2(credit, O_CLOEXEC) < 0) {
		close(frames[1]);
		return -1;
	}
	s->credit = credit[1];
	s->pid = fork();
	if (s->pid == 0) {
		drop_everything(frames[1], credit[0], parent);
		child(options, s->status);
	}
	err = errno;
	close(frames[1]);
	close(credit[0]);
	s->buf = xmalloc(FRAME_MAX);
	errno = err;
	return s->pid < 0 ? -1 : 0;
}

/* The block that was looked at may be filled again. */
static void
pay(struct scan *s)
{
	if (s->owed && write(s->credit, "", 1) < 0) {
		/* a child that has gone needs none */
	}
	s->owed = 0;
}

/* 1, 0 at the end of the pipe, -1 with errno. */
static int
receive(int fd, void *bytes, size_t len)
{
	ssize_t n = read_full(fd, bytes, len);

	return n < 0 ? -1 : (size_t)n == len;
}

int
scan_next(struct scan *s, struct scan_frame *frame, int timeout_ms)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	int rc;

	pay(s);
	rc = poll(&p, 1, timeout_ms);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	rc = receive(s->fd, frame, sizeof *frame);
	if (rc <= 0)
		return rc;
	if (frame->kind == SCAN_RECORDS) {
		frame->bytes = s->status->blocks[frame->block % SCAN_BLOCKS];
		s->owed = 1;
		return 1;
	}
	if (frame->len > FRAME_MAX) {
		errno = EPROTO;
		return -1;
	}
	frame->bytes = s->buf;
	return receive(s->fd, s->buf, frame->len);
}

int
scan_stop(struct scan *s, int *status)
{
	struct timespec nap = { .tv_nsec = 10000000 };
	int waited, dummy;
	pid_t pid = 0;

	if (!status)
		status = &dummy;
	*status = 0;
	if (s->fd >= 0)
		close(s->fd);
	if (s->credit >= 0)
		close(s->credit);
	s->fd = s->credit = -1;
	free(s->buf);
	s->buf = NULL;
	if (s->pid <= 0)
		return 0;
	kill(s->pid, SIGKILL);
	for (waited = 0; waited < STOP_MS; waited += 10) {
		pid = waitpid(s->pid, status, WNOHANG);
		if (pid != 0 && !(pid < 0 && errno == EINTR))
			break;
		nanosleep(&nap, NULL);
	}
	if (pid == 0) {
		errno = EBUSY;
		return -1;
	}
	s->pid = 0;
	return 0;
}
