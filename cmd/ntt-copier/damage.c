#define _GNU_SOURCE
#include "damage.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "catalogue/db.h"
#include "sql/statements.h"
#include "guest_places.h"
#include "fibmap_child.h"

static int
load_parts(struct damage *d, PGconn *db, const char *medium)
{
	/* places in a volume of several pieces are not those of the image */
	PGresult *res = db_query(db, sql_copier_volumes, medium);
	int i;

	if (!res)
		return -1;
	d->part_count = (size_t)PQntuples(res);
	d->parts = xcalloc(d->part_count, sizeof *d->parts);
	for (i = 0; i < PQntuples(res); i++) {
		d->parts[i].number = (unsigned int)db_int(res, i, 0);
		d->parts[i].start = (uint64_t)db_int(res, i, 1);
	}
	PQclear(res);
	return 0;
}

static char *
map_of(const char *image)
{
	size_t len = strlen(image);

	if (len > 4 && !strcmp(image + len - 4, ".img"))
		len -= 4;
	return xasprintf("%.*s.map", (int)len, image);
}

/* Without a map everything that is in the image was rescued. */
static void
all_of_it(struct damage *d)
{
	d->map.blocks = xcalloc(1, sizeof *d->map.blocks);
	d->map.blocks[0].size = d->map.end = d->image_size;
	d->map.blocks[0].status = MAPFILE_RESCUED;
	d->map.count = d->image_size > 0;
}

struct damage *
damage_open(PGconn *db, const char *medium, const char *image, int cut,
    int mapper, char **error)
{
	struct damage *d = xcalloc(1, sizeof *d);
	char *path = map_of(image);
	struct stat st;

	d->mapper = mapper;
	*error = NULL;
	if (stat(image, &st) < 0 || (access(path, F_OK) < 0 && !cut))
		goto none;
	d->image_size = (uint64_t)st.st_size;
	if (access(path, F_OK) < 0)
		all_of_it(d);
	else if (mapfile_load(&d->map, path, error) < 0)
		goto none;
	if (!cut && mapfile_bytes(&d->map, MAPFILE_RESCUED) == d->map.end &&
	    d->map.end >= d->image_size)
		goto none;
	if (load_parts(d, db, medium) < 0) {
		*error = xstrdup(db_error());
		goto none;
	}
	free(path);
	return d;
none:
	free(path);
	damage_close(d);
	return NULL;
}

void
damage_close(struct damage *d)
{
	if (!d)
		return;
	if (d->mapper >= 0)
		close(d->mapper);
	mapfile_free(&d->map);
	free(d->parts);
	free(d);
}

static const struct damage_part *
find_part(const struct damage *d, unsigned int number)
{
	size_t i;

	for (i = 0; i < d->part_count; i++)
		if (d->parts[i].number == number)
			return &d->parts[i];
	return NULL;
}

void
damage_put_range(struct buf *b, uint64_t from, uint64_t to, uint64_t *last)
{
	if (b->len == 0)
		buf_puts(b, "{[");
	else if (from == *last)
		b->len = (size_t)(strrchr(b->data, ',') - b->data);
	else
		buf_puts(b, ",[");
	if (b->data[b->len - 1] == '[')
		buf_printf(b, "%llu", (unsigned long long)from);
	buf_printf(b, ",%llu)", (unsigned long long)to);
	*last = to;
}

/* The parts of an extent that were not rescued; start: in the image. */
static void
put_lost(const struct damage *d, struct buf *b, uint64_t start,
    uint64_t logical, uint64_t length, uint64_t *last)
{
	uint64_t at, n;
	size_t i = 0;

	if (!mapfile_lost(&d->map, start, length))
		return;
	for (at = start; at < start + length; at += n) {
		while (i < d->map.count && d->map.blocks[i].pos +
		    d->map.blocks[i].size <= at)
			i++;
		n = start + length - at;
		if (i < d->map.count && d->map.blocks[i].pos +
		    d->map.blocks[i].size - at < n)
			n = d->map.blocks[i].pos + d->map.blocks[i].size - at;
		if (i >= d->map.count ||
		    d->map.blocks[i].status != MAPFILE_RESCUED)
			damage_put_range(b, logical + at - start,
			    logical + at - start + n, last);
	}
}

