#include "archive/seektable.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAGIC_SKIPPABLE = 0x184D2A5E,
	ENTRY = 8,
	FRAMES_MAX = 0x8000000,
	HAS_CHECKSUMS = 0x80
};

static const uint32_t magic_footer = 0x8F92EAB1;

static uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return le32toh(v);
}

static void
put32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_put(b, &v, sizeof v);
}

void
seektable_add(struct seektable *t, uint32_t packed, uint32_t size)
{
	if ((t->count & (t->count - 1)) == 0)
		t->frames = xrealloc(t->frames,
		    (t->count ? 2 * t->count : 1) * sizeof *t->frames);
	t->frames[t->count].packed = packed;
	t->frames[t->count++].size = size;
}

void
seektable_free(struct seektable *t)
{
	free(t->frames);
	t->frames = NULL;
	t->count = 0;
}

void
seektable_put(const struct seektable *t, struct buf *out)
{
	size_t i;

	put32(out, MAGIC_SKIPPABLE);
	put32(out, (uint32_t)(t->count * ENTRY + SEEKTABLE_FOOTER));
	for (i = 0; i < t->count; i++) {
		put32(out, t->frames[i].packed);
		put32(out, t->frames[i].size);
	}
	put32(out, (uint32_t)t->count);
	buf_putc(out, 0);
	put32(out, magic_footer);
}

int
seektable_size(const uint8_t *footer, uint64_t *size)
{
	uint64_t count = get32(footer);
	unsigned int entry = footer[4] & HAS_CHECKSUMS ? ENTRY + 4 : ENTRY;

	if (get32(footer + 5) != magic_footer || count > FRAMES_MAX) {
		errno = ENOMSG;
		return -1;
	}
	*size = SEEKTABLE_HEADER + count * entry + SEEKTABLE_FOOTER;
	return 0;
}

int
seektable_parse(struct seektable *t, const uint8_t *bytes, size_t len,
    uint64_t packed)
{
	uint64_t size, sum = 0;
	const uint8_t *p;
	unsigned int entry;
	uint32_t count, i;

	memset(t, 0, sizeof *t);
	errno = EBADMSG;
	if (len < SEEKTABLE_HEADER + SEEKTABLE_FOOTER)
		return -1;
	p = bytes + len - SEEKTABLE_FOOTER;
	if (seektable_size(p, &size) < 0 || size != len ||
	    (p[4] & ~HAS_CHECKSUMS) != 0 ||
	    get32(bytes) != MAGIC_SKIPPABLE ||
	    get32(bytes + 4) != len - SEEKTABLE_HEADER) {
		errno = EBADMSG;
		return -1;
	}
	count = get32(p);
	entry = p[4] & HAS_CHECKSUMS ? ENTRY + 4 : ENTRY;
	for (i = 0, p = bytes + SEEKTABLE_HEADER; i < count; i++, p += entry) {
		seektable_add(t, get32(p), get32(p + 4));
		sum += get32(p);
	}
	if (sum == packed)
		return 0;
	seektable_free(t);
	errno = EBADMSG;
	return -1;
}
