#define _GNU_SOURCE
#include "find/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/fsutil.h"
#include "base/spawn.h"

enum {
	BYTES_MAX = 64 << 20,
	RUNS_MAX = 8,
	SEGMENTS_MAX = 64,
	RETRIES = 3
};

struct lookup_hit {
	size_t at, len;		/* of l->text: "HASH/path" */
	size_t hash;		/* its length */
};

void
lookup_hits_init(struct lookup_hits *h)
{
	memset(h, 0, sizeof *h);
	pgarray_init(&h->dirs, PGARRAY_INT8);
	pgarray_init(&h->paths, PGARRAY_BYTEA);
}

void
lookup_hits_add(struct lookup_hits *h, const char *path, size_t len)
{
	pgarray_int8(&h->dirs, directory_of(&h->memo, path, len));
	pgarray_bytes(&h->paths, path, len);
}

void
lookup_hits_free(struct lookup_hits *h)
{
	pgarray_free(&h->dirs);
	pgarray_free(&h->paths);
	buf_free(&h->memo.path);
}

/* Segments that are open: their names must not become those of others. */
struct held {
	char *paths[SEGMENTS_MAX];
	int fds[SEGMENTS_MAX];
	size_t count;
};

static void
let_go(struct held *h)
{
	size_t i;

	for (i = 0; i < h->count; i++) {
		free(h->paths[i]);
		if (h->fds[i] >= 0)
			close(h->fds[i]);
	}
	h->count = 0;
}

static int
hold(struct held *h, const char *dir, const struct segments *s)
{
	size_t i;

	h->count = 0;
	for (i = 0; i < s->count && i < SEGMENTS_MAX; i++) {
		char *path = path_join(dir, s->list[i].name);
		int fd = open_regular(path, O_RDONLY, 0);
		struct stat st;

		h->paths[h->count] = path;
		h->fds[h->count++] = fd;
		if (fd < 0 || fstat(fd, &st) < 0)
			return -1;
		if ((uint64_t)st.st_size != s->list[i].bytes) {
			errno = EBADMSG;
			return -1;
		}
	}
	return 0;
}

/* A name is never given twice, so what has it now has had it all the time. */
static int
still_there(const struct held *h)
{
	struct stat a, b;
	size_t i;

	for (i = 0; i < h->count; i++)
		if (fstat(h->fds[i], &a) < 0 || stat(h->paths[i], &b) < 0 ||
		    a.st_dev != b.st_dev || a.st_ino != b.st_ino)
			return 0;
	return 1;
}

/* In the child: its locale decides what letters are. */
static int
set_locale(void *arg)
{
	(void)arg;
	return setenv("LC_ALL", "C.UTF-8", 1) < 0 ||
	    unsetenv("LOCATE_PATH") < 0 ? -1 : 0;
}

/* A colon ends a path of plocate, a backslash takes its meaning away. */
static char *
database(const char *path)
{
	struct buf b = BUF_INIT;

	for (; *path; path++) {
		if (*path == ':' || *path == '\\')
			buf_putc(&b, '\\');
		buf_putc(&b, *path);
	}
	return buf_detach(&b);
}

static size_t
count_hits(const struct buf *out)
{
	size_t i, n = 0;

	for (i = 0; i < out->len; i++)
		n += !out->data[i];
	return n;
}

/* What is wanted of one pattern.  NULL, or why there is no telling. */
static const char *
ask(struct lookup *l, const struct held *h, const struct match_run *runs,
    size_t count, int whole, struct buf *out)
{
	char *argv[2 * SEGMENTS_MAX + RUNS_MAX + 16], limit[24];
	struct spawn_io io = SPAWN_INHERIT;
	size_t n = 0, i, first;
	struct stat st;
	int status, said;

	snprintf(limit, sizeof limit, "%d", LOOKUP_HITS_MAX + 1);
	argv[n++] = (char *)"plocate";
	argv[n++] = (char *)"-0";
	argv[n++] = (char *)"-N";
	argv[n++] = (char *)"-l";
	argv[n++] = limit;
	if (l->folded)
		argv[n++] = (char *)"-i";
	if (!whole)
		argv[n++] = (char *)"-b";
	first = n;
	for (i = 0; i < h->count; i++) {
		argv[n++] = xstrdup("-d");
		argv[n++] = database(h->paths[i]);
	}
	argv[n++] = xstrdup("--");
	for (i = 0; i < count; i++)
		argv[n++] = xasprintf("%.*s", (int)runs[i].len, runs[i].at);
	argv[n] = NULL;
	io.in = SPAWN_NULL;
	io.err = memfd_create("plocate", MFD_CLOEXEC);
	io.prepare = set_locale;
	buf_reset(out);
	status = run_capture(argv, &io, out, BYTES_MAX, 0);
	said = io.err < 0 || fstat(io.err, &st) < 0 || st.st_size > 0;
	if (io.err >= 0)
		close(io.err);
	for (i = first; i < n; i++)
		free(argv[i]);
	if (status == EXIT_NOPROG)
		return "plocate is not installed";
	/* where there is more than was asked for it also says odd things */
	if (out->len > BYTES_MAX - 65536 || count_hits(out) > LOOKUP_HITS_MAX)
		return "too much may fit";
	/* 1 is also what it says where there is nothing in the last segment */
	if (status > 1 || said || (out->len > 0 && out->data[out->len - 1]))
		return "plocate failed";
	return NULL;
}