/* File systems whose FIEMAP speaks of places on the disk. */
static int
extents_are_places(int fd)
{
	struct statfs v;

	return fstatfs(fd, &v) == 0 &&
	    (unsigned long)v.f_type != BTRFS_SUPER_MAGIC;
}

static int
is_fuse(int fd)
{
	struct statfs v;

	return fstatfs(fd, &v) == 0 &&
	    (unsigned long)v.f_type == FUSE_SUPER_MAGIC;
}

/* What is lost of places that somebody named, and whom nobody believes. */
static char *
lost_of(const struct damage *d, const struct damage_part *part,
    const struct fibmap_place *p, size_t count, uint64_t size,
    int *beyond_end)
{
	struct buf lost = BUF_INIT;
	uint64_t start, length, last = 0;
	size_t i;

	for (i = 0; i < count && p[i].logical < size; i++) {
		length = p[i].length;
		if (length > size - p[i].logical)
			length = size - p[i].logical;
		start = part->start + p[i].physical;
		*beyond_end |= start + length > d->image_size;
		put_lost(d, &lost, start, p[i].logical, length, &last);
	}
	if (lost.len == 0)
		return NULL;
	buf_putc(&lost, '}');
	return buf_detach(&lost);
}

/* Where FIEMAP does not answer: the guest of a sandbox, or FIBMAP. */
static char *
ask_others(const struct damage *d, const struct damage_part *part, int fd,
    uint64_t size, int *beyond_end)
{
	struct fibmap_place *p = NULL;
	size_t count = 0;
	char *lost;
	int rc = is_fuse(fd) ? guest_places(fd, &p, &count) :
	    d->mapper < 0 ? -1 : fibmap_ask(d->mapper, fd, size, &p, &count);

	if (rc < 0)
		return xstrdup("");
	lost = lost_of(d, part, p, count, size, beyond_end);
	free(p);
	return lost;
}

char *
damage_of(const struct damage *d, int fd, unsigned int partition,
    int *beyond_end)
{
	enum { EXTENTS = 256 };
	static union {
		struct fiemap map;
		char room[sizeof(struct fiemap) +
		    EXTENTS * sizeof(struct fiemap_extent)];
	} u;
	const struct damage_part *part = find_part(d, partition);
	uint64_t offset = 0, last = 0, size;
	struct buf lost = BUF_INIT;
	struct stat st;
	unsigned int i;
	int more = 1;

	*beyond_end = 0;
	if (fstat(fd, &st) < 0 || !part || !extents_are_places(fd))
		return xstrdup("");
	size = (uint64_t)st.st_size;
	if (is_fuse(fd))
		return ask_others(d, part, fd, size, beyond_end);
	while (more && offset < size) {
		memset(&u.map, 0, sizeof u.map);
		u.map.fm_start = offset;
		u.map.fm_length = size - offset;
		u.map.fm_extent_count = EXTENTS;
		if (ioctl(fd, FS_IOC_FIEMAP, &u.map) < 0) {
			buf_free(&lost);
			return ask_others(d, part, fd, size, beyond_end);
		}
		more = u.map.fm_mapped_extents == EXTENTS;
		for (i = 0; i < u.map.fm_mapped_extents; i++) {
			const struct fiemap_extent *e = &u.map.fm_extents[i];
			uint64_t length = e->fe_length;
			uint64_t start = part->start + e->fe_physical;

			if (e->fe_flags & (FIEMAP_EXTENT_UNKNOWN |
			    FIEMAP_EXTENT_ENCODED))
				goto unknown;
			if (e->fe_logical >= size)
				break;
			if (length > size - e->fe_logical)
				length = size - e->fe_logical;
			offset = e->fe_logical + e->fe_length;
			/* preallocated, never written: zeros by right */
			if (e->fe_flags & FIEMAP_EXTENT_UNWRITTEN)
				continue;
			*beyond_end |= start + length > d->image_size;
			put_lost(d, &lost, start, e->fe_logical, length,
			    &last);
		}
	}
	if (lost.len == 0)
		return NULL;
	buf_putc(&lost, '}');
	return buf_detach(&lost);
unknown:
	buf_free(&lost);
	return xstrdup("");
}
