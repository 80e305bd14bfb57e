#define _GNU_SOURCE
#include "archive_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive_read.h"
#include "base/buf.h"
#include "base/fsutil.h"
#include "base/tempfile.h"

/*
 * Superblocks lie in the first MiB of a file system, but for those at its end
 * (RAID, the second GPT) and the MFT of NTFS.
 */
enum {
	HEAD = 1 << 20, TAIL = 256 << 10, MFT = 64 << 10,
	BLOCK = 4096, CHAIN_MAX = 256, LAYOUT_MS = 60000, ROUNDS = 512
};

struct window {
	uint64_t start, end;
};

struct archive_image {
	char *path, *name, *member;
	uint64_t size;
	int ours;			/* fd is one of ntt-archiver */
	int fd;
	struct archive *tar;		/* else: reading front to back … */
	uint64_t at;			/* … from here */
	const char *block;		/* what libarchive gave and is left */
	size_t block_len;
	uint64_t block_at;
	int skeleton;			/* the parts that were read */
	struct window *have;
	size_t have_count;
	char **error;
};

static int
fail(struct archive_image *a, int err, const char *what)
{
	if (!*a->error)
		*a->error = xstrdup(what);
	errno = err;
	return -1;
}

static int
fail_tar(struct archive_image *a)
{
	const char *why = a->tar ? archive_error_string(a->tar) : NULL;

	return fail(a, EBADMSG, why ? why : "it is no archive");
}

static int
is_image(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && !strcmp(name + len - 4, ".img");
}

/* Opens the tar and reads on to the image: 0, or -1. */
static int
rewind_tar(struct archive_image *a)
{
	enum { BUFFER = 1 << 20 };
	struct archive_entry *e;
	const char *name;
	int rc;

	if (a->tar)
		archive_read_free(a->tar);
	a->tar = archive_read_new();
	if (!a->tar)
		return fail(a, ENOMEM, "out of memory");
	a->at = a->block_at = 0;
	a->block_len = 0;
	archive_read_support_format_tar(a->tar);
	archive_read_support_filter_zstd(a->tar);
	if (lseek(a->fd, 0, SEEK_SET) < 0 ||
	    archive_read_open_fd(a->tar, a->fd, BUFFER) != ARCHIVE_OK)
		return fail_tar(a);
	while ((rc = archive_read_next_header(a->tar, &e)) == ARCHIVE_OK) {
		name = archive_entry_pathname(e);
		if (!name || !is_image(name))
			continue;
		free(a->member);
		free(a->name);
		a->member = xstrdup(name);
		a->name = xstrdup(strrchr(name, '/') ?
		    strrchr(name, '/') + 1 : name);
		a->size = (uint64_t)archive_entry_size(e);
		return 0;
	}
	return rc == ARCHIVE_EOF ? fail(a, ENOENT, "it holds no image") :
	    fail_tar(a);
}

/* The image by the manifest, where there is one: 1, 0, -1. */
static int
open_ours(struct archive_image *a)
{
	struct archive_manifest m;
	char *why = NULL;
	size_t i;
	int found = 0;

	if (archive_read_manifest(a->fd, &m, &why) < 0) {
		free(why);
		return 0;
	}
	for (i = 0; i < m.count && !found; i++) {
		if (!is_image(m.members[i].name))
			continue;
		found = 1;
		a->member = xstrdup(m.members[i].name);
		a->name = xstrdup(m.members[i].name);
		a->size = m.members[i].size;
	}
	archive_manifest_free(&m);
	a->ours = 1;
	return found ? 1 : fail(a, ENOENT, "it holds no image");
}

struct archive_image *
archive_image_open(const char *path, char **error)
{
	struct archive_image *a = xcalloc(1, sizeof *a);
	int rc, err;

	*error = NULL;
	a->error = error;
	a->skeleton = -1;
	a->path = xstrdup(path);
	a->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (a->fd < 0)
		rc = fail(a, errno, strerror(errno));
	else
		rc = open_ours(a);
	if (rc == 0)
		rc = rewind_tar(a);
	if (rc >= 0)
		return a;
	err = errno;
	archive_image_close(a);
	errno = err;
	return NULL;
}

void
archive_image_close(struct archive_image *a)
{
	if (!a)
		return;
	if (a->tar)
		archive_read_free(a->tar);
	if (a->fd >= 0)
		close(a->fd);
	if (a->skeleton >= 0)
		close(a->skeleton);
	free(a->have);
	free(a->path);
	free(a->name);
	free(a->member);
	free(a);
}

