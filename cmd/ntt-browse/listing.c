#define _GNU_SOURCE
#include "listing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fnv.h"
#include "base/procstat.h"
#include "catalogue/directory.h"
#include "catalogue/pgarray.h"
#include "store/short_name.h"
#include "sql/statements.h"

enum {
	CHAINS = 1 << 14,
	CACHE_BYTES = 64 << 20,
	UNSETTLED_MS = 2000,
	/* directories that are read together when they are read in order,
	 * and how large those before them may be for that */
	AHEAD = 48, AHEAD_ENTRIES = 200
};

/* Of browse_listing. */
enum column {
	NUMBER, NAME, TYPE, DEV, INO, NLINK, SIZE, BLOB, MODE, UID, GID, RDEV,
	MTIME, MTIME_NS, ATIME, ATIME_NS, CTIME, CTIME_NS, HOLES, XATTRS,
	DAMAGED
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct listing *chains[CHAINS];
static struct listing *newest, *oldest;
static size_t cached_bytes;
static unsigned int usual = AHEAD_ENTRIES;	/* entries of a directory */

/* ---- rows ---- */

static mode_t
mode_of(char type, int64_t mode)
{
	static const struct {
		char type;
		mode_t mode, unknown;
	} types[] = {
		{ 'f', S_IFREG, 0444 }, { 'd', S_IFDIR, 0555 },
		{ 'l', S_IFLNK, 0777 }, { 'b', S_IFBLK, 0444 },
		{ 'c', S_IFCHR, 0444 }, { 'p', S_IFIFO, 0444 },
		{ 's', S_IFSOCK, 0444 },
	};
	size_t i;

	for (i = 0; i < sizeof types / sizeof types[0]; i++)
		if (types[i].type == type)
			return types[i].mode | (mode < 0 ? types[i].unknown :
			    (mode_t)mode & 07777);
	/* nobody knows what it is */
	return S_IFREG;
}

static void
take_entry(const PGresult *res, int row, struct entry *e)
{
	const char *type = cell(res, row, TYPE, NULL), *blob;
	int64_t rdev = cell_int(res, row, RDEV, -1);
	size_t len;

	memset(e, 0, sizeof *e);
	e->dev = (uint64_t)cell_int(res, row, DEV, 0);
	e->ino = (uint64_t)cell_int(res, row, INO, 0);
	e->nlink = (uint64_t)cell_int(res, row, NLINK, 1);
	e->size = (uint64_t)cell_int(res, row, SIZE, 0);
	e->mode = mode_of(type ? *type : '?', cell_int(res, row, MODE, -1));
	e->uid = (uint32_t)cell_int(res, row, UID, getuid());
	e->gid = (uint32_t)cell_int(res, row, GID, getgid());
	if (rdev >= 0)
		e->rdev = makedev((unsigned int)(rdev >> 32),
		    (unsigned int)rdev);
	e->mtime = cell_int(res, row, MTIME, 0);
	e->mtime_ns = (uint32_t)cell_int(res, row, MTIME_NS, 0);
	e->atime = cell_int(res, row, ATIME, e->mtime);
	e->atime_ns = (uint32_t)cell_int(res, row, ATIME_NS, 0);
	e->ctime = cell_int(res, row, CTIME, e->mtime);
	e->ctime_ns = (uint32_t)cell_int(res, row, CTIME_NS, 0);
	e->stored = (uint64_t)cell_int(res, row, HOLES, 0);
	e->stored = e->stored < e->size ? e->size - e->stored : 0;
	blob = cell(res, row, BLOB, &len);
	e->has_blob = blob && len == 2 * sizeof e->blob &&
	    hex_decode(e->blob, blob, sizeof e->blob) == 0;
	e->has_xattrs = cell_true(res, row, XATTRS);
	e->damaged = cell_true(res, row, DAMAGED);
}

void
listing_implied(const struct shown *m, struct entry *e)
{
	memset(e, 0, sizeof *e);
	e->mode = S_IFDIR | 0555;
	e->uid = getuid();
	e->gid = getgid();
	e->mtime = e->atime = e->ctime = m->time;
	e->implied = 1;
}

int
listing_impossible(const char *name, size_t len)
{
	return len == 0 || (len == 1 && *name == '.') ||
	    (len == 2 && !memcmp(name, "..", 2)) || memchr(name, '\0', len);
}

/* ---- making one ---- */

static struct listing *
new_listing(struct shown *m, const char *path, size_t len)
{
	struct listing *l = xcalloc(1, sizeof *l);

	l->medium = m;
	l->path = xmalloc(len + 1);
	memcpy(l->path, path, len);
	l->path[len] = '\0';
	l->path_len = len;
	l->read_at = monotonic_ms();
	l->changes = m->changes;
	return l;
}

static void
free_listing(struct listing *l)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		if (l->items[i].name != l->items[i].real)
			free((char *)l->items[i].name);
	free(l->items);
	buf_free(&l->names);
	free(l->path);
	free(l);
}

