#define _GNU_SOURCE
#include "lost.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/config.h"
#include "base/medium_files.h"
#include "base/medium_name.h"
#include "catalogue/db.h"
#include "image/refused.h"
#include "image/view.h"
#include "mount/mounted.h"
#include "sql/statements.h"

enum {
	CHUNK = 128 << 10,
	PAGE = 4096,
	SECTOR = 512,
	/* a refused read that is larger was a guess of what may be wanted */
	WANTED_MAX = 64 << 10
};

struct lost {
	struct mounted mounts;
	struct source failing;
	int refused;
	char *buf;
};

struct lost *
lost_open(const char *medium)
{
	struct lost *l = xcalloc(1, sizeof *l);
	char *root = medium_failing(config_get(CONFIG_MOUNT_ROOT), medium);

	l->refused = -1;
	l->failing.root = -1;
	l->buf = aligned_alloc(PAGE, CHUNK);
	if (!l->buf)
		out_of_memory();
	if (medium_mountable(medium) && mounted_call(&l->mounts, "status",
	    medium, NULL, 0) == 0 && l->mounts.refused)
		l->refused = open(l->mounts.refused, O_RDONLY | O_CLOEXEC |
		    O_NOFOLLOW);
	/* without one mounted there is nothing to look up from it */
	if (l->refused < 0) {
		lost_close(l);
		l = NULL;
	} else if (source_open(&l->failing, root) < 0) {
		l->failing.root = -1;
	}
	free(root);
	return l;
}

void
lost_close(struct lost *l)
{
	if (!l)
		return;
	if (l->failing.root >= 0)
		source_close(&l->failing);
	if (l->refused >= 0)
		close(l->refused);
	mounted_free(&l->mounts);
	free(l->buf);
	free(l);
}

struct source *
lost_source(struct lost *l)
{
	return l->failing.root >= 0 ? &l->failing : NULL;
}

static const struct mounted_partition *
volume(const struct lost *l, unsigned int partition)
{
	size_t i;

	for (i = 0; i < l->mounts.count; i++)
		if (l->mounts.partitions[i].mount &&
		    (l->mounts.layout != LAYOUT_MULTI ||
		    l->mounts.partitions[i].num == partition))
			return &l->mounts.partitions[i];
	return NULL;
}

int
lost_within(const struct lost *l, unsigned int partition)
{
	const struct mounted_partition *p = volume(l, partition);

	return !p || p->lost > 0;
}

/* ---- one file ---- */

/* The same file once more, past the page cache; -1: it cannot be. */
static int
open_direct(int fd)
{
	char *self = xasprintf("/proc/self/fd/%d", fd);
	int direct = open(self, O_RDONLY | O_DIRECT | O_CLOEXEC);

	free(self);
	return direct;
}

/* A page of which not all could be read: sector by sector. */
static void
read_sectors(struct lost *l, int direct, uint64_t at, uint64_t end,
    struct buf *ranges, uint64_t *last)
{
	uint64_t n;

	for (; at < end; at += n) {
		n = end - at < SECTOR ? end - at : SECTOR;
		if (direct < 0 || pread(direct, l->buf, SECTOR, (off_t)at) <
		    (ssize_t)n)
			damage_put_range(ranges, at, at + n, last);
	}
}

/* A chunk of which not all could be read: page by page. */
static void
read_pages(struct lost *l, int fd, int *direct, uint64_t at, uint64_t end,
    struct buf *ranges, uint64_t *last)
{
	uint64_t n;

	if (*direct == -1)
		*direct = open_direct(fd);
	for (; at < end; at += n) {
		n = end - at < PAGE ? end - at : PAGE;
		if (pread(fd, l->buf, (size_t)n, (off_t)at) != (ssize_t)n)
			read_sectors(l, *direct, at, at + n, ranges, last);
	}
}

/* What of the file cannot be read, as a multirange; NULL: all can. */
static char *
read_all(struct lost *l, int fd, uint64_t size)
{
	struct buf ranges = BUF_INIT;
	uint64_t at = 0, n, last = 0;
	int direct = -1;
	ssize_t got;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	while (at < size) {
		n = size - at < CHUNK ? size - at : CHUNK;
		got = pread(fd, l->buf, (size_t)n, (off_t)at);
		if (got > 0) {
			at += (uint64_t)got;
			continue;
		}
		/* its end is where nothing was rescued: who knows */
		if (got == 0)
			break;
		read_pages(l, fd, &direct, at, at + n, &ranges, &last);
		at += n;
	}
	if (at < size)
		damage_put_range(&ranges, at, size, &last);
	if (direct >= 0)
		close(direct);
	if (!ranges.len)
		return NULL;
	buf_putc(&ranges, '}');
	return buf_detach(&ranges);
}

static char *
look(struct lost *l, const struct damage *d, int fd, uint64_t size,
    unsigned int partition, int *beyond_end)
{
	int64_t before = refused_count(l->refused);
	char *damage = d ? damage_of(d, fd, partition, beyond_end) :
	    xstrdup("");

	/* the extents are known, and reading them needed nothing lost */
	if ((!damage || *damage) && refused_count(l->refused) == before)
		return damage;
	free(damage);
	damage = read_all(l, fd, size);
	if (!damage && refused_count(l->refused) != before)
		damage = xstrdup("");
	return damage;
}

