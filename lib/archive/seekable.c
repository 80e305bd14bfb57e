#define _GNU_SOURCE
#include "archive/seekable.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "archive/seektable.h"
#include "base/fsutil.h"

/*
 * Small jobs keep every thread busy to the end of a frame; the memory of a
 * thread is its compression state and about three jobs.
 */
enum {
	JOB = 4 << 20,
	OUTPUT = 1 << 20,
	THREADS_MAX = 16,
	AHEAD_MAX = 2,
	SKIPPABLE = 0x184D2A50,
	SKIPPABLE_HEADER = 8
};

static const size_t writer_memory = 288u << 20;

struct seekable_writer {
	int fd, level;
	ZSTD_CCtx *ctx;
	struct seektable table;
	uint64_t frame_packed, frame_size;	/* of the open frame */
	off_t packed;				/* of those before it */
	size_t reserved;
	char *out;
};

static int
threads_for(int level, int wanted)
{
	/* measured with zstd 1.5.4, rounded up */
	size_t each = (level <= 9 ? 48u : 144u) << 20;
	long n = wanted > 0 ? wanted : sysconf(_SC_NPROCESSORS_ONLN);

	if ((size_t)n > writer_memory / each)
		n = (long)(writer_memory / each);
	if (n > THREADS_MAX)
		n = THREADS_MAX;
	return n < 1 ? 1 : (int)n;
}

struct seekable_writer *
seekable_create(int fd, int level, int threads)
{
	struct seekable_writer *w = xcalloc(1, sizeof *w);

	w->fd = fd;
	w->level = level;
	w->ctx = ZSTD_createCCtx();
	w->out = xmalloc(OUTPUT);
	if (!w->ctx)
		goto fail;
	ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_checksumFlag, 1);
	/* a library built without threads refuses these two, and works */
	ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_nbWorkers,
	    threads_for(level, threads));
	ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_jobSize, JOB);
	return w;
fail:
	seekable_writer_free(w);
	errno = ENOMEM;
	return NULL;
}

void
seekable_writer_free(struct seekable_writer *w)
{
	if (!w)
		return;
	ZSTD_freeCCtx(w->ctx);
	seektable_free(&w->table);
	free(w->out);
	free(w);
}

/* One call of the compressor, its output written; what is left, or -1. */
static ssize_t
compress(struct seekable_writer *w, ZSTD_inBuffer *in, ZSTD_EndDirective end)
{
	ZSTD_outBuffer out = { w->out, OUTPUT, 0 };
	size_t left = ZSTD_compressStream2(w->ctx, &out, in, end);

	if (ZSTD_isError(left)) {
		errno = ENOMEM;
		return -1;
	}
	w->frame_packed += out.pos;
	if (write_all(w->fd, w->out, out.pos) < 0)
		return -1;
	return left > 0;
}

static int
end_frame(struct seekable_writer *w)
{
	ZSTD_inBuffer in = { NULL, 0, 0 };
	ssize_t left;

	do
		left = compress(w, &in, ZSTD_e_end);
	while (left > 0);
	if (left < 0)
		return -1;
	seektable_add(&w->table, (uint32_t)w->frame_packed,
	    (uint32_t)w->frame_size);
	/* the disk begins with it now, and fsync(2) finds little to do */
	sync_file_range(w->fd, w->packed, (off_t)w->frame_packed,
	    SYNC_FILE_RANGE_WRITE);
	w->packed += (off_t)w->frame_packed;
	w->frame_packed = w->frame_size = 0;
	return 0;
}

int
seekable_write(struct seekable_writer *w, const void *bytes, size_t len)
{
	ZSTD_inBuffer in = { bytes, 0, 0 };

	while (in.pos < len) {
		size_t from = in.pos, room;

		room = (size_t)(SEEKABLE_FRAME - w->frame_size);
		in.size = len - in.pos < room ? len : in.pos + room;
		while (in.pos < in.size)
			if (compress(w, &in, ZSTD_e_continue) < 0)
				return -1;
		w->frame_size += in.pos - from;
		if (w->frame_size == SEEKABLE_FRAME && end_frame(w) < 0)
			return -1;
	}
	return 0;
}

