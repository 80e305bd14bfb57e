#define _GNU_SOURCE
#include "sandbox_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "fsutil.h"
#include "mountinfo.h"
#include "raw.h"

enum {
	BLOCK = 64 << 10,	/* of records, before they are sent */
	SIGN_OF_LIFE_S = 1,	/* however few they are */
	SILENCE_S = 60,
	PLACES_MAX = 1 << 22
};

char *
sandbox_socket_name(const char *hash)
{
	return xasprintf("sandbox-%s.sock", hash);
}

/* ---- who asks ---- */

/* What is behind a directory and its slash, or NULL. */
static const char *
below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strncmp(path, dir, len))
		return NULL;
	if (path[len] == '\0')
		return path + len;
	return path[len] == '/' ? path + len + 1 : NULL;
}

static int
take_spot(struct sandbox_spot *spot, const char *real, const char *mounts,
    const struct mountinfo *m)
{
	size_t i;

	for (i = 0; i < m->count; i++) {
		const char *point = m->entries[i].point;
		const char *path = below(real, point);
		const char *hash = below(point, mounts);

		if (strcmp(m->entries[i].source, SANDBOX_SOURCE) || !path ||
		    !hash || mountinfo_top(m, point) != &m->entries[i])
			continue;
		spot->hash = xasprintf("%.*s", (int)strcspn(hash, "/"), hash);
		spot->point = xstrdup(point);
		spot->path = xstrdup(path);
		return 1;
	}
	return 0;
}

int
sandbox_spot_find(struct sandbox_spot *spot, const char *root,
    const char *mount_root)
{
	struct mountinfo m = MOUNTINFO_INIT;
	char *real = realpath(root, NULL);
	char *mounts = realpath(mount_root, NULL);
	int found = 0;

	if (real && mounts && mountinfo_read(&m) == 0)
		found = take_spot(spot, real, mounts, &m);
	mountinfo_free(&m);
	free(real);
	free(mounts);
	return found;
}

void
sandbox_spot_free(struct sandbox_spot *spot)
{
	free(spot->hash);
	free(spot->point);
	free(spot->path);
	memset(spot, 0, sizeof *spot);
}

/* Through the directory's descriptor: an address has 107 bytes. */
static int
connect_to(const char *run_dir, const char *hash)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char *name = sandbox_socket_name(hash);
	int dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;

	if (dir >= 0)
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s", dir,
	    name);
	free(name);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		close(fd);
		fd = -1;
	}
	if (dir >= 0)
		close(dir);
	return fd;
}

static int
ask(int fd, enum sandbox_order_kind kind, const struct sandbox_spot *spot)
{
	struct sandbox_question q = {
		.kind = kind,
		.point_len = (uint32_t)strlen(spot->point),
		.path_len = (uint32_t)strlen(spot->path),
	};

	if (write_all(fd, &q, sizeof q) < 0 ||
	    write_all(fd, spot->point, q.point_len) < 0 ||
	    write_all(fd, spot->path, q.path_len) < 0)
		return -1;
	return 0;
}

static int
malformed(void)
{
	errno = EBADMSG;
	return -1;
}

/* A path of the guest as one of ours, in w->path; its length, or 0. */
static size_t
translate(const struct walk *w, const char *root, const char *path,
    size_t len)
{
	size_t root_len = strlen(root), rest_len;
	const char *rest = raw_relative(path, len, ".", 1, &rest_len);
	int slash;

	if (!rest)
		return 0;
	slash = rest_len > 0 && root_len > 0 && root[root_len - 1] != '/';
	if (root_len + (size_t)slash + rest_len >= WALK_PATH_ROOM)
		return 0;
	memcpy(w->path, root, root_len);
	if (slash)
		w->path[root_len] = '/';
	memcpy(w->path + root_len + slash, rest, rest_len);
	w->path[root_len + (size_t)slash + rest_len] = '\0';
	return root_len + (size_t)slash + rest_len;
}

static int
take_record(struct walk *w, const char *root, const char *bytes,
    size_t len)
{
	struct raw_record rec;
	int is_root;

	if (raw_decode(&rec, bytes, len) < 0)
		return malformed();
	is_root = rec.path_len == 1;
	rec.path_len = translate(w, root, rec.path, rec.path_len);
	rec.path = w->path;
	if (rec.path_len == 0)
		return malformed();
	if (is_root)
		w->dev = rec.dev;
	else if (w->choose &&
	    w->choose(w->arg, rec.path, rec.path_len) != WALK_TAKE)
		return 0;
	return w->entry(w->arg, &rec);
}

