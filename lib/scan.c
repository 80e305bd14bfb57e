#define _GNU_SOURCE
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "diag.h"
#include "fsutil.h"
#include "raw.h"
#include "sandbox_walk.h"

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

static int
put(void *arg, const struct raw_record *rec)
{
	struct scanner *c = arg;

	if (c->len + RAW_HEAD_MAX + rec->path_len + 1 > SCAN_BLOCK &&
	    send_block(c) < 0)
		return -1;
	c->len += raw_encode(c->status->blocks[c->block] + c->len, rec);
	c->records++;
	c->status->records++;
	return 0;
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

	if (len == 0) {
		path = "/";
		len = 1;
	}
	if (is_fatal(err))
		fail(c, err, "could not %s %s: %m", doing,
		    quoted_bytes(path, len));
	strncpy(f.doing, doing, sizeof f.doing - 1);
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

static void
walk_one(struct scanner *c, const char *root, const char *name)
{
	struct scan_frame f = { .kind = SCAN_PARTITION };
	struct walk w = {
		.path = c->status->path, .arg = c, .entry = put,
		.problem = problem, .progress = &c->status->walk,
	};

	struct sandbox_spot spot;
	int rc;

	if (c->o->patterns || c->skip_partitions)
		w.choose = choose;
	if (sandbox_spot_find(&spot, root, c->o->mount_root)) {
		rc = sandbox_walk(&w, root, &spot, c->o->run_dir);
		sandbox_spot_free(&spot);
	} else {
		rc = walk_tree(&w, root);
	}
	if (rc != 0)
		root_failed(c, root, *name != '\0');
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