char *
lost_of(struct lost *l, const struct damage *d, int fd, const struct stat *st,
    const char *path, unsigned int partition, int *beyond_end)
{
	struct stat here;
	char *damage;
	int failing = -1;

	*beyond_end = 0;
	if (!lost_within(l, partition))
		return NULL;
	/* one file at a time: the count is of all who read there */
	flock(l->refused, LOCK_EX);
	if (l->failing.root >= 0)
		failing = source_file(&l->failing, path, 'f', st->st_ino,
		    &here);
	if (failing >= 0) {
		damage = look(l, d, failing, (uint64_t)st->st_size, partition,
		    beyond_end);
		close(failing);
	} else {
		/* the way to it is lost: its extents may be those of zeros */
		damage = d ? damage_of(d, fd, partition, beyond_end) : NULL;
		if (!damage)
			damage = xstrdup("");
	}
	flock(l->refused, LOCK_UN);
	return damage;
}

char *
lost_of_link(struct lost *l, const char *path, uint64_t ino,
    unsigned int partition, size_t len)
{
	int64_t before;
	char *target;
	size_t n;

	if (!lost_within(l, partition))
		return NULL;
	flock(l->refused, LOCK_EX);
	before = refused_count(l->refused);
	target = l->failing.root >= 0 ? source_link(&l->failing, path, ino,
	    &n) : NULL;
	if (target && refused_count(l->refused) == before) {
		free(target);
		target = NULL;
	} else {
		free(target);
		target = len ? xasprintf("{[0,%zu)}", len) : xstrdup("");
	}
	flock(l->refused, LOCK_UN);
	return target;
}

/* ---- what nothing explains ---- */

/* What is lost, as a view of the image alone. */
static void
lost_view(struct view *v, const struct damage *d, uint64_t end)
{
	view_init(v, d->image_size, d->map.count ? &d->map : NULL, end);
}

/* The lost parts of a refused read get another kind. */
static void
repaint(struct view *v, const struct refused_read *r, enum view_kind from,
    enum view_kind to)
{
	uint64_t pos = r->pos, end = r->pos + r->size, next;
	size_t i;

	for (; pos < end; pos = next) {
		for (i = 0; i < v->count && v->pieces[i].pos +
		    v->pieces[i].size <= pos; i++)
			;
		if (i == v->count)
			break;
		next = v->pieces[i].pos + v->pieces[i].size;
		if (next > end)
			next = end;
		if (v->pieces[i].kind == from)
			view_put(v, to, pos, next - pos, 0);
	}
}

static int
omit(PGconn *db, const char *medium, const struct mounted_partition *p,
    int multi, uint64_t bytes, const char *where)
{
	char number[16], count[24], *detail = xasprintf("its file system "
	    "asked for %llu bytes that were not rescued, and no file or "
	    "directory is known to need them: %s", (unsigned long long)bytes,
	    where);
	const char *params[] = { medium, multi ? number : NULL, count, detail };
	PGresult *res;

	snprintf(number, sizeof number, "%u", p->num);
	snprintf(count, sizeof count, "%llu", (unsigned long long)bytes);
	res = db_query_n(db, sql_copier_omit, 4,
	    params);
	PQclear(res);
	free(detail);
	return res ? 0 : -1;
}

static uint64_t
end_of(const struct mounted_partition *p)
{
	return p->start + p->size + p->lost;
}

/*
 * Whatever was refused when a file or directory was looked at has marked it.
 * When the volume was mounted nothing was.
 */
static int64_t
unexplained_in(const struct lost *l, const struct damage *d, PGconn *db,
    const char *medium, const struct mounted_partition *p)
{
	struct refused_read r;
	struct buf where = BUF_INIT;
	int64_t count = refused_count(l->refused), i;
	uint64_t bytes = 0;
	struct view v;
	size_t n;
	int rc = 0;

	lost_view(&v, d, end_of(p));
	for (i = (int64_t)p->refused_from; i < (int64_t)p->refused_to; i++)
		if (refused_get(l->refused, (uint64_t)i, &r) == 0)
			repaint(&v, &r, VIEW_LOST, VIEW_ZERO);
	for (i = 0; i < count; i++)
		if ((i < (int64_t)p->refused_from ||
		    i >= (int64_t)p->refused_to) &&
		    refused_get(l->refused, (uint64_t)i, &r) == 0 &&
		    r.size <= WANTED_MAX)
			repaint(&v, &r, VIEW_ZERO, VIEW_LOST);
	for (n = 0; n < v.count; n++) {
		const struct view_piece *piece = &v.pieces[n];

		/* not the padding at its end */
		if (piece->kind != VIEW_ZERO || (n == v.count - 1 &&
		    piece->size < VIEW_UNIT && piece->pos >= end_of(p)))
			continue;
		bytes += piece->size;
		if (where.len < 200)
			buf_printf(&where, "%s%llu to %llu", where.len ? ", " :
			    "bytes ", (unsigned long long)piece->pos,
			    (unsigned long long)(piece->pos + piece->size - 1));
	}
	if (bytes)
		rc = omit(db, medium, p, l->mounts.layout == LAYOUT_MULTI,
		    bytes, where.data);
	buf_free(&where);
	view_free(&v);
	return rc < 0 ? -1 : (int64_t)bytes;
}

int64_t
lost_unexplained(const struct lost *l, const struct damage *d, PGconn *db,
    const char *medium)
{
	int64_t sum = 0, n;
	size_t i;

	for (i = 0; i < l->mounts.count; i++) {
		if (!l->mounts.partitions[i].failing)
			continue;
		n = unexplained_in(l, d, db, medium, &l->mounts.partitions[i]);
		if (n < 0)
			return -1;
		sum += n;
	}
	return sum;
}
