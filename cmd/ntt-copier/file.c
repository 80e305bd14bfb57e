#define _GNU_SOURCE
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/procstat.h"
#include "hash/blake3_hex.h"

enum {
	HOLE = 4096,		/* zeros of this size and alignment */
	ALIGNED = 4096		/* what O_DIRECT asks of places and lengths */
};

static int
is_zero(const char *p, size_t len)
{
	return p[0] == 0 && !memcmp(p, p + 1, len - 1);
}

/*
 * Large files go past the page cache: in it they would only push out pages that
 * are needed again.  0: the file system needs ordinary writes.
 */
static int
direct(int fd, int on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || !(flags & O_DIRECT) == !on)
		return 0;
	return fcntl(fd, F_SETFL, flags ^ O_DIRECT) == 0;
}

/*
 * A buffer at its offset; of a sparse file its blocks of zeros stay holes.
 * The caller sets the length at the end.
 */
static int
write_part(int fd, const char *p, size_t len, uint64_t offset, int sparse)
{
	size_t from = 0, at, n;
	ssize_t w;

	for (at = 0; at <= len; at += n) {
		n = len - at < HOLE ? len - at : HOLE;
		if (n > 0 && !(sparse && n == HOLE && is_zero(p + at, n)))
			continue;
		while (from < at) {
			w = pwrite(fd, p + from, at - from,
			    (off_t)(offset + from));
			if (w < 0 && (errno == EINTR ||
			    (errno == EINVAL && direct(fd, 0))))
				continue;
			if (w < 0)
				return -1;
			from += (size_t)w;
		}
		if (n == 0)
			break;
		from = at + n;
	}
	return 0;
}

/* The end of a buffer, up to where a direct write may end, and that written. */
static int
write_buffer(struct copy_reader *r, int fd, size_t len, uint64_t offset,
    int sparse)
{
	size_t whole = (len + ALIGNED - 1) / ALIGNED * ALIGNED;

	memset(r->buf + len, 0, whole - len);
	return write_part(fd, r->buf, whole, offset, sparse);
}

/* How often this process has slept for something. */
static long
sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

/* What the file system found to be wrong, not this machine. */
static int
is_damage(int err)
{
	return err == EIO || err == EBADMSG || err == EUCLEAN ||
	    err == ENODATA;
}

/* The next buffer of a damaged file, a page at a time. */
static ssize_t
salvage(struct copy_reader *r, int fd)
{
	enum { PAGE = 4096 };
	off_t from = lseek(fd, 0, SEEK_CUR), at = from, end;
	ssize_t n;

	if (from < 0)
		return -1;
	end = (uint64_t)from + COPY_BUFFER < r->size ? from + COPY_BUFFER :
	    (off_t)r->size;
	for (; at < end; at += n) {
		size_t want = end - at < PAGE ? (size_t)(end - at) : PAGE;

		n = pread_full(fd, r->buf + (at - from), want, at);
		if (n == (ssize_t)want)
			continue;
		if (n < 0 && !is_damage(errno))
			return -1;
		n = n < 0 ? 0 : n;
		memset(r->buf + (at - from) + n, 0, want - (size_t)n);
		r->zeroed += want - (uint64_t)n;
		n = (ssize_t)want;
	}
	if (r->zeroed == r->size) {
		errno = EIO;
		return -1;
	}
	return lseek(fd, end, SEEK_SET) < 0 ? -1 : (ssize_t)(end - from);
}

/*
 * A buffer full, or what is left.  A file of the size it should have needs no
 * read that finds its end: check_end() sees whether it has grown.
 */
static ssize_t
read_source(struct copy_reader *r, int fd, off_t size)
{
	uint64_t from = monotonic_ns();
	long slept = sleeps();
	ssize_t n = read(fd, r->buf, COPY_BUFFER), more;

	while (n < 0 && errno == EINTR)
		n = read(fd, r->buf, COPY_BUFFER);
	if (n > 0 && n < COPY_BUFFER && n != size) {
		more = read_full(fd, r->buf + n, COPY_BUFFER - (size_t)n);
		if (more < 0)
			lseek(fd, -n, SEEK_CUR);
		n = more < 0 ? -1 : n + more;
	}
	if (n < 0 && r->salvage && is_damage(errno))
		n = salvage(r, fd);
	/* a read that did not sleep was served by the cache */
	if (sleeps() != slept)
		r->waited_ns += monotonic_ns() - from;
	return n;
}