/* "/HASH/path" after "/HASH/path". */
static const char *
take(struct lookup *l, const struct buf *out)
{
	size_t at = 0;

	while (at < out->len) {
		const char *hit = out->data + at, *slash;
		size_t len = strlen(hit);

		at += len + 1;
		slash = *hit == '/' ? strchr(hit + 1, '/') : NULL;
		if (!slash)
			return "plocate failed";
		if (l->count == l->size) {
			l->size = l->size ? 2 * l->size : 256;
			l->hits = xrealloc(l->hits, l->size *
			    sizeof *l->hits);
		}
		l->hits[l->count++] = (struct lookup_hit) { l->text.len,
		    len - 1, (size_t)(slash - hit) - 1 };
		buf_put(&l->text, hit + 1, len - 1);
	}
	return NULL;
}

static int
compare_hits(const void *va, const void *vb, void *text)
{
	const struct lookup_hit *a = va, *b = vb;
	size_t least = a->len < b->len ? a->len : b->len;
	int c = memcmp((char *)text + a->at, (char *)text + b->at, least);

	return c ? c : (a->len > b->len) - (a->len < b->len);
}

/* What two patterns or two segments have given is there once. */
static void
sort_hits(struct lookup *l)
{
	size_t i, n = 0;

	if (l->count == 0)
		return;
	qsort_r(l->hits, l->count, sizeof *l->hits, compare_hits,
	    l->text.data);
	for (i = 1; i < l->count; i++)
		if (compare_hits(&l->hits[n], &l->hits[i], l->text.data))
			l->hits[++n] = l->hits[i];
	l->count = n + 1;
}

static const char *
ask_all(struct lookup *l, const struct matcher *m, const struct held *h)
{
	struct match_run runs[RUNS_MAX];
	struct buf out = BUF_INIT;
	const char *why = NULL;
	size_t i, n;
	int whole;

	for (i = 0; i < m->count && !why; i++) {
		n = matcher_runs(m, i, runs, RUNS_MAX, &whole);
		why = ask(l, h, runs, n, whole, &out);
		if (!why)
			why = take(l, &out);
	}
	buf_free(&out);
	return why;
}

static int
has_runs(const struct matcher *m)
{
	struct match_run run;
	size_t i;
	int whole;

	for (i = 0; i < m->count; i++)
		if (matcher_runs(m, i, &run, 1, &whole) == 0)
			return 0;
	return 1;
}

/* 1: done, or it cannot be; 0: the index became another meanwhile. */
static int
try(struct lookup *l, const struct matcher *m, const char *dir)
{
	struct held h;
	int done = 1;

	if (segments_read(dir, &l->segments) < 0) {
		l->why = errno == ENOENT ? "there is no index of names" :
		    "the index of names cannot be read";
		return 1;
	}
	if (hold(&h, dir, &l->segments) < 0) {
		done = errno != ENOENT;
		l->why = "the index of names cannot be read";
	} else if (l->segments.count > 0) {
		l->why = ask_all(l, m, &h);
		done = still_there(&h);
	}
	let_go(&h);
	return done;
}

static void
reset(struct lookup *l)
{
	segments_free(&l->segments);
	buf_reset(&l->text);
	l->count = 0;
	l->why = NULL;
}

void
lookup_begin(struct lookup *l, const struct matcher *m)
{
	char *dir = segments_dir();
	int i, done = 0;

	memset(l, 0, sizeof *l);
	lookup_hits_init(&l->current);
	l->folded = m->ignore_case;
	if (m->count == 0) {
		l->why = "";
	} else if (!has_runs(m)) {
		l->why = "a pattern has no three letters in a row that the "
		    "index could know";
	} else {
		for (i = 0; i < RETRIES && !done; i++) {
			reset(l);
			done = try(l, m, dir);
		}
		if (!done)
			l->why = "the index of names changes all the time";
		sort_hits(l);
	}
	free(dir);
}

static int
knows(struct lookup *l, const char *hash, const char *names)
{
	size_t i, j;

	for (i = 0; i < l->segments.count; i++) {
		const struct segment *s = &l->segments.list[i];

		for (j = 0; j < s->count; j++)
			if (!strcmp(s->media[j].hash, hash) &&
			    !strcmp(s->media[j].names, names)) {
				if (!l->folded || !s->media[j].folds)
					return 1;
				l->folding++;
				return 0;
			}
	}
	l->missing++;
	return 0;
}

static int
compare_hash(const struct lookup *l, const struct lookup_hit *hit,
    const char *hash, size_t len)
{
	size_t least = hit->hash < len ? hit->hash : len;
	int c = memcmp(l->text.data + hit->at, hash, least);

	/* what follows the shorter one is a slash */
	return c ? c : hit->hash == len ? 0 : hit->hash < len ?
	    '/' - (unsigned char)hash[least] :
	    (unsigned char)l->text.data[hit->at + least] - '/';
}

/* The first hit of a medium, or where it would be. */
static size_t
first_hit(const struct lookup *l, const char *hash, size_t len)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_hash(l, &l->hits[middle], hash, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct lookup_hits *
lookup_medium(struct lookup *l, const char *hash, const char *names)
{
	size_t len = strlen(hash), i;

	if (l->why || !knows(l, hash, names))
		return NULL;
	pgarray_reset(&l->current.dirs);
	pgarray_reset(&l->current.paths);
	for (i = first_hit(l, hash, len); i < l->count &&
	    compare_hash(l, &l->hits[i], hash, len) == 0; i++) {
		const char *path = l->text.data + l->hits[i].at + len + 1;

		lookup_hits_add(&l->current, path, l->hits[i].len - len - 1);
	}
	return &l->current;
}

void
lookup_end(struct lookup *l)
{
	segments_free(&l->segments);
	buf_free(&l->text);
	free(l->hits);
	lookup_hits_free(&l->current);
}
