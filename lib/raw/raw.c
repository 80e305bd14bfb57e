#define _GNU_SOURCE
#include "raw/raw.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"

enum {
	SEPARATOR = 034,
	FIELDS = 6,			/* before the path */
	READ_SIZE = 1 << 20,
	WRITE_SIZE = 1 << 18,
	/* legacy modes are up to seven octal digits, leading zeros more */
	RECORD_MAX = RAW_PATH_MAX + 256
};

static const char types[] = "fdlbcpsU?mo";

char
raw_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFBLK: return 'b';
	case S_IFCHR: return 'c';
	case S_IFIFO: return 'p';
	case S_IFSOCK: return 's';
	default: return 'U';
	}
}

void
raw_reader_init(struct raw_reader *r, int fd)
{
	memset(r, 0, sizeof *r);
	r->fd = fd;
	r->legacy = -1;
	r->size = READ_SIZE;
	r->buf = xmalloc(r->size);
}

void
raw_reader_free(struct raw_reader *r)
{
	free(r->buf);
	r->buf = NULL;
}

/* More bytes behind those that are there: 1, 0 at the end, -1 with errno. */
static int
more(struct raw_reader *r)
{
	ssize_t n;

	if (r->eof)
		return 0;
	if (r->start > 0) {
		memmove(r->buf, r->buf + r->start, r->end - r->start);
		r->base += r->start;
		r->end -= r->start;
		r->start = 0;
	}
	if (r->end == r->size) {
		r->size *= 2;
		r->buf = xrealloc(r->buf, r->size);
	}
	n = read(r->fd, r->buf + r->end, r->size - r->end);
	if (n < 0)
		return -1;
	if (n == 0)
		r->eof = 1;
	r->end += (size_t)n;
	return n > 0;
}

static int
damage(struct raw_reader *r, const char *why)
{
	r->error = why;
	r->damaged = 1;
	errno = 0;
	return -1;
}

/* The digits up to a separator; NULL if there is anything else. */
static inline const char *
parse_u64(const char *p, uint64_t *out)
{
	uint64_t n = 0;
	const char *begin = p;
	unsigned int digit;

	for (; (digit = (unsigned char)*p - '0') < 10; p++) {
		/* nineteen digits always fit */
		if (p - begin >= 19 && (n > UINT64_MAX / 10 ||
		    (n == UINT64_MAX / 10 && digit > UINT64_MAX % 10)))
			return NULL;
		n = n * 10 + digit;
	}
	*out = n;
	return p > begin && *p == SEPARATOR ? p + 1 : NULL;
}

static const char *
parse_mtime(const char *p, int64_t *out)
{
	int negative = *p == '-';
	uint64_t n;

	p = parse_u64(p + negative, &n);
	if (!p || n > (uint64_t)INT64_MAX + (unsigned int)negative)
		return NULL;
	*out = negative ? (int64_t)-n : (int64_t)n;
	return p;
}

/* A letter as find's %y, or the octal mode of old files. */
static const char *
parse_type(const char *p, struct raw_record *rec, int *legacy)
{
	unsigned int mode = 0;
	const char *begin = p;

	if (*p && p[1] == SEPARATOR && strchr(types, *p)) {
		rec->type = *p;
		rec->mode = 0;
		*legacy = 0;
		return p + 2;
	}
	for (; *p >= '0' && *p <= '7'; p++) {
		if (mode > UINT_MAX >> 3)
			return NULL;
		mode = mode << 3 | (unsigned int)(*p - '0');
	}
	if (p == begin || *p != SEPARATOR)
		return NULL;
	rec->type = '?';
	rec->mode = mode;
	*legacy = 1;
	return p + 1;
}

/* What stands before the next separator; *p behind it.  0: there is none. */
static int
parse_span(const char **p, const char *end, struct raw_span *span)
{
	const char *separator = memchr(*p, SEPARATOR, (size_t)(end - *p));

	if (!separator)
		return 0;
	span->at = *p;
	span->len = (size_t)(separator - *p);
	*p = separator + 1;
	return 1;
}