int
seekable_finish(struct seekable_writer *w)
{
	struct buf table = BUF_INIT;
	int rc = w->frame_size > 0 ? end_frame(w) : 0;

	if (rc == 0) {
		seektable_put(&w->table, &table);
		rc = write_all(w->fd, table.data, table.len);
	}
	buf_free(&table);
	return rc;
}

int
seekable_reserve(struct seekable_writer *w, size_t len)
{
	char *zeros;
	int rc;

	w->reserved = ZSTD_compressBound(len) + SKIPPABLE_HEADER;
	zeros = xcalloc(1, w->reserved);
	rc = write_all(w->fd, zeros, w->reserved);
	free(zeros);
	seektable_add(&w->table, (uint32_t)w->reserved, (uint32_t)len);
	w->packed = (off_t)w->reserved;
	return rc;
}

int
seekable_fill(struct seekable_writer *w, const void *bytes, size_t len)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	char *frame = xcalloc(1, w->reserved);
	uint32_t header[2];
	ssize_t written = 0;
	size_t n;

	errno = ENOMEM;
	if (!ctx)
		goto fail;
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, w->level);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(ctx, frame, w->reserved - SKIPPABLE_HEADER, bytes,
	    len);
	if (ZSTD_isError(n))
		goto fail;
	/* what is left over is a frame that decompresses to nothing */
	header[0] = htole32(SKIPPABLE);
	header[1] = htole32((uint32_t)(w->reserved - n - SKIPPABLE_HEADER));
	memcpy(frame + n, header, sizeof header);
	for (n = 0; n < w->reserved; n += (size_t)written) {
		written = pwrite(w->fd, frame + n, w->reserved - n, (off_t)n);
		if (written < 0 && errno != EINTR)
			goto fail;
		if (written < 0)
			written = 0;
	}
	ZSTD_freeCCtx(ctx);
	free(frame);
	return 0;
fail:
	ZSTD_freeCCtx(ctx);
	free(frame);
	return -1;
}

/* Reading. */

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_READY, SLOT_FAILED };

/* A decompressed frame; with threads, frame n is in slot n % slot_count. */
struct slot {
	size_t frame;
	enum slot_state state;
	char *bytes;
	size_t room;
	int err;
	const char *why;
};

struct seekable {
	int fd;
	struct seektable table;
	uint64_t *packed_at, *starts;	/* of each frame, and the ends */
	size_t current;			/* frame of the position */
	size_t offset;			/* in it */
	struct slot slots[AHEAD_MAX + 1];
	size_t slot_count;
	char error[160];

	pthread_t threads[AHEAD_MAX];
	int thread_count;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	size_t next;			/* frame no thread has taken yet */
	int stop;
};

/* State of one decompressing thread. */
struct unpacker {
	ZSTD_DCtx *ctx;
	char *packed;
	size_t room;
};

/* Between the end of a frame and its place in the table only zeros. */
static int
is_padding(const char *p, size_t len)
{
	uint32_t header[2];
	size_t i;

	if (len == 0)
		return 1;
	if (len < sizeof header)
		return 0;
	memcpy(header, p, sizeof header);
	if (le32toh(header[0]) != SKIPPABLE ||
	    le32toh(header[1]) != len - SKIPPABLE_HEADER)
		return 0;
	for (i = SKIPPABLE_HEADER; i < len; i++)
		if (p[i])
			return 0;
	return 1;
}

static void
grow(char **bytes, size_t *room, size_t want)
{
	if (*room >= want && *bytes)
		return;
	free(*bytes);
	*room = want ? want : 1;
	*bytes = xmalloc(*room);
}

/* Frame n into the slot: 0, or -1 with its err and why. */
static int
unpack(struct seekable *s, struct unpacker *u, size_t n, struct slot *slot)
{
	size_t packed = s->table.frames[n].packed;
	size_t size = s->table.frames[n].size, frame, got;
	ssize_t len;

	slot->err = EBADMSG;
	grow(&u->packed, &u->room, packed);
	len = pread_full(s->fd, u->packed, packed, (off_t)s->packed_at[n]);
	if (len < 0) {
		slot->err = errno;
		slot->why = "it could not be read";
		return -1;
	}
	frame = ZSTD_findFrameCompressedSize(u->packed, (size_t)len);
	if (ZSTD_isError(frame) || frame > packed) {
		slot->why = "it is not one frame of zstd";
		return -1;
	}
	if (!is_padding(u->packed + frame, packed - frame)) {
		slot->why = "what follows it is not padding";
		return -1;
	}
	grow(&slot->bytes, &slot->room, size);
	got = ZSTD_decompressDCtx(u->ctx, slot->bytes, size, u->packed,
	    frame);
	if (ZSTD_isError(got)) {
		slot->why = ZSTD_getErrorName(got);
		return -1;
	}
	if (got != size) {
		slot->why = "its size is not that of the table";
		return -1;
	}
	return 0;
}