static int
take_records(struct walk *w, const char *root, const char *bytes,
    size_t len)
{
	const char *end;
	int rc;

	for (; len > 0; len -= (size_t)(end - bytes), bytes = end) {
		end = memchr(bytes, '\0', len);
		if (!end++)
			return malformed();
		rc = take_record(w, root, bytes, (size_t)(end - bytes));
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
take_problem(struct walk *w, const char *root,
    const struct sandbox_frame *f, const char *bytes)
{
	char doing[sizeof f->doing];
	size_t len = translate(w, root, bytes, f->len);

	memcpy(doing, f->doing, sizeof doing);
	doing[sizeof doing - 1] = '\0';
	if (len == 0 || memchr(bytes, '\0', f->len) || f->err <= 0 ||
	    doing[strspn(doing, "abcdefghijklmnopqrstuvwxyz ")])
		return malformed();
	return w->problem(w->arg, f->err, doing, w->path, len);
}

int
sandbox_walk_frame(struct walk *w, const char *root,
    const struct sandbox_frame *f, const char *bytes)
{
	if (f->kind == SANDBOX_RECORDS)
		return take_records(w, root, bytes, f->len);
	if (f->kind == SANDBOX_PROBLEM)
		return take_problem(w, root, f, bytes);
	return malformed();
}

int
sandbox_walk_listen(struct walk *w, const char *root, int fd)
{
	struct buf bytes = BUF_INIT;
	struct sandbox_frame f;
	int rc;

	do {
		rc = -1;
		errno = ENOTCONN;
		if (read_full(fd, &f, sizeof f) != (ssize_t)sizeof f ||
		    f.len > SANDBOX_FRAME_MAX)
			break;
		buf_reset(&bytes);
		buf_reserve(&bytes, f.len);
		if (read_full(fd, bytes.data, f.len) != (ssize_t)f.len)
			break;
		w->progress->steps++;
		w->progress->fs_type = f.fs_type;
		if (f.kind == SANDBOX_END) {
			errno = f.err;
			rc = f.err ? -1 : 0;
			break;
		}
		rc = sandbox_walk_frame(w, root, &f, bytes.data);
		if (rc < 0 && errno == EBADMSG)
			errno = ENOTCONN;
	} while (rc == 0);
	buf_free(&bytes);
	return rc;
}

int
sandbox_walk(struct walk *w, const char *root,
    const struct sandbox_spot *spot, const char *run_dir)
{
	int fd = connect_to(run_dir, spot->hash), rc = -1, err;

	if (fd >= 0 && ask(fd, SANDBOX_WALK, spot) == 0)
		rc = sandbox_walk_listen(w, root, fd);
	else
		errno = ENOTCONN;
	err = errno;
	if (fd >= 0)
		close(fd);
	errno = err;
	return rc;
}

/* They ascend and do not overlap. */
static int
in_order(const struct fibmap_place *p, size_t count)
{
	uint64_t end = 0;
	size_t i;

	for (i = 0; i < count; i++)
		if (p[i].logical < end || p[i].length == 0 ||
		    p[i].physical > INT64_MAX || p[i].length > INT64_MAX ||
		    __builtin_add_overflow(p[i].logical, p[i].length, &end))
			return 0;
	return 1;
}

static int
take_places(int fd, struct buf *all)
{
	struct sandbox_frame f;

	for (;;) {
		errno = ENOTCONN;
		if (read_full(fd, &f, sizeof f) != (ssize_t)sizeof f)
			return -1;
		if (f.kind == SANDBOX_END) {
			errno = f.err;
			return f.err ? -1 : 0;
		}
		if (f.kind != SANDBOX_PLACE || f.len > SANDBOX_FRAME_MAX ||
		    f.len % sizeof(struct fibmap_place) ||
		    all->len / sizeof(struct fibmap_place) > PLACES_MAX)
			return malformed();
		buf_reserve(all, f.len);
		if (read_full(fd, all->data + all->len, f.len) !=
		    (ssize_t)f.len)
			return -1;
		all->len += f.len;
	}
}

int
sandbox_places(const struct sandbox_spot *spot, const char *run_dir,
    struct fibmap_place **places, size_t *count)
{
	struct timeval limit = { .tv_sec = SILENCE_S };
	int fd = connect_to(run_dir, spot->hash), rc = -1, err;
	struct buf all = BUF_INIT;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
	    sizeof limit) == 0 && ask(fd, SANDBOX_PLACES, spot) == 0)
		rc = take_places(fd, &all);
	*count = all.len / sizeof **places;
	*places = xcalloc(*count + 1, sizeof **places);
	if (all.len)
		memcpy(*places, all.data, all.len);
	if (rc == 0 && !in_order(*places, *count))
		rc = malformed();
	err = errno;
	if (rc < 0) {
		free(*places);
		*places = NULL;
	}
	buf_free(&all);
	if (fd >= 0)
		close(fd);
	errno = err;
	return rc;
}