static int
is_word(struct raw_span s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if ((s.at[i] < 'a' || s.at[i] > 'z') && s.at[i] != '_')
			return 0;
	return s.len > 0 && s.len <= RAW_KIND_MAX;
}

static const char *
parse_path(const struct raw_reader *r, const char *p, const char *end,
    struct raw_record *rec)
{
	if (p == end)
		return "the path is empty";
	rec->path = p;
	rec->path_len = (size_t)(end - p);
	rec->path_at = r->base + (uint64_t)(p - r->buf);
	if (rec->path_len > RAW_PATH_MAX)
		return "the path is longer than 1 MiB";
	return NULL;
}

static const char *
parse_omission(const struct raw_reader *r, const char *p, const char *end,
    struct raw_record *rec)
{
	uint64_t err;

	if (!parse_span(&p, end, &rec->kind) || !is_word(rec->kind))
		return "the kind of the omission is not a word";
	if (!(p = parse_u64(p, &err)) || err > INT_MAX)
		return "the error of the omission is not a number";
	rec->err = (int)err;
	if (!parse_span(&p, end, &rec->detail) ||
	    rec->detail.len > 3 * RAW_DETAIL_MAX)
		return "the omission has no detail";
	return parse_path(r, p, end, rec);
}

static const char *
parse_meta(const char *p, const char *end, struct raw_record *rec)
{
	struct raw_span rest = { p, (size_t)(end - p) }, key, value;

	rec->meta = rest;
	rec->path = "";
	while (rest.len > 0)
		if (!raw_meta_next(&rest, &key, &value))
			return "the metadata are not of the form key=value";
	return NULL;
}

/* What follows dev and ino in a record that find has not. */
static const char *
parse_other(struct raw_reader *r, const char *p, const char *end,
    struct raw_record *rec)
{
	rec->nlink = rec->size = rec->path_len = 0;
	rec->mtime = 0;
	return rec->type == RAW_META ? parse_meta(p, end, rec) :
	    parse_omission(r, p, end, rec);
}

/* NULL, or why the bytes from p to the NUL at end are no record. */
static const char *
parse(struct raw_reader *r, const char *p, const char *end,
    struct raw_record *rec)
{
	const char *why;
	int legacy;

	if (!(p = parse_type(p, rec, &legacy)))
		return "the type is neither a letter of find's nor a mode";
	if (r->legacy >= 0 && legacy != r->legacy)
		return "letters and octal modes are mixed in the type field";
	if (!(p = parse_u64(p, &rec->dev)))
		return "the device is not a number";
	if (!(p = parse_u64(p, &rec->ino)))
		return "the inode is not a number";
	if (rec->type == RAW_META || rec->type == RAW_OMISSION)
		return parse_other(r, p, end, rec);
	if (!(p = parse_u64(p, &rec->nlink)))
		return "the link count is not a number";
	if (!(p = parse_u64(p, &rec->size)))
		return "the size is not a number";
	if (!(p = parse_mtime(p, &rec->mtime)))
		return "the time is not a whole number of seconds";
	why = parse_path(r, p, end, rec);
	if (!why)
		r->legacy = legacy;
	return why;
}

int
raw_next(struct raw_reader *r, struct raw_record *rec)
{
	const char *nul, *why;
	size_t scanned = 0;
	int rc;

	if (r->damaged) {
		errno = 0;
		return -1;
	}
	while (!(nul = memchr(r->buf + r->start + scanned, '\0',
	    r->end - r->start - scanned))) {
		scanned = r->end - r->start;
		r->offset = r->base + r->start;
		if (scanned > RECORD_MAX)
			return damage(r, "the record has no end within 1 MiB");
		rc = more(r);
		if (rc < 0) {
			r->error = "could not read";
			return -1;
		}
		if (rc == 0 && scanned > 0)
			return damage(r, "the last record is truncated");
		if (rc == 0 && r->offset == 0)
			return damage(r, "the stream is empty");
		if (rc == 0)
			return 0;
	}
	r->offset = r->base + r->start;
	why = parse(r, r->buf + r->start, nul, rec);
	if (why)
		return damage(r, why);
	r->start = (size_t)(nul + 1 - r->buf);
	if (rec->type == RAW_META || rec->type == RAW_OMISSION)
		r->others++;
	else
		r->records++;
	return 1;
}