/* Names are offsets until all are there, because the buffer moves. */
static struct item *
add_item(struct listing *l, const char *name, size_t len)
{
	struct item *i;

	if ((l->count & (l->count - 1)) == 0)
		l->items = xrealloc(l->items, (l->count ? 2 * l->count : 1) *
		    sizeof *l->items);
	i = &l->items[l->count++];
	memset(i, 0, sizeof *i);
	i->name = (const char *)l->names.len;
	i->name_len = i->real_len = (uint32_t)len;
	buf_put(&l->names, name, len);
	buf_putc(&l->names, '\0');
	return i;
}

static int
compare_items(const void *a, const void *b)
{
	const struct item *p = a, *q = b;
	size_t n = p->name_len < q->name_len ? p->name_len : q->name_len;
	int rc = memcmp(p->name, q->name, n);

	return rc ? rc : (p->name_len > q->name_len) -
	    (p->name_len < q->name_len);
}

static void
shorten(struct item *i, int tries)
{
	char *name = xmalloc(SHORT_NAME_MAX + 1);

	short_name(name, i->real, i->real_len, tries);
	if (i->name != i->real)
		free((char *)i->name);
	i->name = name;
	i->name_len = (uint32_t)strlen(name);
}

/* Names that are too long; those that are made may be there already. */
static void
shorten_names(struct listing *l)
{
	int tries, again = 1;
	size_t i;

	for (i = 0; i < l->count; i++)
		if (l->items[i].real_len > SHORT_NAME_MAX)
			shorten(&l->items[i], 0);
	for (tries = 1; again; tries++) {
		again = 0;
		qsort(l->items, l->count, sizeof *l->items, compare_items);
		for (i = 1; i < l->count; i++) {
			struct item *a = &l->items[i - 1], *b = a + 1;

			if (compare_items(a, b))
				continue;
			/* of two long ones always the same */
			if (a->name != a->real && (b->name == b->real ||
			    memcmp(a->real, b->real, a->real_len <
			    b->real_len ? a->real_len : b->real_len) > 0))
				b = a;
			if (b->name == b->real)
				continue;
			shorten(b, tries);
			again = 1;
		}
	}
}

/* The implied directories in l, which have no row in it. */
static void
add_implied(struct listing *l)
{
	const struct shown *m = l->medium;
	size_t from = l->path_len ? l->path_len + 1 : 0, i, j, n = l->count;

	for (i = 0; i < m->implied_count; i++) {
		const char *path = m->implied[i], *name = path + from;

		if (strncmp(path, l->path, l->path_len) ||
		    strlen(path) <= from || (from && path[from - 1] != '/') ||
		    strchr(name, '/') || listing_impossible(name,
		    strlen(name)))
			continue;
		for (j = 0; j < n; j++)
			if (l->items[j].real_len == strlen(name) &&
			    !memcmp(l->names.data + (size_t)l->items[j].name,
			    name, l->items[j].real_len))
				break;
		if (j == n)
			listing_implied(m, &add_item(l, name,
			    strlen(name))->e);
	}
}

