#define _GNU_SOURCE
#include "catalogue/zlines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/fsutil.h"

enum { LEVEL = 3, CHUNK = 1 << 17 };

struct zlines_writer {
	int fd;
	ZSTD_CCtx *ctx;
	char *in, *out;
	size_t len;
};

struct zlines {
	int fd;
	ZSTD_DCtx *ctx;
	char *in;
	ZSTD_inBuffer packed;
	size_t want;		/* 0: between frames */
	struct buf text;
	size_t start;		/* of the next line in text */
	int ended;
};

/* ---- writing ---- */

struct zlines_writer *
zlines_create(int fd)
{
	struct zlines_writer *w = xcalloc(1, sizeof *w);

	w->fd = fd;
	w->ctx = ZSTD_createCCtx();
	if (!w->ctx)
		out_of_memory();
	ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_checksumFlag, 1);
	w->in = xmalloc(CHUNK);
	w->out = xmalloc(CHUNK);
	return w;
}

static int
drain(struct zlines_writer *w, ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = { w->in, w->len, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { w->out, CHUNK, 0 };

		left = ZSTD_compressStream2(w->ctx, &out, &in, how);
		if (ZSTD_isError(left)) {
			errno = EIO;
			return -1;
		}
		if (write_all(w->fd, w->out, out.pos) < 0)
			return -1;
	} while (in.pos < in.size || (how == ZSTD_e_end && left > 0));
	w->len = 0;
	return 0;
}

static int
put(struct zlines_writer *w, const char *bytes, size_t len)
{
	while (len > 0) {
		size_t n = CHUNK - w->len < len ? CHUNK - w->len : len;

		memcpy(w->in + w->len, bytes, n);
		w->len += n;
		bytes += n;
		len -= n;
		if (w->len == CHUNK && drain(w, ZSTD_e_continue) < 0)
			return -1;
	}
	return 0;
}

int
zlines_put(struct zlines_writer *w, const void *line, size_t len)
{
	return put(w, line, len) < 0 || put(w, "\n", 1) < 0 ? -1 : 0;
}

int
zlines_finish(struct zlines_writer *w)
{
	return drain(w, ZSTD_e_end);
}

void
zlines_writer_free(struct zlines_writer *w)
{
	if (!w)
		return;
	ZSTD_freeCCtx(w->ctx);
	free(w->in);
	free(w->out);
	free(w);
}

/* ---- reading ---- */

struct zlines *
zlines_open(int fd)
{
	struct zlines *z = xcalloc(1, sizeof *z);

	z->fd = fd;
	z->ctx = ZSTD_createDCtx();
	if (!z->ctx)
		out_of_memory();
	z->in = xmalloc(CHUNK);
	z->packed.src = z->in;
	return z;
}

/* More text: 1; 0 at the end of the file. */
static int
more(struct zlines *z)
{
	ZSTD_outBuffer out;
	ssize_t n;

	if (z->packed.pos == z->packed.size) {
		n = read_full(z->fd, z->in, CHUNK);
		if (n < 0)
			return -1;
		z->packed.size = (size_t)n;
		z->packed.pos = 0;
		z->ended = n == 0;
	}
	if (z->ended && z->want == 0)
		return 0;
	buf_reserve(&z->text, CHUNK);
	out = (ZSTD_outBuffer){ z->text.data + z->text.len, CHUNK, 0 };
	z->want = ZSTD_decompressStream(z->ctx, &out, &z->packed);
	z->text.len += out.pos;
	if (ZSTD_isError(z->want) || (z->ended && out.pos == 0)) {
		errno = EBADMSG;
		return -1;
	}
	return 1;
}

/* What was given already makes room. */
static void
forget(struct zlines *z)
{
	if (z->start < CHUNK)
		return;
	z->text.len -= z->start;
	memmove(z->text.data, z->text.data + z->start, z->text.len);
	z->start = 0;
}

int
zlines_next(struct zlines *z, const char **line, size_t *len)
{
	size_t seen;
	char *end = NULL;
	int rc;

	forget(z);
	seen = z->start;
	for (;;) {
		if (z->text.len > seen)
			end = memchr(z->text.data + seen, '\n',
			    z->text.len - seen);
		if (end)
			break;
		seen = z->text.len;
		rc = more(z);
		if (rc < 0)
			return -1;
		if (rc > 0)
			continue;
		if (z->start == z->text.len)
			return 0;
		errno = EBADMSG;
		return -1;
	}
	*line = z->text.data + z->start;
	*len = (size_t)(end - *line);
	*end = '\0';
	z->start += *len + 1;
	return 1;
}

void
zlines_close(struct zlines *z)
{
	if (!z)
		return;
	ZSTD_freeDCtx(z->ctx);
	buf_free(&z->text);
	free(z->in);
	free(z);
}