int
raw_decode(struct raw_record *rec, const char *bytes, size_t len)
{
	struct raw_reader r = { .buf = (char *)(uintptr_t)bytes };

	return parse(&r, bytes, bytes + len - 1, rec) ? -1 : 0;
}

int
raw_resync(struct raw_reader *r)
{
	const char *nul;

	r->damaged = 0;
	while (!(nul = memchr(r->buf + r->start, '\0', r->end - r->start))) {
		r->start = r->end;
		if (more(r) <= 0)
			return 0;
	}
	r->start = (size_t)(nul + 1 - r->buf);
	return 1;
}

int
raw_tail(int fd, uint64_t n, uint64_t *offset)
{
	off_t end = lseek(fd, 0, SEEK_END), at = end;
	char *block = xmalloc(WRITE_SIZE);
	ssize_t len;
	int rc = -1;

	if (end < 0)
		goto out;
	*offset = n ? 0 : (uint64_t)end;
	while (n > 0 && at > 0) {
		len = at < WRITE_SIZE ? at : WRITE_SIZE;
		at -= len;
		if (pread_full(fd, block, (size_t)len, at) != len)
			goto out;
		while (n > 0 && len-- > 0) {
			/* the very last byte ends a record, others part two */
			if (block[len] != '\0' || at + len + 1 == end)
				continue;
			if (--n == 0)
				*offset = (uint64_t)(at + len + 1);
		}
	}
	rc = 0;
out:
	free(block);
	return rc;
}

static inline char *
put_u64(char *out, uint64_t n)
{
	static const char pairs[] =
	    "00010203040506070809101112131415161718192021222324"
	    "25262728293031323334353637383940414243444546474849"
	    "50515253545556575859606162636465666768697071727374"
	    "75767778798081828384858687888990919293949596979899";
	char digits[20], *p = digits + sizeof digits;
	size_t len;

	for (; n >= 100; n /= 100)
		memcpy(p -= 2, pairs + n % 100 * 2, 2);
	if (n >= 10)
		memcpy(p -= 2, pairs + n * 2, 2);
	else
		*--p = (char)('0' + n);
	len = (size_t)(digits + sizeof digits - p);
	memcpy(out, p, len);
	out[len] = SEPARATOR;
	return out + len + 1;
}

size_t
raw_encode(char *out, const struct raw_record *rec)
{
	char *p = out;

	*p++ = rec->type;
	*p++ = SEPARATOR;
	p = put_u64(p, rec->dev);
	p = put_u64(p, rec->ino);
	p = put_u64(p, rec->nlink);
	p = put_u64(p, rec->size);
	if (rec->mtime < 0)
		*p++ = '-';
	p = put_u64(p, rec->mtime < 0 ? -(uint64_t)rec->mtime :
	    (uint64_t)rec->mtime);
	memcpy(p, rec->path, rec->path_len);
	p += rec->path_len;
	*p++ = '\0';
	return (size_t)(p - out);
}

/* ---- omissions and metadata ---- */

static void
put_number(struct buf *b, uint64_t n)
{
	buf_reserve(b, 24);
	b->len = (size_t)(put_u64(b->data + b->len, n) - b->data);
}

