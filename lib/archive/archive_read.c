#define _GNU_SOURCE
#include "archive/archive_read.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "archive/seekable.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "hash/blake3_hex.h"

struct reader {
	struct seekable *in;
	struct archive *tar;
	const char *member;		/* being read, NULL: none */
	uint64_t done, given;		/* given: to libarchive */
	const char *block;		/* what was given last */
	size_t block_len;
	void (*progress)(uint64_t bytes);
	int (*stop)(void);
	int err;			/* errno of the input */
	char **error;
};

enum { ZEROS = 1 << 16 };
static const char zeros[ZEROS];

static int __attribute__((format(printf, 3, 4)))
fail(struct reader *r, int err, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	if (!*r->error) {
		if (r->member)
			buf_printf(&b, "member %s: ", r->member);
		va_start(ap, fmt);
		buf_vprintf(&b, fmt, ap);
		va_end(ap);
		*r->error = buf_detach(&b);
	}
	errno = err;
	return -1;
}

static la_ssize_t
get(struct archive *tar, void *arg, const void **bytes)
{
	struct reader *r = arg;
	ssize_t n;

	if (r->stop && r->stop()) {
		r->err = EINTR;
		archive_set_error(tar, EINTR, "interrupted");
		return -1;
	}
	n = seekable_next(r->in, bytes);
	if (n < 0) {
		r->err = errno;
		archive_set_error(tar, errno, "%s", seekable_error(r->in));
	}
	if (n > 0) {
		r->given += (uint64_t)n;
		r->block = *bytes;
		r->block_len = (size_t)n;
	}
	return n;
}

static la_int64_t
skip(struct archive *tar, void *arg, la_int64_t bytes)
{
	struct reader *r = arg;
	uint64_t from = seekable_tell(r->in);

	(void)tar;
	seekable_seek(r->in, from + (uint64_t)bytes);
	return (la_int64_t)(seekable_tell(r->in) - from);
}

/* What went wrong below libarchive, or in what it parsed. */
static int
fail_tar(struct reader *r)
{
	if (r->err == EINTR)
		return fail(r, EINTR, "interrupted");
	if (r->err)
		return fail(r, r->err, "%s", *seekable_error(r->in) ?
		    seekable_error(r->in) : strerror(r->err));
	return fail(r, EBADMSG, "it is not a tar as we write it");
}

static int
reader_open(struct reader *r, int fd, int ahead, char **error)
{
	memset(r, 0, sizeof *r);
	r->error = error;
	*error = NULL;
	r->in = seekable_open(fd, ahead);
	if (!r->in && (errno == ENOMSG || errno == EBADMSG))
		return fail(r, EBADMSG, errno == ENOMSG ?
		    "there is no table of frames at its end: it was cut off, "
		    "or it is not an archive of ntt-archiver" :
		    "the table of frames at its end is damaged, or bytes are "
		    "missing");
	if (!r->in)
		return fail(r, errno, "%s", strerror(errno));
	r->tar = archive_read_new();
	if (!r->tar ||
	    archive_read_support_format_tar(r->tar) != ARCHIVE_OK ||
	    (ahead == 0 &&
	    archive_read_set_skip_callback(r->tar, skip) != ARCHIVE_OK) ||
	    archive_read_set_callback_data(r->tar, r) != ARCHIVE_OK ||
	    archive_read_set_read_callback(r->tar, get) != ARCHIVE_OK)
		return fail(r, ENOMEM, "out of memory");
	if (archive_read_open1(r->tar) != ARCHIVE_OK)
		return fail_tar(r);
	return 0;
}

static void
reader_close(struct reader *r)
{
	int err = errno;

	if (r->tar)
		archive_read_free(r->tar);
	seekable_close(r->in);
	errno = err;
}

/* 1, 0 at the end of the tar, -1. */
static int
next_entry(struct reader *r, struct archive_entry **e)
{
	int rc = archive_read_next_header(r->tar, e);

	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc != ARCHIVE_OK)
		return fail_tar(r);
	return 1;
}