static enum copy_outcome
store_failed(struct copy_reader *r, struct copied *out)
{
	out->err = errno;
	store_temp_discard(r->store, &out->temp);
	return COPY_STORE_FAILED;
}

static enum copy_outcome
source_failed(struct copy_reader *r, struct copied *out,
    enum copy_outcome outcome, int err)
{
	out->err = err;
	store_temp_discard(r->store, &out->temp);
	return outcome;
}

/*
 * 1: the store has it or will; 0: it does not; -1 with errno.  bytes: all of
 * them, or NULL.  c->heals: what it has is wrong, and that is 0 too.
 */
static int
known(struct copy_reader *r, struct copied *c, const void *bytes)
{
	uint64_t size;
	int has;

	c->heals = 0;
	if (r->pending && r->pending(r->arg, c->id))
		return 1;
	has = store_has(r->store, c->id, &size);
	if (!r->doubt && has == 1 && size != c->size)
		errno = EBADMSG;
	if (!r->doubt)
		return has == 1 && size != c->size ? -1 : has;
	/* what is no file at all is wrong as well */
	if (has < 0 && errno != EBADMSG)
		return -1;
	if (has == 0 && !r->marked(r->arg, c->id))
		return 0;
	has = r->doubt(r->arg, c->id, c->size, bytes);
	c->heals = has == 0;
	return has;
}

int
copy_take_over(struct copy_reader *r, const char *id, uint64_t size,
    struct copied *out)
{
	*out = (struct copied){ .size = size, .temp.fd = -1, .taken_over = 1 };
	snprintf(out->id, sizeof out->id, "%s", id);
	r->zeroed = 0;
	return known(r, out, NULL) == 1;
}

enum copy_outcome
copy_bytes(struct copy_reader *r, const void *bytes, size_t len,
    struct copied *out)
{
	blake3_hasher h;
	int has;

	blake3_hasher_init(&h);
	blake3_hasher_update(&h, bytes, len);
	blake3_hex(&h, out->id);
	out->size = len;
	out->temp.fd = -1;
	out->err = 0;
	has = known(r, out, bytes);
	if (has < 0)
		return store_failed(r, out);
	if (has)
		return COPY_KNOWN;
	if (store_temp(r->store, &out->temp) < 0 ||
	    write_all(out->temp.fd, bytes, len) < 0)
		return store_failed(r, out);
	return COPY_NEW;
}

/*
 * Reads from where fd is to the end; the first have bytes are in the buffer
 * already.  temp NULL: only hash.
 */
static enum copy_outcome
stream(struct copy_reader *r, int fd, size_t have, struct store_temp *temp,
    int sparse, struct copied *out)
{
	blake3_hasher h;
	ssize_t n = (ssize_t)have;

	blake3_hasher_init(&h);
	digests_begin(r->digests);
	out->size = 0;
	for (;;) {
		blake3_hasher_update(&h, r->buf, (size_t)n);
		digests_add(r->digests, r->buf, (size_t)n);
		if (temp && write_buffer(r, temp->fd, (size_t)n, out->size,
		    sparse) < 0)
			return store_failed(r, out);
		out->size += (uint64_t)n;
		if (r->stop && r->stop())
			return source_failed(r, out, COPY_STOPPED, EINTR);
		n = read_source(r, fd, 0);
		if (n < 0)
			return source_failed(r, out, COPY_SOURCE_FAILED,
			    errno);
		if (n == 0)
			break;
	}
	if (temp)
		direct(temp->fd, 0);
	if (temp && ftruncate(temp->fd, (off_t)out->size) < 0)
		return store_failed(r, out);
	blake3_hex(&h, out->id);
	return COPY_NEW;
}

static enum copy_outcome
check_end(struct copy_reader *r, int fd, const struct stat *st,
    enum copy_outcome outcome, struct copied *out)
{
	struct stat now;