static void
put_escaped(struct buf *b, const char *bytes, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out;
	size_t i;

	buf_reserve(b, 3 * len + 1);
	out = b->data + b->len;
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c > ' ' && c < 0x7f && c != '%' && c != '=') {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	*out = '\0';
	b->len = (size_t)(out - b->data);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' ^ 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
raw_unescape(struct buf *b, struct raw_span text)
{
	size_t i;

	for (i = 0; i < text.len; i++) {
		const char *p = text.at + i;
		int high = *p == '%' && i + 2 < text.len ?
		    hex_digit(p[1]) : -1;
		int low = high < 0 ? -1 : hex_digit(p[2]);

		buf_putc(b, low < 0 ? *p : high << 4 | low);
		i += low < 0 ? 0 : 2;
	}
}

void
raw_encode_omission(struct buf *b, const struct raw_omission *o)
{
	const char *detail = o->detail ? o->detail : "";

	if (!is_word((struct raw_span){ o->kind, strlen(o->kind) }) ||
	    o->path_len == 0 || o->path_len > RAW_PATH_MAX || o->err < 0)
		abort();
	buf_putc(b, RAW_OMISSION);
	buf_putc(b, SEPARATOR);
	put_number(b, o->dev);
	put_number(b, o->ino);
	buf_puts(b, o->kind);
	buf_putc(b, SEPARATOR);
	put_number(b, (uint64_t)o->err);
	put_escaped(b, detail, strnlen(detail, RAW_DETAIL_MAX));
	buf_putc(b, SEPARATOR);
	buf_put(b, o->path, o->path_len);
	buf_putc(b, '\0');
}

void
raw_meta_begin(struct buf *b, uint64_t dev, uint64_t ino)
{
	buf_putc(b, RAW_META);
	buf_putc(b, SEPARATOR);
	put_number(b, dev);
	put_number(b, ino);
}

void
raw_meta_put(struct buf *b, const char *key, const void *value, size_t len)
{
	put_escaped(b, key, strlen(key));
	buf_putc(b, '=');
	put_escaped(b, value, len);
	buf_putc(b, SEPARATOR);
}

static void
put_key(struct buf *b, const char *key)
{
	buf_puts(b, key);
	buf_putc(b, '=');
}

void
raw_meta_number(struct buf *b, const char *key, uint64_t n)
{
	put_key(b, key);
	put_number(b, n);
}

void
raw_meta_octal(struct buf *b, const char *key, unsigned int n)
{
	char digits[12], *p = digits + sizeof digits;

	*--p = SEPARATOR;
	do
		*--p = (char)('0' + (n & 7));
	while ((n >>= 3) != 0);
	put_key(b, key);
	buf_put(b, p, (size_t)(digits + sizeof digits - p));
}

void
raw_meta_time(struct buf *b, const char *key, int64_t seconds, uint32_t ns)
{
	char fraction[11];
	int i;

	fraction[0] = '.';
	for (i = 9; i > 0; i--, ns /= 10)
		fraction[i] = (char)('0' + ns % 10);
	fraction[10] = SEPARATOR;
	put_key(b, key);
	if (seconds < 0)
		buf_putc(b, '-');
	put_number(b, seconds < 0 ? -(uint64_t)seconds : (uint64_t)seconds);
	b->len--;
	buf_put(b, fraction, sizeof fraction);
}

void
raw_meta_end(struct buf *b)
{
	b->data[b->len - 1] = '\0';	/* over the last separator */
}

int
raw_meta_next(struct raw_span *meta, struct raw_span *key,
    struct raw_span *value)
{
	const char *end = memchr(meta->at, SEPARATOR, meta->len);
	size_t len = end ? (size_t)(end - meta->at) : meta->len;
	const char *equals = memchr(meta->at, '=', len);

	if (!equals || equals == meta->at)
		return 0;
	key->at = meta->at;
	key->len = (size_t)(equals - meta->at);
	value->at = equals + 1;
	value->len = len - key->len - 1;
	meta->at += len;
	meta->len -= len;
	if (end) {
		meta->at++;
		meta->len--;
	}
	return 1;
}

/* The digits of a base at the front of a value; -1 unless there are any. */
static int64_t
take_digits(struct raw_span *value, unsigned int base)
{
	uint64_t n = 0;
	size_t i;
	unsigned int digit;

	for (i = 0; i < value->len; i++) {
		digit = (unsigned char)value->at[i] - (unsigned int)'0';
		if (digit >= base)
			break;
		if (n > ((uint64_t)INT64_MAX - digit) / base)
			return -1;
		n = n * base + digit;
	}
	value->at += i;
	value->len -= i;
	return i ? (int64_t)n : -1;
}

static int64_t
read_number(struct raw_span value, unsigned int base)
{
	int64_t n = take_digits(&value, base);

	return value.len == 0 ? n : -1;
}

/* major:minor */
static int64_t
read_rdev(struct raw_span value)
{
	int64_t major = take_digits(&value, 10), minor;

	if (major < 0 || major > INT32_MAX || value.len == 0 ||
	    *value.at != ':')
		return -1;
	value.at++;
	value.len--;
	minor = read_number(value, 10);
	return minor < 0 || minor > UINT32_MAX ? -1 : major << 32 | minor;
}

static uint64_t
read_hex(struct raw_span value)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < value.len; i++)
		n = n << 4 | (unsigned int)(hex_digit(value.at[i]) & 15);
	return n;
}

