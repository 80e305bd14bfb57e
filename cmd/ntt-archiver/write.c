#define _GNU_SOURCE
#include "write.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/seekable.h"
#include "hash/blake3_hex.h"

enum {
	CHUNK = 1 << 20,
	/* holes worth keeping, at most; beyond, the small ones are filled */
	EXTENTS_MAX = 250000,
	HOLE_MIN = 4096
};

struct extent {
	off_t start, end;		/* data */
};

struct writer {
	const struct archive_job *job;
	struct seekable_writer *out;
	struct archive *tar;
	char *chunk, *zeros;
	uint64_t done;			/* bytes of all members */
	char **error;
	int err;			/* errno of the output */
};

static int
fail(struct writer *w, int err, const char *what, const char *name)
{
	if (!*w->error)
		*w->error = xasprintf("could not %s%s%s: %s", what,
		    name ? " " : "", name ? name : "", strerror(err));
	errno = err;
	return -1;
}

/* libarchive says little of what its callback met: errno is kept here. */
static la_ssize_t
put(struct archive *tar, void *arg, const void *bytes, size_t len)
{
	struct writer *w = arg;

	if (seekable_write(w->out, bytes, len) < 0) {
		w->err = errno;
		archive_set_error(tar, errno, "write");
		return -1;
	}
	return (la_ssize_t)len;
}

static la_ssize_t
put_memory(struct archive *tar, void *arg, const void *bytes, size_t len)
{
	(void)tar;
	buf_put(arg, bytes, len);
	return (la_ssize_t)len;
}

static struct archive *
new_tar(void *arg, archive_write_callback *callback)
{
	struct archive *tar = archive_write_new();

	if (!tar)
		return NULL;
	archive_write_set_format_pax_restricted(tar);
	archive_write_set_bytes_per_block(tar, 0);
	if (archive_write_open(tar, arg, NULL, callback, NULL) == ARCHIVE_OK)
		return tar;
	archive_write_free(tar);
	return NULL;
}

static struct archive_entry *
new_entry(const char *name, uint64_t size, int64_t mtime)
{
	struct archive_entry *e = archive_entry_new();

	if (!e)
		return NULL;
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)size);
	archive_entry_set_mtime(e, (time_t)mtime, 0);
	return e;
}

/* The manifest as a member of a tar, without the end of that tar. */
static int
manifest_member(struct writer *w, struct buf *out)
{
	const struct archive_manifest *m = w->job->manifest;
	char *name = xasprintf("%s.manifest.json", m->medium);
	struct archive *tar = new_tar(out, put_memory);
	struct archive_entry *e;
	struct buf text = BUF_INIT;
	int64_t newest = 0;
	size_t i;
	int rc = -1;

	for (i = 0; i < m->count; i++)
		if (m->members[i].mtime > newest)
			newest = m->members[i].mtime;
	archive_manifest_put(m, &text);
	e = new_entry(name, text.len, newest);
	if (tar && e && archive_write_header(tar, e) == ARCHIVE_OK &&
	    archive_write_data(tar, text.data, text.len) ==
	    (la_ssize_t)text.len &&
	    archive_write_finish_entry(tar) == ARCHIVE_OK)
		rc = 0;
	archive_entry_free(e);
	if (tar) {
		/* freeing would close, and write the end of the tar */
		archive_write_fail(tar);
		archive_write_free(tar);
	}
	buf_free(&text);
	free(name);
	return rc < 0 ? fail(w, ENOMEM, "make the manifest", NULL) : 0;
}

/*
 * Where the data of a file is, up to size, as its file system says.  A file
 * system without SEEK_DATA has one extent.
 */
static size_t
find_extents(int fd, off_t size, off_t hole_min, struct extent **extents)
{
	size_t count = 0, room = 0;
	off_t start, end = 0;

	*extents = NULL;
	while (end < size) {
		start = lseek(fd, end, SEEK_DATA);
		if (start < 0 && errno == ENXIO)
			break;
		if (start < 0)
			start = end;
		if (start >= size)
			break;
		end = lseek(fd, start, SEEK_HOLE);
		if (end < 0 || end > size)
			end = size;
		if (count > 0 && start - (*extents)[count - 1].end <
		    hole_min) {
			(*extents)[count - 1].end = end;
			continue;
		}
		if (count == room) {
			room = room ? 2 * room : 16;
			*extents = xrealloc(*extents, room * sizeof **extents);
		}
		(*extents)[count].start = start;
		(*extents)[count++].end = end;
	}
	return count;
}

static size_t
extents_of(int fd, off_t size, struct extent **extents)
{
	off_t hole_min;
	size_t count;

	for (hole_min = HOLE_MIN; ; hole_min *= 4) {
		count = find_extents(fd, size, hole_min, extents);
		if (count <= EXTENTS_MAX)
			return count;
		free(*extents);
	}
}

static void
set_sparse(struct archive_entry *e, const struct extent *extents,
    size_t count, off_t size)
{
	size_t i;

	if (size == 0 || (count == 1 && extents[0].start == 0 &&
	    extents[0].end == size))
		return;
	if (count == 0)
		archive_entry_sparse_add_entry(e, 0, 0);
	for (i = 0; i < count; i++)
		archive_entry_sparse_add_entry(e, extents[i].start,
		    extents[i].end - extents[i].start);
}