static int
read_manifest(struct reader *r, struct archive_manifest *m)
{
	struct archive_entry *e;
	const char *name;
	la_ssize_t got;
	size_t size;
	char *text;
	int rc = next_entry(r, &e);

	if (rc < 0)
		return -1;
	name = rc > 0 ? archive_entry_pathname(e) : NULL;
	if (!name || !has_suffix(name, ".manifest.json"))
		return fail(r, EBADMSG, "its first member is no manifest");
	size = (size_t)archive_entry_size(e);
	if (size > ARCHIVE_MANIFEST_MAX)
		return fail(r, EBADMSG, "its manifest is too large");
	text = xmalloc(size + 1);
	got = archive_read_data(r->tar, text, size);
	if (got != (la_ssize_t)size)
		rc = fail_tar(r);
	else
		rc = archive_manifest_parse(m, text, size, r->error);
	if (rc < 0 && !r->err)
		errno = EBADMSG;
	free(text);
	return rc < 0 ? -1 : 0;
}

static void
hash_zeros(blake3_hasher *h, uint64_t len)
{
	for (; len > ZEROS; len -= ZEROS)
		blake3_hasher_update(h, zeros, ZEROS);
	blake3_hasher_update(h, zeros, (size_t)len);
}

static int
prove_member(struct reader *r, struct archive_entry *e,
    const struct archive_member *want)
{
	char hex[ARCHIVE_HEX + 1];
	const void *bytes;
	blake3_hasher h;
	la_int64_t offset;
	uint64_t at = 0;
	size_t len;
	int rc;

	if ((uint64_t)archive_entry_size(e) != want->size)
		return fail(r, EBADMSG, "it has another size than in the "
		    "manifest");
	blake3_hasher_init(&h);
	while ((rc = archive_read_data_block(r->tar, &bytes, &len,
	    &offset)) == ARCHIVE_OK) {
		if ((uint64_t)offset < at || (uint64_t)offset > want->size ||
		    len > want->size - (uint64_t)offset)
			return fail(r, EBADMSG, "its data overlap");
		hash_zeros(&h, (uint64_t)offset - at);
		blake3_hasher_update(&h, bytes, len);
		at = (uint64_t)offset + len;
		if (r->progress)
			r->progress(r->done + at);
	}
	if (rc != ARCHIVE_EOF)
		return fail_tar(r);
	hash_zeros(&h, want->size - at);
	r->done += want->size;
	blake3_hex(&h, hex);
	if (strcmp(hex, want->blake3))
		return fail(r, EBADMSG, "it has BLAKE3 %s, in the manifest "
		    "%s", hex, want->blake3);
	return 0;
}

/*
 * libarchive stops at the end of the tar; the rest of what it was given last,
 * and the frames after it, are zeros.
 */
static int
prove_rest(struct reader *r)
{
	uint64_t left = r->given - (uint64_t)archive_filter_bytes(r->tar, 0);
	const void *bytes;
	ssize_t n = 0;
	int zeros_only = left <= r->block_len &&
	    all_zero(r->block + r->block_len - left, left);

	while (zeros_only && (n = seekable_next(r->in, &bytes)) > 0)
		zeros_only = all_zero(bytes, (size_t)n);
	if (!zeros_only)
		return fail(r, EBADMSG, "there is something after the end "
		    "of the tar");
	if (n == 0)
		return 0;
	r->err = errno;
	return fail_tar(r);
}

static int
prove(struct reader *r, struct archive_manifest *m)
{
	struct archive_entry *e;
	const char *name;
	size_t i;
	int rc;

	if (read_manifest(r, m) < 0)
		return -1;
	for (i = 0; i < m->count; i++) {
		r->member = m->members[i].name;
		rc = next_entry(r, &e);
		if (rc < 0)
			return -1;
		name = rc > 0 ? archive_entry_pathname(e) : NULL;
		if (!name || strcmp(name, r->member))
			return fail(r, EBADMSG, "it is not where the manifest "
			    "has it");
		if (prove_member(r, e, &m->members[i]) < 0)
			return -1;
	}
	r->member = NULL;
	rc = next_entry(r, &e);
	if (rc < 0)
		return -1;
	if (rc > 0)
		return fail(r, EBADMSG, "it has a member that is not in the "
		    "manifest");
	return prove_rest(r);
}

int
archive_prove(int fd, struct archive_manifest *m,
    void (*progress)(uint64_t bytes), int (*stop)(void), char **error)
{
	struct reader r;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int rc;

	memset(m, 0, sizeof *m);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	rc = reader_open(&r, fd, cpus > 1 ? 2 : 1, error);
	r.progress = progress;
	r.stop = stop;
	if (rc == 0)
		rc = prove(&r, m);
	reader_close(&r);
	return rc;
}