static struct raw_time
read_time(struct raw_span value)
{
	struct raw_time t = { .ns = RAW_NO_TIME };
	int negative = value.len > 0 && *value.at == '-';
	int64_t seconds, ns;

	value.at += negative;
	value.len -= (size_t)negative;
	seconds = take_digits(&value, 10);
	if (seconds < 0 || value.len != 10 || *value.at != '.')
		return t;
	value.at++;
	value.len--;
	ns = read_number(value, 10);
	if (ns < 0)
		return t;
	t.seconds = negative ? -seconds : seconds;
	t.ns = (uint32_t)ns;
	return t;
}

static int
is_key(struct raw_span key, const char *name)
{
	return key.len == strlen(name) && !memcmp(key.at, name, key.len);
}

void
raw_meta_read(struct raw_span meta, struct raw_meta *m)
{
	const struct raw_time none = { .ns = RAW_NO_TIME };
	struct raw_span key, value;

	memset(m, 0, sizeof *m);
	m->mode = m->uid = m->gid = m->rdev = -1;
	m->mtime = m->atime = m->ctime = m->btime = none;
	while (raw_meta_next(&meta, &key, &value)) {
		if (is_key(key, "mode"))
			m->mode = read_number(value, 8);
		else if (is_key(key, "uid"))
			m->uid = read_number(value, 10);
		else if (is_key(key, "gid"))
			m->gid = read_number(value, 10);
		else if (is_key(key, "mtime"))
			m->mtime = read_time(value);
		else if (is_key(key, "atime"))
			m->atime = read_time(value);
		else if (is_key(key, "ctime"))
			m->ctime = read_time(value);
		else if (is_key(key, "btime"))
			m->btime = read_time(value);
		else if (is_key(key, "rdev"))
			m->rdev = read_rdev(value);
		else if (is_key(key, "attr"))
			m->attr = read_hex(value);
		else if (is_key(key, "flags"))
			m->flags = read_hex(value);
		else if (is_key(key, "user"))
			m->user = value;
		else if (is_key(key, "group"))
			m->group = value;
		else if (key.len > 6 && !memcmp(key.at, "xattr:", 6))
			m->xattrs++;
	}
	if (m->mode > 07777)
		m->mode = -1;
}

void
raw_writer_init(struct raw_writer *w, int fd, int tee)
{
	memset(w, 0, sizeof *w);
	w->fd = fd;
	w->tee = tee;
	w->buf = xmalloc(WRITE_SIZE + RECORD_MAX);
	blake3_hasher_init(&w->hash);
}

void
raw_writer_free(struct raw_writer *w)
{
	free(w->buf);
	w->buf = NULL;
}

/*
 * A pipe takes up to PIPE_BUF bytes whole or not at all, and more than that in
 * parts: a writer killed while it waits for room leaves a prefix behind.
 */
static size_t
most_at_once(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? SIZE_MAX :
	    PIPE_BUF;
}

/* How much of a and b goes out at once: no part may end with a NUL. */
static size_t
portion(size_t most, const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t n = a_len + b_len;

	if (n <= most)
		return n;
	/* no record is empty, so there are never two in a row */
	if ((most <= a_len ? a[most - 1] : b[most - 1 - a_len]) == '\0')
		return most - 1;
	return most;
}