/* ---- the walker in the guest ---- */

struct walker {
	int fd;
	struct walk_progress progress;
	struct buf records;
	time_t sent;
};

static int
send_frame(struct walker *k, uint32_t kind, int err, const char *doing,
    const void *bytes, size_t len)
{
	struct sandbox_frame f = { .kind = kind, .len = (uint32_t)len,
		.err = err, .fs_type = k->progress.fs_type };

	strncpy(f.doing, doing, sizeof f.doing - 1);
	k->sent = time(NULL);
	if (write_all(k->fd, &f, sizeof f) < 0)
		return -1;
	return write_all(k->fd, bytes, len);
}

static int
send_records(struct walker *k)
{
	int rc = k->records.len == 0 ? 0 : send_frame(k, SANDBOX_RECORDS, 0,
	    "", k->records.data, k->records.len);

	buf_reset(&k->records);
	return rc;
}

static int
found(void *arg, const struct raw_record *rec)
{
	struct walker *k = arg;

	buf_reserve(&k->records, RAW_HEAD_MAX + rec->path_len + 1);
	k->records.len += raw_encode(k->records.data + k->records.len, rec);
	if (k->records.len < BLOCK && time(NULL) < k->sent + SIGN_OF_LIFE_S)
		return 0;
	return send_records(k);
}

static int
missing(void *arg, int err, const char *doing, const char *path, size_t len)
{
	struct walker *k = arg;

	if (send_records(k) < 0)
		return -1;
	return send_frame(k, SANDBOX_PROBLEM, err, doing, path, len);
}

/* Below ".", so that nobody needs to know where it is mounted here. */
static int
obey(struct walker *k, char *room, const char *dir)
{
	struct walk w = { .path = room, .arg = k, .entry = found,
		.problem = missing, .progress = &k->progress };
	int err = 0;

	k->progress.fs_type = 0;
	k->sent = time(NULL);
	if (chdir(dir) < 0 || walk_tree(&w, ".") != 0)
		err = errno;
	if (send_records(k) < 0)
		return -1;
	return send_frame(k, SANDBOX_END, err, "", "", 0);
}

static int
send_places(void *arg, const struct fibmap_place *places, size_t n)
{
	return send_frame(arg, SANDBOX_PLACE, 0, "", (const char *)places,
	    n * sizeof *places);
}

static int
tell_places(struct walker *k, const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int err = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		err = errno;
	else if (!S_ISREG(st.st_mode))
		err = ENOTSUP;
	else if (fibmap_walk(fd, (uint64_t)st.st_size, send_places, k) < 0)
		err = errno;
	if (fd >= 0)
		close(fd);
	return send_frame(k, SANDBOX_END, err, "", "", 0);
}

void
sandbox_walk_serve(int fd, const char *dir)
{
	struct walker k = { .fd = fd, .records = BUF_INIT };
	char *room = xmalloc(WALK_PATH_ROOM), *path, *root;
	struct sandbox_order o;
	int rc = 0;

	while (rc == 0 && read_full(fd, &o, sizeof o) == (ssize_t)sizeof o &&
	    o.path_len <= RAW_PATH_MAX) {
		path = xcalloc(o.path_len + 1, 1);
		rc = read_full(fd, path, o.path_len) != (ssize_t)o.path_len;
		root = xasprintf("%s/%u%s%s", dir, o.volume,
		    *path ? "/" : "", path);
		if (rc == 0)
			rc = o.kind == SANDBOX_PLACES ? tell_places(&k, root) :
			    obey(&k, room, root);
		free(root);
		free(path);
	}
	free(room);
	buf_free(&k.records);
}