static int
unpacker_init(struct unpacker *u)
{
	memset(u, 0, sizeof *u);
	u->ctx = ZSTD_createDCtx();
	return u->ctx ? 0 : -1;
}

static void
unpacker_free(struct unpacker *u)
{
	ZSTD_freeDCtx(u->ctx);
	free(u->packed);
}

static void *
read_ahead(void *arg)
{
	struct seekable *s = arg;
	struct unpacker u;
	struct slot *slot;
	size_t n;
	int rc, usable = unpacker_init(&u) == 0;

	pthread_mutex_lock(&s->mutex);
	while (!s->stop && s->next < s->table.count) {
		n = s->next;
		slot = &s->slots[n % s->slot_count];
		if (slot->state != SLOT_FREE) {
			pthread_cond_wait(&s->changed, &s->mutex);
			continue;
		}
		s->next++;
		slot->state = SLOT_BUSY;
		slot->frame = n;
		pthread_mutex_unlock(&s->mutex);
		if (usable) {
			rc = unpack(s, &u, n, slot);
		} else {
			slot->err = ENOMEM;
			slot->why = "out of memory";
			rc = -1;
		}
		pthread_mutex_lock(&s->mutex);
		slot->state = rc < 0 ? SLOT_FAILED : SLOT_READY;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->mutex);
	unpacker_free(&u);
	return NULL;
}

static int
load_table(struct seekable *s)
{
	uint8_t footer[SEEKTABLE_FOOTER], *bytes;
	uint64_t size, packed = 0, content = 0;
	struct stat st;
	size_t i;
	int rc;

	if (fstat(s->fd, &st) < 0)
		return -1;
	errno = ENOMSG;
	if (st.st_size < SEEKTABLE_FOOTER ||
	    pread_full(s->fd, footer, sizeof footer,
	    st.st_size - SEEKTABLE_FOOTER) != sizeof footer ||
	    seektable_size(footer, &size) < 0)
		return -1;
	errno = EBADMSG;
	if (size > (uint64_t)st.st_size)
		return -1;
	bytes = xmalloc(size);
	if (pread_full(s->fd, bytes, size, st.st_size - (off_t)size) !=
	    (ssize_t)size) {
		free(bytes);
		errno = EIO;
		return -1;
	}
	rc = seektable_parse(&s->table, bytes, size,
	    (uint64_t)st.st_size - size);
	free(bytes);
	if (rc < 0)
		return -1;
	s->packed_at = xcalloc(s->table.count + 1, sizeof *s->packed_at);
	s->starts = xcalloc(s->table.count + 1, sizeof *s->starts);
	for (i = 0; i < s->table.count; i++) {
		/* a foreign table must not make us allocate what it likes */
		if (s->table.frames[i].size > 16u * SEEKABLE_FRAME ||
		    s->table.frames[i].packed > 17u * SEEKABLE_FRAME) {
			errno = EBADMSG;
			return -1;
		}
		packed += s->table.frames[i].packed;
		content += s->table.frames[i].size;
		s->packed_at[i + 1] = packed;
		s->starts[i + 1] = content;
	}
	return 0;
}

static int
start_threads(struct seekable *s, int ahead)
{
	int i, err;

	if (ahead > AHEAD_MAX)
		ahead = AHEAD_MAX;
	s->slot_count = (size_t)ahead + 1;
	for (i = 0; i < ahead; i++) {
		err = pthread_create(&s->threads[i], NULL, read_ahead, s);
		if (err) {
			errno = err;
			return i > 0 ? 0 : -1;
		}
		s->thread_count++;
	}
	return 0;
}