static int
put_data(struct writer *w, const void *bytes, size_t len)
{
	la_ssize_t n;

	/* it takes no more at once than to the next hole */
	while (len > 0) {
		n = archive_write_data(w->tar, bytes, len);
		if (n <= 0)
			return fail(w, w->err ? w->err : EIO,
			    "write the archive", NULL);
		bytes = (const char *)bytes + n;
		len -= (size_t)n;
	}
	return 0;
}

/* [from, to) of a member, a hole or data, hashed on its way. */
static int
copy_range(struct writer *w, blake3_hasher *h, int fd, off_t from, off_t to,
    int hole, const char *name)
{
	while (from < to) {
		size_t want = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
		ssize_t n = (ssize_t)want;

		if (w->job->stop && w->job->stop()) {
			errno = EINTR;
			return -1;
		}
		if (!hole)
			n = pread(fd, w->chunk, want, from);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(w, errno, "read", name);
		if (n == 0)
			return fail(w, ENODATA, "read all of", name);
		blake3_hasher_update(h, hole ? w->zeros : w->chunk,
		    (size_t)n);
		if (put_data(w, hole ? w->zeros : w->chunk, (size_t)n) < 0)
			return -1;
		from += n;
		w->done += (uint64_t)n;
		if (w->job->progress)
			w->job->progress(w->done);
	}
	return 0;
}

static int
copy_member(struct writer *w, struct archive_member *m, int fd,
    const struct extent *extents, size_t count)
{
	blake3_hasher h;
	off_t at = 0;
	size_t i;

	blake3_hasher_init(&h);
	for (i = 0; i < count; i++) {
		if (copy_range(w, &h, fd, at, extents[i].start, 1,
		    m->name) < 0 || copy_range(w, &h, fd, extents[i].start,
		    extents[i].end, 0, m->name) < 0)
			return -1;
		at = extents[i].end;
	}
	if (copy_range(w, &h, fd, at, (off_t)m->size, 1, m->name) < 0)
		return -1;
	blake3_hex(&h, m->blake3);
	return 0;
}

static int
write_member(struct writer *w, struct archive_member *m, int fd)
{
	struct archive_entry *e = new_entry(m->name, m->size, m->mtime);
	struct extent *extents;
	size_t count = extents_of(fd, (off_t)m->size, &extents);
	int rc;

	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (!e) {
		free(extents);
		return fail(w, ENOMEM, "archive", m->name);
	}
	set_sparse(e, extents, count, (off_t)m->size);
	rc = archive_write_header(w->tar, e) == ARCHIVE_OK ? 0 :
	    fail(w, w->err ? w->err : EIO, "write the archive", NULL);
	archive_entry_free(e);
	if (rc == 0)
		rc = copy_member(w, m, fd, extents, count);
	free(extents);
	if (rc == 0 && archive_write_finish_entry(w->tar) != ARCHIVE_OK)
		rc = fail(w, w->err ? w->err : EIO, "write the archive",
		    NULL);
	return rc;
}

static int
write_members(struct writer *w)
{
	const struct archive_job *job = w->job;
	size_t i;

	for (i = 0; i < job->manifest->count; i++)
		if (write_member(w, &job->manifest->members[i],
		    job->members[i]) < 0)
			return -1;
	if (archive_write_close(w->tar) != ARCHIVE_OK)
		return fail(w, w->err ? w->err : EIO, "write the archive",
		    NULL);
	if (seekable_finish(w->out) < 0)
		return fail(w, errno, "write the archive", NULL);
	return 0;
}

int
archive_write(const struct archive_job *job, char **error)
{
	struct writer w = { .job = job, .error = error };
	struct buf first = BUF_INIT;
	size_t reserved;
	int rc = -1, err;

	*error = NULL;
	w.chunk = xmalloc(CHUNK);
	w.zeros = xcalloc(1, CHUNK);
	w.out = seekable_create(job->fd, job->level, 0);
	w.tar = w.out ? new_tar(&w, put) : NULL;
	if (!w.tar) {
		fail(&w, ENOMEM, "start the archive", NULL);
		goto out;
	}
	if (manifest_member(&w, &first) < 0)
		goto out;
	reserved = first.len;
	if (seekable_reserve(w.out, reserved) < 0) {
		fail(&w, errno, "write the archive", NULL);
		goto out;
	}
	if (write_members(&w) < 0)
		goto out;
	buf_reset(&first);
	if (manifest_member(&w, &first) < 0)
		goto out;
	if (first.len != reserved)
		fail(&w, EIO, "keep the size of the manifest", NULL);
	else if (seekable_fill(w.out, first.data, first.len) < 0)
		fail(&w, errno, "write the archive", NULL);
	else
		rc = 0;
out:
	err = errno;
	if (rc < 0 && w.tar)
		archive_write_fail(w.tar);
	if (w.tar)
		archive_write_free(w.tar);
	seekable_writer_free(w.out);
	buf_free(&first);
	free(w.chunk);
	free(w.zeros);
	errno = err;
	return rc;
}