int
archive_read_manifest(int fd, struct archive_manifest *m, char **error)
{
	struct reader r;
	int rc;

	memset(m, 0, sizeof *m);
	rc = reader_open(&r, fd, 0, error);
	if (rc == 0)
		rc = read_manifest(&r, m);
	reader_close(&r);
	return rc;
}

/* A region of data of a member: where it is in the member, and how long. */
struct region {
	uint64_t start, size;
};

static size_t
regions_of(struct archive_entry *e, struct region **regions)
{
	int n = archive_entry_sparse_reset(e), i;
	la_int64_t start, size;

	*regions = xcalloc(n > 0 ? (size_t)n : 1, sizeof **regions);
	if (n == 0) {
		(*regions)[0].size = (uint64_t)archive_entry_size(e);
		return 1;
	}
	for (i = 0; i < n; i++) {
		archive_entry_sparse_next(e, &start, &size);
		(*regions)[i].start = (uint64_t)start;
		(*regions)[i].size = (uint64_t)size;
	}
	return (size_t)n;
}

struct range {
	uint64_t from, to;		/* of the member, still to be put */
	int (*out)(void *arg, const void *bytes, size_t len);
	void *arg;
};

static int
put_zeros(struct range *want, uint64_t to)
{
	while (want->from < to && want->from < want->to) {
		uint64_t end = to < want->to ? to : want->to;
		size_t n = end - want->from < ZEROS ?
		    (size_t)(end - want->from) : ZEROS;

		if (want->out(want->arg, zeros, n) < 0)
			return -1;
		want->from += n;
	}
	return 0;
}

/* What the range has of a region whose bytes begin at position in the tar. */
static int
put_region(struct reader *r, struct range *want, const struct region *region,
    uint64_t position)
{
	uint64_t end = region->start + region->size;
	const void *bytes;
	ssize_t n;

	if (end > want->to)
		end = want->to;
	if (want->from >= end)
		return 0;
	seekable_seek(r->in, position + (want->from - region->start));
	while (want->from < end) {
		n = seekable_next(r->in, &bytes);
		if (n <= 0) {
			r->err = n < 0 ? errno : EBADMSG;
			return fail_tar(r);
		}
		if ((uint64_t)n > end - want->from)
			n = (ssize_t)(end - want->from);
		if (want->out(want->arg, bytes, (size_t)n) < 0)
			return fail(r, errno, "could not write: %s",
			    strerror(errno));
		want->from += (uint64_t)n;
	}
	return 0;
}

/*
 * libarchive does not say where the data of a member begin, but where the
 * next header does: the data, padded to 512 bytes, end there.
 */
static int
extract(struct reader *r, const char *member, struct range *want)
{
	struct archive_entry *e;
	struct region *regions = NULL;
	uint64_t stored = 0, position, size;
	size_t count, i;
	int rc;

	do
		rc = next_entry(r, &e);
	while (rc > 0 && strcmp(archive_entry_pathname(e), member));
	if (rc == 0)
		return fail(r, ENOENT, "it has no member %s", quoted(member));
	if (rc < 0)
		return -1;
	size = (uint64_t)archive_entry_size(e);
	count = regions_of(e, &regions);
	for (i = 0; i < count; i++)
		stored += regions[i].size;
	rc = next_entry(r, &e);
	if (rc >= 0) {
		rc = 0;
		position = (uint64_t)archive_read_header_position(r->tar) -
		    (stored + 511) / 512 * 512;
		if (want->from > size)
			want->from = size;
		if (want->to > size)
			want->to = size;
		for (i = 0; i < count && rc == 0; i++) {
			rc = put_zeros(want, regions[i].start);
			if (rc == 0)
				rc = put_region(r, want, &regions[i],
				    position);
			position += regions[i].size;
		}
		if (rc == 0)
			rc = put_zeros(want, size);
	}
	free(regions);
	return rc;
}

int
archive_extract(int fd, const char *member, uint64_t offset, uint64_t length,
    int (*out)(void *arg, const void *bytes, size_t len), void *arg,
    char **error)
{
	struct range want = { offset, offset + length, out, arg };
	struct reader r;
	int rc;

	if (want.to < want.from)
		want.to = UINT64_MAX;
	rc = reader_open(&r, fd, 0, error);
	if (rc == 0)
		rc = extract(&r, member, &want);
	reader_close(&r);
	return rc;
}