struct seekable *
seekable_open(int fd, int ahead)
{
	struct seekable *s = xcalloc(1, sizeof *s);
	int err;

	s->fd = fd;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->changed, NULL);
	if (load_table(s) == 0 && start_threads(s, ahead) == 0)
		return s;
	err = errno;
	seekable_close(s);
	errno = err;
	return NULL;
}

void
seekable_close(struct seekable *s)
{
	size_t i;

	if (!s)
		return;
	pthread_mutex_lock(&s->mutex);
	s->stop = 1;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
	while (s->thread_count > 0)
		pthread_join(s->threads[--s->thread_count], NULL);
	pthread_mutex_destroy(&s->mutex);
	pthread_cond_destroy(&s->changed);
	for (i = 0; i < sizeof s->slots / sizeof s->slots[0]; i++)
		free(s->slots[i].bytes);
	seektable_free(&s->table);
	free(s->packed_at);
	free(s->starts);
	free(s);
}

uint64_t
seekable_size(const struct seekable *s)
{
	return s->starts[s->table.count];
}

uint64_t
seekable_tell(const struct seekable *s)
{
	return s->starts[s->current] + s->offset;
}

const char *
seekable_error(const struct seekable *s)
{
	return s->error;
}

static int
fail(struct seekable *s, const struct slot *slot)
{
	size_t n = slot->frame;

	snprintf(s->error, sizeof s->error, "frame %zu, bytes %llu to %llu of "
	    "the file: %s", n, (unsigned long long)s->packed_at[n],
	    (unsigned long long)s->packed_at[n + 1], slot->why);
	errno = slot->err;
	return -1;
}

/* On demand, the one slot keeps the frame that was asked for last. */
static int
load_current(struct seekable *s)
{
	struct slot *slot = &s->slots[0];
	struct unpacker u;
	int rc;

	if (slot->state == SLOT_READY && slot->frame == s->current)
		return 0;
	slot->frame = s->current;
	slot->state = SLOT_FREE;
	if (unpacker_init(&u) < 0) {
		errno = ENOMEM;
		return -1;
	}
	rc = unpack(s, &u, s->current, slot);
	unpacker_free(&u);
	if (rc < 0)
		return fail(s, slot);
	slot->state = SLOT_READY;
	return 0;
}

static int
await_current(struct seekable *s)
{
	struct slot *slot = &s->slots[s->current % s->slot_count];
	int ready;

	pthread_mutex_lock(&s->mutex);
	while (slot->frame != s->current || (slot->state != SLOT_READY &&
	    slot->state != SLOT_FAILED))
		pthread_cond_wait(&s->changed, &s->mutex);
	ready = slot->state == SLOT_READY;
	pthread_mutex_unlock(&s->mutex);
	return ready ? 0 : fail(s, slot);
}

static void
leave_current(struct seekable *s)
{
	if (s->thread_count > 0) {
		pthread_mutex_lock(&s->mutex);
		s->slots[s->current % s->slot_count].state = SLOT_FREE;
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->mutex);
	}
	s->current++;
	s->offset = 0;
}

ssize_t
seekable_next(struct seekable *s, const void **bytes)
{
	size_t size;

	for (; s->current < s->table.count; leave_current(s)) {
		size = s->table.frames[s->current].size;
		/* with threads every frame is looked at, empty ones too */
		if (s->thread_count > 0 && await_current(s) < 0)
			return -1;
		if (s->offset >= size)
			continue;
		if (s->thread_count == 0 && load_current(s) < 0)
			return -1;
		*bytes = s->slots[s->thread_count > 0 ?
		    s->current % s->slot_count : 0].bytes + s->offset;
		size -= s->offset;
		s->offset += size;
		return (ssize_t)size;
	}
	return 0;
}

void
seekable_seek(struct seekable *s, uint64_t position)
{
	size_t low = 0, high = s->table.count;

	if (position >= seekable_size(s)) {
		s->current = s->table.count;
		s->offset = 0;
		return;
	}
	/* the last frame that starts at or before the position */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (s->starts[middle] <= position)
			low = middle;
		else
			high = middle;
	}
	s->current = low;
	s->offset = (size_t)(position - s->starts[low]);
}
