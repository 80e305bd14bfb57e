#define _GNU_SOURCE
#include "keep/depot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/sig.h"
#include "base/tempfile.h"
#include "catalogue/db.h"
#include "catalogue/store_mark.h"
#include "sql/statements.h"

/* ---- marks ---- */

enum { MARK_MAX = 4096 };

static const char first_line[] = "NTT store\n";

/* The word after "label " of a line: its length is at most max. */
static int
word_after(const char *text, const char *label, char *to, size_t max)
{
	const char *at = strstr(text, label);
	size_t len;

	if (!at)
		return 0;
	at += strlen(label);
	len = strcspn(at, " \n");
	if (len == 0 || len > max)
		return 0;
	memcpy(to, at, len);
	to[len] = '\0';
	return 1;
}

/* text has a NUL. */
static enum depot_look
read_mark(const char *text, struct depot_mark *mark)
{
	char *label;

	if (strncmp(text, first_line, sizeof first_line - 1) ||
	    !word_after(text, "\ncatalogue ", mark->catalogue, DEPOT_ID) ||
	    !word_after(text, "\nplace ", mark->id, DEPOT_ID))
		return DEPOT_STORE;
	label = xasprintf("\nplace %s ", mark->id);
	if (!word_after(text, label, mark->name, DEPOT_NAME))
		mark->name[0] = '\0';
	free(label);
	mark->private = strstr(text, "\nprivate\n") != NULL;
	return DEPOT_MARKED;
}

