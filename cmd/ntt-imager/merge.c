#define _GNU_SOURCE
#include "merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/sig.h"
#include "map_write.h"

enum { CHUNK = 1 << 20, SECTOR = 512, DURABLE_EVERY = 256 << 20 };

int
merge_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 &&
	    x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A walk over both maps at once: ranges on which both do not change. */
struct range {
	uint64_t pos, size;
	char into, from;
	size_t i, j;
};

static int
next_range(struct range *r, const struct mapfile *into,
    const struct mapfile *from)
{
	const struct mapfile_block *x, *y;
	uint64_t end;

	r->pos += r->size;
	while (r->i < into->count && into->blocks[r->i].pos +
	    into->blocks[r->i].size <= r->pos)
		r->i++;
	while (r->j < from->count && from->blocks[r->j].pos +
	    from->blocks[r->j].size <= r->pos)
		r->j++;
	if (r->i == into->count || r->j == from->count)
		return 0;
	x = &into->blocks[r->i];
	y = &from->blocks[r->j];
	end = x->pos + x->size;
	if (y->pos + y->size < end)
		end = y->pos + y->size;
	r->size = end - r->pos;
	r->into = x->status;
	r->from = y->status;
	return 1;
}

static int
fail(char **error, const char *what, const char *path)
{
	int err = errno;

	*error = xasprintf("could not %s %s: %s", what, quoted(path),
	    err ? strerror(err) : "it ends too early");
	errno = err;
	return -1;
}

static int
read_chunk(const struct imager_files *f, char *chunk, size_t len,
    uint64_t pos, char **error)
{
	errno = 0;
	if (pread_full(f->image_fd, chunk, len, (off_t)pos) == (ssize_t)len)
		return 0;
	return fail(error, "read", f->image);
}

static void
count_differences(struct merge_result *r, const char *a, const char *b,
    size_t len, uint64_t pos)
{
	size_t at, n;

	for (at = 0; at < len; at += n) {
		n = len - at < SECTOR ? len - at : SECTOR;
		if (!memcmp(a + at, b + at, n))
			continue;
		if (r->differ++ == 0)
			r->first = pos + at;
	}
}

int
merge_compare(const struct imager_files *into,
    const struct imager_files *from, void (*tick)(uint64_t done),
    struct merge_result *r, char **error)
{
	char *a = xmalloc(CHUNK), *b = xmalloc(CHUNK);
	struct range x = { 0 };
	uint64_t at;
	size_t n;
	int rc = 0;

	while (rc == 0 && next_range(&x, &into->before, &from->before)) {
		if (x.into != MAPFILE_RESCUED || x.from != MAPFILE_RESCUED)
			continue;
		for (at = x.pos; rc == 0 && at < x.pos + x.size; at += n) {
			n = x.pos + x.size - at < CHUNK ?
			    (size_t)(x.pos + x.size - at) : CHUNK;
			if (read_chunk(into, a, n, at, error) < 0 ||
			    read_chunk(from, b, n, at, error) < 0)
				rc = -1;
			else if (memcmp(a, b, n) != 0)
				count_differences(r, a, b, n, at);
			if (sig_caught() && rc == 0) {
				errno = EINTR;
				rc = fail(error, "compare", from->image);
			}
			tick(at);
		}
	}
	free(a);
	free(b);
	return rc;
}

/* Writes only what differs, so that holes stay holes. */
static int
fill_range(struct imager_files *into, const struct imager_files *from,
    uint64_t pos, size_t len, char *a, char *b, char **error)
{
	size_t done = 0;
	ssize_t n;

	if (read_chunk(from, a, len, pos, error) < 0 ||
	    read_chunk(into, b, len, pos, error) < 0)
		return -1;
	if (!memcmp(a, b, len))
		return 0;
	for (; done < len; done += (size_t)n) {
		n = pwrite(into->image_fd, a + done, len - done,
		    (off_t)(pos + done));
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return fail(error, "write", into->image);
	}
	return 0;
}

/* The bytes up to gained's end are in the image: now the map may say so. */
static int
make_durable(struct imager_files *into, const struct mapfile *gained,
    char **error)
{
	struct mapfile whole = { 0 }, merged;
	size_t i;

	if (fdatasync(into->image_fd) < 0)
		return fail(error, "sync", into->image);
	for (i = 0; i < gained->count; i++)
		map_append(&whole, gained->blocks[i].size,
		    gained->blocks[i].status);
	map_append(&whole, into->before.end - whole.end, MAPFILE_UNTRIED);
	map_gain(&merged, &into->before, &whole);
	mapfile_free(&whole);
	if (map_save(&merged, into->map, "Merged from several images.") < 0) {
		mapfile_free(&merged);
		return fail(error, "write", into->map);
	}
	mapfile_free(&into->before);
	into->before = merged;
	return 0;
}

int
merge_fill(struct imager_files *into, const struct imager_files *from,
    void (*tick)(uint64_t done), struct merge_result *r, char **error)
{
	char *a = xmalloc(CHUNK), *b = xmalloc(CHUNK);
	struct mapfile ours = { 0 }, gained = { 0 };
	struct range x = { 0 };
	uint64_t at, fresh = 0;
	size_t n, i;
	int rc = 0;

	/* into->before is replaced on the way */
	for (i = 0; i < into->before.count; i++)
		map_append(&ours, into->before.blocks[i].size,
		    into->before.blocks[i].status);
	while (rc == 0 && next_range(&x, &ours, &from->before)) {
		if (x.into == MAPFILE_RESCUED || x.from != MAPFILE_RESCUED) {
			map_append(&gained, x.size, MAPFILE_UNTRIED);
			continue;
		}
		for (at = x.pos; rc == 0 && at < x.pos + x.size; at += n) {
			n = x.pos + x.size - at < CHUNK ?
			    (size_t)(x.pos + x.size - at) : CHUNK;
			rc = fill_range(into, from, at, n, a, b, error);
			if (rc < 0)
				break;
			map_append(&gained, n, MAPFILE_RESCUED);
			fresh += n;
			tick(at);
			if (fresh >= DURABLE_EVERY || sig_caught()) {
				rc = make_durable(into, &gained, error);
				r->filled += rc == 0 ? fresh : 0;
				fresh = 0;
			}
			if (rc == 0 && sig_caught()) {
				errno = EINTR;
				rc = fail(error, "merge", from->image);
			}
		}
	}
	if (rc == 0 && fresh > 0) {
		rc = make_durable(into, &gained, error);
		r->filled += rc == 0 ? fresh : 0;
	}
	mapfile_free(&ours);
	mapfile_free(&gained);
	free(a);
	free(b);
	return rc;
}