/* Unlike write_all() this ends at a signal: a full pipe may never drain. */
static int
send_bytes(struct raw_writer *w, int fd, const char *a, size_t a_len,
    const char *b, size_t b_len)
{
	size_t most = most_at_once(fd);
	ssize_t n;

	while (a_len + b_len > 0) {
		size_t want = portion(most, a, a_len, b, b_len);
		size_t a_part = want < a_len ? want : a_len;
		struct iovec iov[2] = {
			{ (char *)a, a_part }, { (char *)b, want - a_part }
		};

		n = writev(fd, iov, 2);
		if (n < 0 && errno == EINTR && !(w->stop && w->stop()))
			continue;
		if (n >= 0 && (size_t)n < want && w->stop && w->stop()) {
			errno = EINTR;
			n = -1;
		}
		if (n < 0) {
			w->failed = fd;
			return -1;
		}
		if ((size_t)n < a_len) {
			a += n;
			a_len -= (size_t)n;
			continue;
		}
		b += (size_t)n - a_len;
		b_len -= (size_t)n - a_len;
		a_len = 0;
	}
	return 0;
}

static int
send_both(struct raw_writer *w, const char *a, size_t a_len, const char *b,
    size_t b_len)
{
	if (send_bytes(w, w->fd, a, a_len, b, b_len) < 0)
		return -1;
	return w->tee < 0 ? 0 : send_bytes(w, w->tee, a, a_len, b, b_len);
}

/* In large pieces: that is where BLAKE3 is fast. */
static void
hash_pending(struct raw_writer *w)
{
	blake3_hasher_update(&w->hash, w->buf + w->hashed, w->len - w->hashed);
	w->hashed = w->len;
}

int
raw_flush(struct raw_writer *w)
{
	if (w->len <= 1)
		return 0;
	hash_pending(w);
	if (send_both(w, w->buf, w->len - 1, NULL, 0) < 0)
		return -1;
	w->buf[0] = '\0';
	w->len = w->hashed = 1;
	return 0;
}

int
raw_put(struct raw_writer *w, const struct raw_record *rec)
{
	size_t len;

	if (rec->path_len == 0 || rec->path_len > RAW_PATH_MAX) {
		errno = rec->path_len ? ENAMETOOLONG : EINVAL;
		return -1;
	}
	len = raw_encode(w->buf + w->len, rec);
	w->len += len;
	w->bytes += len;
	w->records++;
	return w->len < WRITE_SIZE ? 0 : raw_flush(w);
}

int
raw_put_encoded(struct raw_writer *w, const char *bytes, size_t len,
    uint64_t records)
{
	if (len == 0)
		return 0;
	hash_pending(w);
	blake3_hasher_update(&w->hash, bytes, len);
	w->bytes += len;
	w->records += records;
	/* the byte that was held back goes out, another one stays */
	if (send_both(w, w->buf, w->len, bytes, len - 1) < 0)
		return -1;
	w->buf[0] = '\0';
	w->len = w->hashed = 1;
	return 0;
}

int
raw_finish_fd(struct raw_writer *w)
{
	hash_pending(w);
	if (raw_flush(w) < 0 || send_bytes(w, w->fd, w->buf, w->len, NULL, 0) < 0)
		return -1;
	w->fd_done = 1;
	return 0;
}

int
raw_finish(struct raw_writer *w)
{
	if (!w->fd_done && raw_finish_fd(w) < 0)
		return -1;
	if (w->tee >= 0 && send_bytes(w, w->tee, w->buf, w->len, NULL, 0) < 0)
		return -1;
	w->len = 0;
	return 0;
}

const char *
raw_relative(const char *path, size_t len, const char *prefix,
    size_t prefix_len, size_t *relative_len)
{
	const char *p, *end = path + len;

	while (prefix_len > 0 && prefix[prefix_len - 1] == '/')
		prefix_len--;
	if (len < prefix_len || memcmp(path, prefix, prefix_len) != 0)
		return NULL;
	p = path + prefix_len;
	if (p < end && *p != '/')
		return NULL;
	while (p < end && *p == '/')
		p++;
	*relative_len = (size_t)(end - p);
	return p;
}