static void
finish(struct listing *l)
{
	int too_long = 0;
	size_t i;

	add_implied(l);
	for (i = 0; i < l->count; i++) {
		l->items[i].name = l->items[i].real = l->names.data +
		    (size_t)l->items[i].name;
		too_long |= l->items[i].name_len > SHORT_NAME_MAX;
	}
	if (too_long)
		shorten_names(l);
	else if (l->count > 1)
		qsort(l->items, l->count, sizeof *l->items, compare_items);
	l->bytes = sizeof *l + l->path_len + l->names.size +
	    2 * l->count * sizeof *l->items;
}

/* Directories of m, which are one question: 0, or -1 with errno. */
static int
read_listings(struct shown *m, struct listing **list, size_t n)
{
	struct pgarray dirs, prefixes;
	struct param params[4];
	struct buf prefix = BUF_INIT;
	PGresult *res;
	size_t i, len;
	int row;

	pgarray_init(&dirs, PGARRAY_INT8);
	pgarray_init(&prefixes, PGARRAY_BYTEA);
	for (i = 0; i < n; i++) {
		buf_reset(&prefix);
		buf_put(&prefix, list[i]->path, list[i]->path_len);
		if (prefix.len > 0)
			buf_putc(&prefix, '/');
		pgarray_int8(&dirs, directory_hash(list[i]->path,
		    list[i]->path_len));
		pgarray_bytes(&prefixes, prefix.data ? prefix.data : "",
		    prefix.len);
	}
	buf_free(&prefix);
	params[0].bytes = pgarray_param(&dirs, &params[0].len);
	params[1].bytes = pgarray_param(&prefixes, &params[1].len);
	params[2] = (struct param){ m->has_xattrs || !m->settled ? "t" : "f",
	    -1 };
	params[3] = (struct param){ m->has_damage || !m->settled ? "t" : "f",
	    -1 };
	res = ask(&m->listing, 4, params);
	pgarray_free(&dirs);
	pgarray_free(&prefixes);
	if (!res)
		return -1;
	for (row = 0; row < PQntuples(res); row++) {
		uint64_t of = (uint64_t)cell_int(res, row, NUMBER, 0) - 1;
		const char *name = cell(res, row, NAME, &len);

		/* of another directory with the same hash, or of none */
		if (of >= n || memchr(name, '/', len) ||
		    listing_impossible(name, len))
			continue;
		take_entry(res, row, &add_item(list[of], name, len)->e);
	}
	PQclear(res);
	for (i = 0; i < n; i++)
		finish(list[i]);
	return 0;
}

/* ---- what a medium is, before anything of it is shown ---- */

