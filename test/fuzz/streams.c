/*
 * A volume of four megabytes as pieces of it: the format, then four bytes for where
 * each is, two for how long, and its bytes; the rest are zeros.  All its named
 * streams are listed, and each is read.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "ntt-streams/format.h"

enum { VOLUME = 4 << 20, MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
fill(int fd, const uint8_t *data, size_t size)
{
	while (size >= 6) {
		uint32_t at = le32(data);
		size_t len = (size_t)le_number(data + 4, 2);

		data += 6;
		size -= 6;
		if (at >= VOLUME || len > size || len > VOLUME - at)
			return 0;
		if (pwrite(fd, data, len, at) != (ssize_t)len)
			return -1;
		data += len;
		size -= len;
	}
	return 0;
}

static void
read_it(const struct stream_format *f, void *state,
    const struct stream_found *s)
{
	static unsigned char bytes[1 << 16];
	const char *why = NULL;
	uint64_t pos;
	size_t part;

	if (s->why || f->select(state, s->at, s->name, &why) < 0)
		return;
	for (pos = 0; pos < s->size && pos < 4 * VOLUME; pos += part) {
		part = s->size - pos > sizeof bytes ? sizeof bytes :
		    (size_t)(s->size - pos);
		if (f->read(state, bytes, part, pos, &why) < 0)
			return;
	}
}

static void
try(const struct stream_format *f, struct volume_bytes *v)
{
	static struct stream_found found[MOST];
	const char *why = NULL;
	void *state = f->open(v, &why);
	enum listing l = LIST_ON;
	uint64_t blind = 0;
	size_t n = 0, i;

	if (!state) {
		/* what is not opened has a reason */
		if (!why)
			abort();
		return;
	}
	while (l != LIST_END && n < MOST) {
		l = f->next(state, &found[n], &blind);
		if (l == LIST_FOUND && !memchr(found[n].name, 0, STREAM_NAME))
			abort();
		n += l == LIST_FOUND;
	}
	for (i = 0; i < n; i++)
		read_it(f, state, &found[i]);
	f->close(state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct volume of = { .kind = VOLUME_FS, .length = VOLUME };
	int fd = memfd_create("volume", MFD_CLOEXEC);
	struct volume_bytes v;
	struct view view;

	if (fd < 0)
		return 0;
	if (size > 0 && ftruncate(fd, VOLUME) == 0 &&
	    fill(fd, data + 1, size - 1) == 0) {
		view_init(&view, VOLUME, NULL, VOLUME);
		volume_bytes_init(&v, &view, fd, &of);
		try(*data ? &format_hfs : &format_ntfs, &v);
		view_free(&view);
	}
	close(fd);
	return 0;
}