	if (outcome != COPY_NEW && outcome != COPY_KNOWN)
		return outcome;
	if (fstat(fd, &now) < 0)
		return source_failed(r, out, COPY_SOURCE_FAILED, errno);
	if (now.st_size != st->st_size ||
	    now.st_mtim.tv_sec != st->st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != st->st_mtim.tv_nsec) {
		out->unstable = 1;
		if (!r->settle)
			return source_failed(r, out, COPY_CHANGED, ESTALE);
		out->digests = digests_end(r->digests);
		return outcome;
	}
	if (out->size < (uint64_t)st->st_size)
		return source_failed(r, out, COPY_SHORT, EIO);
	out->digests = digests_end(r->digests);
	return outcome;
}

static enum copy_outcome
copy_large(struct copy_reader *r, int fd, size_t have, const struct stat *st,
    int likely_known, struct copied *out)
{
	int sparse = st->st_blocks * 512 < st->st_size, has;
	char first[STORE_ID + 1] = "";
	enum copy_outcome outcome;

	if (likely_known && !r->settle) {
		outcome = stream(r, fd, have, NULL, 0, out);
		if (outcome != COPY_NEW)
			return outcome;
		has = known(r, out, NULL);
		if (has < 0)
			return store_failed(r, out);
		if (has)
			return COPY_KNOWN;
		memcpy(first, out->id, sizeof first);
		if (lseek(fd, 0, SEEK_SET) < 0)
			return source_failed(r, out, COPY_SOURCE_FAILED,
			    errno);
		have = 0;
	}
	if (store_temp(r->store, &out->temp) < 0)
		return store_failed(r, out);
	direct(out->temp.fd, 1);
	/* in one piece, and a full disk is known at once; not all can do it */
	if (!sparse && fallocate(out->temp.fd, FALLOC_FL_KEEP_SIZE, 0,
	    st->st_size) < 0 && errno == ENOSPC)
		return store_failed(r, out);
	outcome = stream(r, fd, have, &out->temp, sparse, out);
	if (outcome != COPY_NEW)
		return outcome;
	if (*first && strcmp(first, out->id))
		return source_failed(r, out, COPY_CHANGED, EIO);
	has = known(r, out, NULL);
	if (has < 0)
		return store_failed(r, out);
	if (has) {
		store_temp_discard(r->store, &out->temp);
		return COPY_KNOWN;
	}
	return COPY_NEW;
}

enum copy_outcome
copy_file(struct copy_reader *r, int fd, const struct stat *st,
    int likely_known, struct copied *out)
{
	ssize_t n;

	out->temp.fd = -1;
	out->err = out->heals = out->unstable = out->taken_over = 0;
	out->digests = NULL;
	out->size = 0;
	r->zeroed = 0;
	r->size = (uint64_t)st->st_size;
	n = read_source(r, fd, st->st_size);
	if (n < 0)
		return source_failed(r, out, COPY_SOURCE_FAILED, errno);
	if (r->look)
		r->look(r->arg, r->buf, (size_t)n);
	if (n < COPY_BUFFER) {
		digests_begin(r->digests);
		digests_add(r->digests, r->buf, (size_t)n);
		return check_end(r, fd, st, copy_bytes(r, r->buf, (size_t)n,
		    out), out);
	}
	return check_end(r, fd, st, copy_large(r, fd, (size_t)n, st,
	    likely_known, out), out);
}

int
copy_read_back(struct copy_reader *r, const struct copied *c)
{
	char id[STORE_ID + 1];
	blake3_hasher h;
	off_t at = 0;
	ssize_t n;

	/* it was synced: what is read now comes from the disk */
	posix_fadvise(c->temp.fd, 0, 0, POSIX_FADV_DONTNEED);
	blake3_hasher_init(&h);
	while ((n = pread_full(c->temp.fd, r->buf, COPY_BUFFER, at)) > 0) {
		blake3_hasher_update(&h, r->buf, (size_t)n);
		at += n;
	}
	if (n < 0)
		return -1;
	blake3_hex(&h, id);
	return !strcmp(id, c->id);
}