static int
read_root(struct shown *m)
{
	struct pgarray dirs, prefixes;
	struct param params[4];
	PGresult *res;

	pgarray_init(&dirs, PGARRAY_INT8);
	pgarray_init(&prefixes, PGARRAY_BYTEA);
	pgarray_int8(&dirs, DIRECTORY_OF_ROOT);
	pgarray_bytes(&prefixes, "", 0);
	params[0].bytes = pgarray_param(&dirs, &params[0].len);
	params[1].bytes = pgarray_param(&prefixes, &params[1].len);
	params[2] = (struct param){ "t", -1 };
	params[3] = (struct param){ "f", -1 };
	res = ask(&m->listing, 4, params);
	pgarray_free(&dirs);
	pgarray_free(&prefixes);
	if (!res)
		return -1;
	listing_implied(m, &m->root);
	if (PQntuples(res) == 1 && PQgetlength(res, 0, NAME) == 0) {
		take_entry(res, 0, &m->root);
		if (!S_ISDIR(m->root.mode))
			listing_implied(m, &m->root);
	}
	PQclear(res);
	return 0;
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A path that came last, and the directories above it. */
static void
add_implied_path(struct shown *m, char *path)
{
	char *slash;

	for (;; path[slash - path] = '\0') {
		m->implied = xrealloc(m->implied, (m->implied_count + 1) *
		    sizeof *m->implied);
		m->implied[m->implied_count++] = xstrdup(path);
		slash = strrchr(path, '/');
		if (!slash)
			return;
	}
}

static int
read_implied(struct shown *m)
{
	struct question q;
	PGresult *res;
	size_t len, i, n;
	int row;

	media_question(&q, m, sql_browse_implied, NULL);
	res = ask(&q, 0, NULL);
	free((char *)q.sql);
	if (!res)
		return -1;
	m->implied_count = 0;
	for (row = 0; row < PQntuples(res); row++) {
		const char *bytes = cell(res, row, 0, &len);
		char *path = strndup(bytes, len);

		if (!path)
			out_of_memory();
		if (*path)
			add_implied_path(m, path);
		free(path);
	}
	PQclear(res);
	if (m->implied_count == 0)
		return 0;
	qsort(m->implied, m->implied_count, sizeof *m->implied,
	    compare_texts);
	for (i = n = 1; i < m->implied_count; i++)
		if (strcmp(m->implied[i], m->implied[n - 1]))
			m->implied[n++] = m->implied[i];
		else
			free(m->implied[i]);
	m->implied_count = n;
	return 0;
}

static int
read_has(struct shown *m)
{
	struct question q;
	PGresult *res;

	media_question(&q, m, sql_browse_has, NULL);
	res = ask(&q, 0, NULL);
	free((char *)q.sql);
	if (!res)
		return -1;
	m->has_xattrs = cell_true(res, 0, 0);
	m->has_damage = cell_true(res, 0, 1);
	PQclear(res);
	return 0;
}

/* What is needed to show its root, or its directories: 0, or -1 with errno. */
static int
know(struct shown *m, int directories)
{
	unsigned int changes = m->changes;
	int rc = 0, err;

	if (m->gone) {
		errno = ESTALE;
		return -1;
	}
	if (!m->table) {
		errno = EIO;
		return -1;
	}
	pthread_mutex_lock(&m->lock);
	if (!m->has_root) {
		rc = read_root(m);
		m->has_root = rc == 0;
	}
	if (rc == 0 && directories && !m->has_implied) {
		rc = m->complete ? 0 : read_implied(m);
		m->has_implied = rc == 0;
	}
	/* these grow while files are copied */
	if (rc == 0 && directories && (!m->has_has || m->has_at != changes)) {
		rc = read_has(m);
		m->has_has = rc == 0;
		m->has_at = changes;
	}
	err = errno;
	pthread_mutex_unlock(&m->lock);
	errno = err;
	return rc;
}

int
listing_no_xattrs(const struct shown *m)
{
	return m->settled && m->has_has && m->has_at == m->changes &&
	    !m->has_xattrs;
}

int
listing_root(struct shown *m, struct entry *root)
{
	if (know(m, 0) < 0)
		return -1;
	*root = m->root;
	return 0;
}

/* ---- those that are kept ---- */

static struct listing **
chain_of(const struct shown *m, const char *path, size_t len)
{
	uint64_t h = fnv(m->salt ^ FNV_START, path, len);

	return &chains[(h ^ h >> 32) % CHAINS];
}

static struct listing *
find_cached(const struct shown *m, const char *path, size_t len)
{
	struct listing *l = *chain_of(m, path, len);

	while (l && (l->medium != m || l->path_len != len ||
	    memcmp(l->path, path, len)))
		l = l->chain;
	return l;
}

static void
unlink_listing(struct listing *l)
{
	struct listing **at = chain_of(l->medium, l->path, l->path_len);

	while (*at != l)
		at = &(*at)->chain;
	*at = l->chain;
	*(l->older ? &l->older->newer : &oldest) = l->newer;
	*(l->newer ? &l->newer->older : &newest) = l->older;
	cached_bytes -= l->bytes;
	l->cached = 0;
	if (l->refs == 0)
		free_listing(l);
}

static void
make_newest(struct listing *l)
{
	l->newer = NULL;
	l->older = newest;
	*(newest ? &newest->newer : &oldest) = l;
	newest = l;
}

static void
used(struct listing *l)
{
	if (l == newest)
		return;
	l->newer->older = l->older;
	*(l->older ? &l->older->newer : &oldest) = l->newer;
	make_newest(l);
}

static void
keep(struct listing *l)
{
	struct listing **chain = chain_of(l->medium, l->path, l->path_len);
	struct listing *old = find_cached(l->medium, l->path, l->path_len);

	if (old)
		unlink_listing(old);
	l->chain = *chain;
	*chain = l;
	make_newest(l);
	l->cached = 1;
	cached_bytes += l->bytes;
	while (cached_bytes > CACHE_BYTES && oldest != newest)
		unlink_listing(oldest);
}

static int
is_fresh(const struct listing *l)
{
	return l->changes == l->medium->changes && (l->medium->settled ||
	    monotonic_ms() - l->read_at < UNSETTLED_MS);
}

/*
 * The directories that come after this one in the one above it, if the one
 * before it was read: whoever walks the tree wants them soon.  list[0] is this
 * one.  Returns how many there are.
 */
static size_t
read_ahead(struct listing **list)
{
	const struct listing *l = list[0], *above;
	const char *slash = memrchr(l->path, '/', l->path_len);
	size_t up = slash ? (size_t)(slash - l->path) : 0, at, i, n = 1;
	const struct item *here;
	const char *name = slash ? slash + 1 : l->path;
	size_t name_len = l->path_len - (size_t)(name - l->path);
	struct buf path = BUF_INIT;
	int in_order = 0;

	if (l->path_len == 0 || usual > AHEAD_ENTRIES)
		return 1;
	above = find_cached(l->medium, l->path, up);
	if (!above)
		return 1;
	here = listing_find(above, name, name_len);
	if (!here)
		return 1;
	at = i = (size_t)(here - above->items);
	while (i-- > 0 && !S_ISDIR(above->items[i].e.mode))
		;
	if (i < at) {
		buf_put(&path, l->path, (size_t)(name - l->path));
		buf_put(&path, above->items[i].real,
		    above->items[i].real_len);
		in_order = find_cached(l->medium, path.data,
		    path.len) != NULL;
	}
	for (at++; in_order && at < above->count && n < AHEAD; at++) {
		if (!S_ISDIR(above->items[at].e.mode))
			continue;
		buf_reset(&path);
		buf_put(&path, l->path, (size_t)(name - l->path));
		buf_put(&path, above->items[at].real,
		    above->items[at].real_len);
		if (find_cached(l->medium, path.data, path.len))
			break;
		list[n++] = new_listing(l->medium, path.data, path.len);
	}
	buf_free(&path);
	return n;
}

struct listing *
listing_get(struct shown *m, const char *path, size_t len)
{
	struct listing *list[AHEAD], *l;
	size_t n, i;
	int err;

	if (know(m, 1) < 0)
		return NULL;
	pthread_mutex_lock(&lock);
	l = find_cached(m, path, len);
	if (l && is_fresh(l)) {
		l->refs++;
		used(l);
		pthread_mutex_unlock(&lock);
		return l;
	}
	list[0] = new_listing(m, path, len);
	n = read_ahead(list);
	pthread_mutex_unlock(&lock);

	if (read_listings(m, list, n) < 0) {
		err = errno;
		while (n-- > 0)
			free_listing(list[n]);
		errno = err;
		return NULL;
	}
	pthread_mutex_lock(&lock);
	list[0]->refs++;
	for (i = n; i-- > 0;) {
		usual += (unsigned int)(list[i]->count < 100000 ?
		    list[i]->count : 100000) / 8 - usual / 8;
		keep(list[i]);
	}
	pthread_mutex_unlock(&lock);
	return list[0];
}

void
listing_put(struct listing *l)
{
	pthread_mutex_lock(&lock);
	if (--l->refs == 0 && !l->cached)
		free_listing(l);
	pthread_mutex_unlock(&lock);
}

const struct item *
listing_find(const struct listing *l, const char *name, size_t len)
{
	struct item key = { .name = name, .name_len = (uint32_t)len };

	return l->count ? bsearch(&key, l->items, l->count, sizeof key,
	    compare_items) : NULL;
}