const char *
archive_image_name(const struct archive_image *a)
{
	return a->name;
}

uint64_t
archive_image_size(const struct archive_image *a)
{
	return a->size;
}

/* Where the next bytes go: zeros are left out. */
struct sink {
	int fd;
	uint64_t at;
};

static int
is_zero(const char *p, size_t len)
{
	return len == 0 || (*p == 0 && !memcmp(p, p + 1, len - 1));
}

static int
put_sparse(void *arg, const void *bytes, size_t len)
{
	struct sink *s = arg;
	const char *p = bytes;

	while (len > 0) {
		size_t n = BLOCK - s->at % BLOCK, done = 0;
		ssize_t w;

		if (n > len)
			n = len;
		/* neighbouring blocks with data in one write */
		while (n < len && !is_zero(p + n, BLOCK < len - n ? BLOCK :
		    len - n) && !is_zero(p, n < BLOCK ? n : BLOCK))
			n += BLOCK < len - n ? BLOCK : len - n;
		while (!is_zero(p, n) && done < n) {
			w = pwrite(s->fd, p + done, n - done,
			    (off_t)(s->at + done));
			if (w < 0 && errno != EINTR)
				return -1;
			done += w > 0 ? (size_t)w : 0;
		}
		p += n;
		s->at += n;
		len -= n;
	}
	return 0;
}

/* The next block of the tar's image into block, or -1, 0 at its end. */
static int
next_block(struct archive_image *a)
{
	const void *bytes;
	la_int64_t offset;
	size_t len;
	int rc = archive_read_data_block(a->tar, &bytes, &len, &offset);

	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc != ARCHIVE_OK)
		return fail_tar(a);
	a->block = bytes;
	a->block_len = len;
	a->block_at = (uint64_t)offset;
	return 1;
}

static int
fetch_tar(struct archive_image *a, const struct window *w)
{
	uint64_t start, end;
	struct sink s = { a->skeleton, 0 };
	int rc = 1;

	if (w->start < a->at && rewind_tar(a) < 0)
		return -1;
	/* a block may serve several windows: it is kept until it is passed */
	for (;;) {
		if (a->block_len > 0 && a->block_at + a->block_len >
		    w->start && a->block_at < w->end) {
			start = w->start > a->block_at ? w->start :
			    a->block_at;
			end = a->block_at + a->block_len < w->end ?
			    a->block_at + a->block_len : w->end;
			s.at = start;
			if (put_sparse(&s, a->block + (start - a->block_at),
			    (size_t)(end - start)) < 0)
				return fail(a, errno, strerror(errno));
		}
		if (a->block_len > 0 && a->block_at + a->block_len >= w->end)
			break;
		rc = next_block(a);
		if (rc <= 0)
			break;
	}
	a->at = a->block_at;
	return rc < 0 ? -1 : 0;
}

static int
fetch(struct archive_image *a, const struct window *w)
{
	struct sink s = { a->skeleton, w->start };

	if (!a->ours)
		return fetch_tar(a, w);
	return archive_extract(a->fd, a->member, w->start, w->end - w->start,
	    put_sparse, &s, a->error);
}

static int
want(struct archive_image *a, uint64_t start, uint64_t len, int *more)
{
	struct window w = { start, start + len };
	size_t i;

	if (w.end > a->size || w.end < w.start)
		w.end = a->size;
	if (w.start >= w.end)
		return 0;
	for (i = 0; i < a->have_count; i++)
		if (a->have[i].start <= w.start && a->have[i].end >= w.end)
			return 0;
	if (fetch(a, &w) < 0)
		return -1;
	a->have = xrealloc(a->have, (a->have_count + 1) * sizeof *a->have);
	a->have[a->have_count++] = w;
	*more = 1;
	return 0;
}

/* NTFS is recognised by its MFT, whose place the boot sector names. */
static int
want_mft(struct archive_image *a, uint64_t start, int *more)
{
	uint8_t b[512];
	uint64_t cluster, mft = 0;
	int i;

	if (pread_full(a->skeleton, b, sizeof b, (off_t)start) != sizeof b ||
	    memcmp(b + 3, "NTFS    ", 8))
		return 0;
	cluster = (uint64_t)(b[11] | b[12] << 8) * b[13];
	for (i = 7; i >= 0; i--)
		mft = mft << 8 | b[48 + i];
	if (cluster == 0 || mft > a->size / cluster)
		return 0;
	return want(a, start + mft * cluster, MFT, more);
}