enum depot_look
depot_look(const char *dir, struct depot_mark *mark)
{
	char *path = path_join(dir, STORE_MARK), text[MARK_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	free(path);
	memset(mark, 0, sizeof *mark);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? DEPOT_NONE :
		    DEPOT_FAILED;
	n = read_full(fd, text, sizeof text - 1);
	close(fd);
	if (n < 0)
		return DEPOT_FAILED;
	text[n] = '\0';
	return read_mark(text, mark);
}

enum depot_look
depot_look_remote(struct depot_mark *mark)
{
	struct buf text = BUF_INIT;
	int status = remote_read(STORE_MARK, &text, MARK_MAX);
	enum depot_look look;

	memset(mark, 0, sizeof *mark);
	look = status == REMOTE_NO_DIRECTORY || status == REMOTE_NO_OBJECT ||
	    (status == 0 && text.len == 0) ? DEPOT_NONE :
	    status != 0 ? DEPOT_FAILED : read_mark(text.data, mark);
	buf_free(&text);
	errno = status == EXIT_NOPROG ? ENOENT : EIO;
	return look;
}

static char *
mark_text(const struct depot_mark *m)
{
	return xasprintf("%scatalogue %s\nplace %s %s\n%s", first_line,
	    m->catalogue, m->id, m->name, m->private ? "private\n" : "");
}

int
depot_make_remote(const struct depot_mark *mark)
{
	char *text = mark_text(mark);
	struct buf back = BUF_INIT;
	struct remote_io io;
	int rc = remote_put(&io, STORE_MARK);

	if (rc == 0)
		rc = write_all(io.fd, text, strlen(text));
	if (rc == 0 && (remote_end(&io) != 0 ||
	    remote_read(STORE_MARK, &back, MARK_MAX) != 0 || !back.data ||
	    strcmp(back.data, text))) {
		errno = EIO;
		rc = -1;
	}
	buf_free(&back);
	free(text);
	return rc;
}

static int
write_mark(const char *dir, const struct depot_mark *m)
{
	char *path = path_join(dir, STORE_MARK);
	char *text = mark_text(m);
	struct tempfile t = { .fd = -1 };
	int rc = tempfile_open(&t, path) < 0 ||
	    write_all(t.fd, text, strlen(text)) < 0 ||
	    tempfile_commit(&t) < 0 ? -1 : 0;

	free(text);
	free(path);
	return rc;
}

/*
 * Its parts are marked as parts of this collection, so that they can take the
 * place of the lost ones.
 */
static int
make_part(const char *dir, const char *name, const struct depot_mark *m)
{
	char *path = path_join(dir, name);
	int rc = store_mark_put(path, m->catalogue, m->private);

	free(path);
	return rc;
}

int
depot_make(const char *dir, const struct depot_mark *mark)
{
	if (make_part(dir, "by-hash", mark) < 0 ||
	    make_part(dir, "archives", mark) < 0 || write_mark(dir, mark) < 0)
		return -1;
	return mark->private ? chmod(dir, 0750) : 0;
}

/* ---- what the catalogue knows ---- */

int
depots_read(PGconn *db, const char *name, struct depots *d)
{
	PGresult *res = db_query_n(db, sql_places_list, 1, &name);
	int row;

	memset(d, 0, sizeof *d);
	if (!res)
		return -1;
	d->list = xcalloc((size_t)PQntuples(res) + 1, sizeof *d->list);
	for (row = 0; row < PQntuples(res); row++) {
		struct depot *p = &d->list[d->count++];

		p->name = xstrdup(db_text(res, row, 0));
		p->path = db_path_value(res, row, 1);
		p->mark = xstrdup(db_text(res, row, 2));
		p->seen = xstrdup(db_text(res, row, 3));
		p->mirrored = xstrdup(db_text(res, row, 4));
		p->checked = xstrdup(db_text(res, row, 5));
		p->remote = strcmp(db_text(res, row, 6), "directory") != 0;
		p->clear = db_bool(res, row, 7);
		p->store.root = p->store.temporaries = -1;
	}
	PQclear(res);
	return 0;
}

void
depots_free(struct depots *d)
{
	size_t i;

	for (i = 0; i < d->count; i++) {
		struct depot *p = &d->list[i];

		depot_close(p);
		free(p->name);
		free(p->path);
		free(p->mark);
		free(p->seen);
		free(p->mirrored);
		free(p->checked);
	}
	free(d->list);
	memset(d, 0, sizeof *d);
}

/* Its key is used from now on. */
static int
use(const struct depot *d, char **why)
{
	char *key = d->clear ? NULL : remote_key_path(d->name);
	int rc = remote_use(d->path, key);

	if (rc < 0)
		*why = xasprintf("could not read its key %s: %s", quoted(key),
		    strerror(errno));
	free(key);
	return rc == 0;
}

int
depot_reach(const struct depot *d, char **why)
{
	struct depot_mark mark;
	enum depot_look look;

	if (d->remote && !use(d, why))
		return 0;
	look = d->remote ? depot_look_remote(&mark) :
	    depot_look(d->path, &mark);
	switch (look) {
	case DEPOT_MARKED:
		if (!strcmp(mark.id, d->mark))
			return 1;
		*why = xasprintf("another place, %s, is at %s",
		    quoted(mark.name), quoted(d->path));
		return 0;
	case DEPOT_FAILED:
		*why = errno == ENOENT ? xasprintf("could not find \"rclone\""
		    ": install package rclone") :
		    xasprintf("could not read %s/" STORE_MARK "%s%s",
		    quoted(d->path), d->remote ? "" : ": ",
		    d->remote ? " with rclone" : strerror(errno));
		return 0;
	case DEPOT_STORE:
		*why = xasprintf("%s is no place but a store",
		    quoted(d->path));
		return 0;
	default:
		*why = xasprintf("no " STORE_MARK " is in %s%s",
		    quoted(d->path), d->remote ? "" :
		    ": is its disk mounted?");
		return 0;
	}
}

int
depot_open(struct depot *d, char **why)
{
	struct depot_mark mark;
	char *root;
	int rc;

	if (!depot_reach(d, why))
		return 0;
	if (d->remote)
		return 1;
	root = path_join(d->path, "by-hash");
	rc = access(root, F_OK) == 0 ? store_open(&d->store, root) : -1;
	if (rc < 0)
		*why = xasprintf("could not open %s: %s", quoted(root),
		    strerror(errno));
	free(root);
	if (rc == 0 && depot_look(d->path, &mark) == DEPOT_MARKED &&
	    mark.private)
		store_private(&d->store);
	return rc == 0;
}

void
depot_close(struct depot *d)
{
	if (d->store.root >= 0)
		store_close(&d->store);
	d->store.root = d->store.temporaries = -1;
}

/* ---- blobs and packs ---- */

int
depot_blob(PGconn *db, const struct depot *d, const char *id,
    struct depot_blob *b)
{
	PGresult *res;
	char *object;
	int rc = 0;

	memset(b, 0, sizeof *b);
	b->fd = b->io.fd = -1;
	if (!d->remote) {
		b->fd = store_read(&d->store, id);
		return b->fd >= 0 ? 1 : errno == ENOENT || errno == ENOTDIR ?
		    0 : -1;
	}
	res = db_query(db, sql_places_where, d->name, id);
	if (!res) {
		errno = 0;
		return -1;
	}
	if (PQntuples(res) > 0) {
		object = xasprintf("packs/%s.tar", db_text(res, 0, 0));
		if (db_int(res, 0, 2) == 0)
			b->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		else if (remote_get(&b->io, object,
		    (uint64_t)db_int(res, 0, 1),
		    (uint64_t)db_int(res, 0, 2)) == 0)
			b->fd = b->io.fd;
		rc = b->fd >= 0 ? 1 : -1;
		free(object);
	}
	PQclear(res);
	return rc;
}

int
depot_done(struct depot_blob *b)
{
	if (b->io.child.pid)
		return remote_end(&b->io) == 0;
	if (b->fd >= 0)
		close(b->fd);
	return 1;
}

void
pack_index_init(struct pack_index *x)
{
	pgarray_init(&x->ids, PGARRAY_TEXT);
	pgarray_init(&x->starts, PGARRAY_INT8);
	pgarray_init(&x->sizes, PGARRAY_INT8);
}

void
pack_index_free(struct pack_index *x)
{
	pgarray_free(&x->ids);
	pgarray_free(&x->starts);
	pgarray_free(&x->sizes);
}

void
pack_index_add(struct pack_index *x, const char *id, uint64_t start,
    uint64_t size)
{
	pgarray_text(&x->ids, id);
	pgarray_int8(&x->starts, (int64_t)start);
	pgarray_int8(&x->sizes, (int64_t)size);
}

int
pack_index_next(const char **text, char id[STORE_ID + 1], uint64_t *start,
    uint64_t *size)
{
	unsigned long long a, b;
	int len = 0;

	if (!**text)
		return 0;
	if (sscanf(*text, "%64[0-9a-f] %llu %llu%n", id, &a, &b, &len) != 3 ||
	    strlen(id) != STORE_ID || (*text)[len] != '\n' ||
	    a > INT64_MAX || b > INT64_MAX - a) {
		errno = EBADMSG;
		return -1;
	}
	*text += len + 1;
	*start = a;
	*size = b;
	return 1;
}

int
pack_record(PGconn *db, const char *place, const char *name,
    struct pack_index *x)
{
	const char *params[5] = { place, name };
	int lengths[5] = { 0 }, formats[5] = { 0, 0, 1, 1, 1 };
	PGresult *res;

	params[2] = pgarray_param(&x->ids, &lengths[2]);
	params[3] = pgarray_param(&x->starts, &lengths[3]);
	params[4] = pgarray_param(&x->sizes, &lengths[4]);
	res = db_check(db, db_exec_params(db, sql_places_pack, 5, NULL, params,
	    lengths, formats, 0));
	PQclear(res);
	return res ? 0 : -1;
}

/* The server lets go of the lock of a session a moment after that has ended. */
int
depot_lock(PGconn *db, const struct depot *d)
{
	enum { TRIES = 40, PAUSE_US = 50000 };
	int locked = 0, i;

	for (i = 0; i < TRIES && locked == 0 && !sig_caught(); i++) {
		PGresult *res;

		if (i > 0)
			usleep(PAUSE_US);
		res = db_query(db, sql_places_lock, d->name);
		locked = res ? db_bool(res, 0, 0) : -1;
		PQclear(res);
	}
	return locked;
}

static int
tell(PGconn *db, const char *sql, const struct depot *d,
    char (*ids)[STORE_ID + 1], size_t count)
{
	const char *params[] = { d->name, NULL };
	int lengths[2] = { 0, 0 }, formats[2] = { 0, 1 };
	struct pgarray a;
	PGresult *res;
	size_t i;

	if (count == 0)
		return 0;
	pgarray_init(&a, PGARRAY_TEXT);
	for (i = 0; i < count; i++)
		pgarray_text(&a, ids[i]);
	params[1] = pgarray_param(&a, &lengths[1]);
	res = db_check(db, db_exec_params(db, sql, 2, NULL, params, lengths,
	    formats, 0));
	pgarray_free(&a);
	PQclear(res);
	return res ? 0 : -1;
}

int
depot_holds(PGconn *db, const struct depot *d, char (*ids)[STORE_ID + 1],
    size_t count)
{
	return tell(db, sql_places_holds, d, ids, count);
}

int
depot_holds_not(PGconn *db, const struct depot *d,
    char (*ids)[STORE_ID + 1], size_t count)
{
	return tell(db, sql_places_holds_not, d, ids, count);
}

/* ---- what is on the disk ---- */

struct scan {
	int (*take)(void *arg, const char *id, uint64_t size);
	void (*problem)(void *arg, const char *dir);
	void *arg;
};

/* What is below it is not seen; the rest may be. */
static int
unreadable(const struct scan *s, const char *above)
{
	if (!s->problem || !*above)
		return -1;
	s->problem(s->arg, above);
	return 0;
}

static int
is_hex(const char *name, size_t len)
{
	return strspn(name, "0123456789abcdef") == len && !name[len];
}

/* above: "", "ab", "abcd": what the names below begin with. */
static int
scan_directory(const struct scan *s, int at, const char *name,
    const char *above)
{
	size_t depth = strlen(above) / 2;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW), rc = 0, err;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	struct stat st;
	char below[8];

	if (!dir) {
		err = errno;
		if (fd >= 0)
			close(fd);
		errno = err;
		return unreadable(s, above);
	}
	while (rc == 0 && (errno = 0, e = readdir(dir))) {
		if (depth < 2 && is_hex(e->d_name, 2)) {
			snprintf(below, sizeof below, "%s%.2s", above,
			    e->d_name);
			rc = scan_directory(s, fd, e->d_name, below);
		} else if (depth == 2 && is_hex(e->d_name, STORE_ID) &&
		    !strncmp(e->d_name, above, 4)) {
			if (fstatat(fd, e->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0)
				rc = errno == ENOENT ? 0 : -1;
			else if (S_ISREG(st.st_mode))
				rc = s->take(s->arg, e->d_name,
				    (uint64_t)st.st_size);
		}
		if (rc)
			break;
	}
	if (rc == 0 && errno)
		rc = unreadable(s, above);
	err = errno;
	closedir(dir);
	errno = err;
	return rc;
}

int
depot_scan(const char *root, int (*take)(void *arg, const char *id,
    uint64_t size), void (*problem)(void *arg, const char *dir), void *arg)
{
	const struct scan s = { .take = take, .problem = problem, .arg = arg };

	return scan_directory(&s, AT_FDCWD, root, "");
}

/* ---- a place that was one before ---- */

enum { CHUNK = 4096 };

struct found {
	PGconn *db;
	const char *name;
	struct pgarray ids, sizes;
	uint64_t count;
	int failed;
};

static int
tell_found(struct found *f)
{
	const char *params[3] = { f->name };
	int lengths[3] = { 0 }, formats[3] = { 0, 1, 1 };
	PGresult *res;

	params[1] = pgarray_param(&f->ids, &lengths[1]);
	params[2] = pgarray_param(&f->sizes, &lengths[2]);
	res = db_check(f->db, db_exec_params(f->db, sql_places_found, 3, NULL,
	    params, lengths, formats, 0));
	f->failed = !res;
	PQclear(res);
	pgarray_reset(&f->ids);
	pgarray_reset(&f->sizes);
	return f->failed;
}

static int
take_found(void *arg, const char *id, uint64_t size)
{
	struct found *f = arg;

	pgarray_text(&f->ids, id);
	pgarray_int8(&f->sizes, (int64_t)size);
	return ++f->count % CHUNK == 0 ? tell_found(f) : 0;
}

int
depot_adopt(PGconn *db, const char *name, const char *path, uint64_t *count)
{
	char *root = path_join(path, "by-hash");
	struct found f = { .db = db, .name = name };
	int rc, err;

	pgarray_init(&f.ids, PGARRAY_TEXT);
	pgarray_init(&f.sizes, PGARRAY_INT8);
	rc = depot_scan(root, take_found, NULL, &f);
	err = errno;
	if (rc == 0)
		rc = tell_found(&f);
	pgarray_free(&f.ids);
	pgarray_free(&f.sizes);
	free(root);
	*count = f.count;
	errno = f.failed ? 0 : err;
	return rc ? -1 : 0;
}

/* One index: 0; -1 with errno, 0 there: db_error(). */
static int
adopt_pack(PGconn *db, const char *name, const char *object, uint64_t *count)
{
	struct buf text = BUF_INIT;
	char *path = xasprintf("packs/%s", object), id[STORE_ID + 1];
	char *pack = xasprintf("%.*s", (int)strcspn(object, "."), object);
	const char *at;
	struct pack_index x;
	uint64_t start, size;
	int rc = -1;

	pack_index_init(&x);
	errno = EIO;
	if (remote_read(path, &text, INT32_MAX) == 0) {
		at = text.data ? text.data : "";
		while ((rc = pack_index_next(&at, id, &start, &size)) > 0) {
			pack_index_add(&x, id, start, size);
			++*count;
		}
	}
	if (rc == 0) {
		rc = pack_record(db, name, pack, &x);
		errno = 0;
	}
	pack_index_free(&x);
	buf_free(&text);
	free(path);
	free(pack);
	return rc;
}

int
depot_adopt_remote(PGconn *db, const char *name, uint64_t *count)
{
	struct buf names = BUF_INIT;
	int status = remote_list("packs/", &names, INT32_MAX), rc = 0;
	char *at = names.data, *line;

	*count = 0;
	if (status != 0 && status != REMOTE_NO_DIRECTORY) {
		errno = EIO;
		rc = -1;
	}
	while (rc == 0 && at && (line = strsep(&at, "\n")))
		if (strlen(line) > 6 &&
		    !strcmp(line + strlen(line) - 6, ".index"))
			rc = adopt_pack(db, name, line, count);
	buf_free(&names);
	return rc;
}

int
depot_count_copies(PGconn *db, uint64_t *wanted, uint64_t *contents,
    uint64_t *bytes)
{
	char text[24];
	PGresult *res;

	*wanted = num_arg("NTT_COPIES", config_get(CONFIG_COPIES), 1, 1000);
	snprintf(text, sizeof text, "%llu", (unsigned long long)*wanted);
	res = db_query(db, sql_places_count, text);
	if (!res)
		return -1;
	*contents = (uint64_t)db_int(res, 0, 0);
	*bytes = (uint64_t)db_int(res, 0, 1);
	PQclear(res);
	return 0;
}