static int
want_volume(struct archive_image *a, uint64_t start, uint64_t size, int tail,
    int *more)
{
	if (tail)
		return size > TAIL ? want(a, start + size - TAIL, TAIL,
		    more) : 0;
	if (want(a, start, HEAD, more) < 0)
		return -1;
	return want_mft(a, start, more);
}

static uint32_t
little32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

/* The start of the extended partition of a table at pos, 0: it has none. */
static uint64_t
extended_in(struct archive_image *a, uint64_t pos)
{
	uint8_t b[512];
	int i;

	if (pread_full(a->skeleton, b, sizeof b, (off_t)pos) != sizeof b ||
	    b[510] != 0x55 || b[511] != 0xaa)
		return 0;
	for (i = 446; i < 510; i += 16)
		if (b[i + 4] == 0x05 || b[i + 4] == 0x0f || b[i + 4] == 0x85)
			return (uint64_t)little32(b + i + 8) * 512;
	return 0;
}

/*
 * Each logical partition has a table of its own that names the place of the
 * next, counted from the first of them.
 */
static int
want_logical(struct archive_image *a, int *more)
{
	uint64_t base = extended_in(a, 0), at = base, next;
	int i;

	for (i = 0; base && i < CHAIN_MAX; i++) {
		if (want(a, at, BLOCK, more) < 0)
			return -1;
		next = extended_in(a, at);
		if (next == 0 || base + next <= at)
			break;
		at = base + next;
	}
	return 0;
}

static int
want_all(struct archive_image *a, const struct layout *l, int tails,
    int *more)
{
	uint32_t i;

	if (!tails && l->count > 0 && want_logical(a, more) < 0)
		return -1;
	if (want_volume(a, 0, a->size, tails, more) < 0)
		return -1;
	for (i = 0; i < l->count; i++)
		if (want_volume(a, l->volumes[i].start, l->volumes[i].size,
		    tails, more) < 0)
			return -1;
	return 0;
}

static int
make_skeleton(struct archive_image *a, const char *dir)
{
	if (a->skeleton >= 0)
		return 0;
	a->skeleton = tempfile_unnamed(dir);
	if (a->skeleton < 0 || ftruncate(a->skeleton, (off_t)a->size) < 0)
		return fail(a, errno, strerror(errno));
	return 0;
}

/*
 * The table says where partitions are; an extended one where the next table
 * is: again, until nothing new is asked for.  The ends of the volumes come
 * last; in a stream that would be one more reading, which is worth it only
 * where nothing was found so far.
 */
int
archive_image_layout(struct archive_image *a, const char *dir,
    struct layout *l, char **error)
{
	int more, round, tails = 0;

	*error = NULL;
	a->error = error;
	memset(l, 0, sizeof *l);
	if (make_skeleton(a, dir) < 0)
		return -1;
	for (round = 0; round < ROUNDS; round++) {
		more = 0;
		if (want_all(a, l, tails, &more) < 0)
			return -1;
		if (!more && (tails || (!a->ours && l->count > 0)))
			return 0;
		if (!more) {
			tails = 1;
			continue;
		}
		if (layout_confined(l, a->skeleton, a->size, NULL,
		    LAYOUT_MS, NULL) < 0)
			return fail(a, errno, "its layout could not be "
			    "recognised");
	}
	return 0;
}

unsigned int
layout_mountable(const struct layout *l)
{
	unsigned int n = 0;
	uint32_t i;

	for (i = 0; i < l->count; i++)
		n += l->volumes[i].kind == VOLUME_FS;
	return n;
}

static int
extract_tar(struct archive_image *a, struct sink *s,
    void (*progress)(uint64_t bytes), int (*stop)(void))
{
	int rc;

	if (rewind_tar(a) < 0)
		return -1;
	while ((rc = next_block(a)) > 0) {
		s->at = a->block_at;
		if (put_sparse(s, a->block, a->block_len) < 0)
			return fail(a, errno, strerror(errno));
		if (progress)
			progress(s->at);
		if (stop && stop())
			return fail(a, EINTR, "interrupted");
	}
	return rc;
}

int
archive_image_extract(struct archive_image *a, int fd,
    void (*progress)(uint64_t bytes), int (*stop)(void), char **error)
{
	struct sink s = { fd, 0 };

	*error = NULL;
	a->error = error;
	/* front to back is the same for every kind of archive */
	if (extract_tar(a, &s, progress, stop) < 0)
		return -1;
	if (ftruncate(fd, (off_t)a->size) < 0)
		return fail(a, errno, strerror(errno));
	return 0;
}
