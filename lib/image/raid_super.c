#define _GNU_SOURCE
#include "image/raid_super.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fsutil.h"

enum {
	SECTOR = 512,
	MAGIC_BYTES = 4,
	OLD_RESERVED = 64 * 1024,	/* 0.90 lies in the last 64 KiB */
	ROLE_MAX = 0xff00
};

static const uint32_t md_magic = 0xa92b4efc;

static uint64_t
old_place(uint64_t len)
{
	return len < 2 * OLD_RESERVED ? UINT64_MAX :
	    (len & ~(uint64_t)(OLD_RESERVED - 1)) - OLD_RESERVED;
}

static uint64_t
new_place(uint64_t len)
{
	return len < 32 * SECTOR ? UINT64_MAX :
	    ((len / SECTOR - 16) & ~(uint64_t)7) * SECTOR;
}

/* 0.90 is written in the byte order of the machine that made it. */
static int
parse_old(const unsigned char *b, uint64_t at, struct raid_super *r)
{
	uint32_t w[RAID_SUPER_BYTES / 4];
	size_t i;
	int big;

	for (i = 0; i < sizeof w / sizeof w[0]; i++)
		w[i] = le32(b + 4 * i);
	big = w[0] != md_magic;
	for (i = 0; big && i < sizeof w / sizeof w[0]; i++)
		w[i] = __builtin_bswap32(w[i]);
	if (w[0] != md_magic || w[1] != 0 || w[2] < 90 || w[2] > 91)
		return 0;
	strcpy(r->version, "0.90");
	snprintf(r->uuid, sizeof r->uuid, "%08x:%08x:%08x:%08x", w[5],
	    w[13], w[14], w[15]);
	r->level = (int32_t)w[7];
	r->disks = (int32_t)w[10];
	r->role = w[995] < w[10] ? (int32_t)w[995] : -1;
	r->data = 0;
	/* kilobytes used of each member; 0 on arrays without a common size */
	r->size = (uint64_t)w[8] * 1024;
	if (r->size == 0 || r->size > at)
		r->size = at;
	return 1;
}

static void
new_role(const unsigned char *b, struct raid_super *r)
{
	uint32_t number = le32(b + 160), max = le32(b + 220);
	uint32_t role;

	r->role = -1;
	if (number < max && 256 + 2 * number + 1 < RAID_SUPER_BYTES) {
		role = b[256 + 2 * number] |
		    (uint32_t)b[256 + 2 * number + 1] << 8;
		if (role < ROLE_MAX)
			r->role = (int)role;
	}
}

static int
parse_new(const unsigned char *b, uint64_t at, uint64_t len,
    struct raid_super *r)
{
	uint64_t data = le64(b + 128), size = le64(b + 136);

	if (le32(b) != md_magic || le32(b + 4) != 1 ||
	    le64(b + 144) != at / SECTOR)
		return 0;
	strcpy(r->version, at == 0 ? "1.1" : at == 4096 ? "1.2" : "1.0");
	snprintf(r->uuid, sizeof r->uuid, "%08x:%08x:%08x:%08x",
	    __builtin_bswap32(le32(b + 16)), __builtin_bswap32(le32(b + 20)),
	    __builtin_bswap32(le32(b + 24)), __builtin_bswap32(le32(b + 28)));
	memcpy(r->name, b + 32, 32);
	r->name[32] = '\0';
	r->level = (int32_t)le32(b + 72);
	r->disks = (int32_t)le32(b + 92);
	new_role(b, r);
	/* a clipped member is one whose superblock survived all the same */
	if (data >= len / SECTOR)
		return 0;
	r->data = data * SECTOR;
	if (size == 0 || size > len / SECTOR - data)
		size = len / SECTOR - data;
	r->size = size * SECTOR;
	return 1;
}

int
raid_super_parse(const unsigned char *block, uint64_t at, uint64_t len,
    struct raid_super *r)
{
	memset(r, 0, sizeof *r);
	if ((at == 0 || at == 4096 || at == new_place(len)) &&
	    parse_new(block, at, len, r))
		return 1;
	return at == old_place(len) && parse_old(block, at, r);
}

int
raid_super_find(int fd, uint64_t start, uint64_t len, struct raid_super *r)
{
	uint64_t places[4] = { 4096, 0, new_place(len), old_place(len) };
	unsigned char block[RAID_SUPER_BYTES];
	size_t i;

	for (i = 0; i < sizeof places / sizeof places[0]; i++) {
		ssize_t n;

		if (places[i] >= len)
			continue;
		memset(block, 0, sizeof block);
		n = pread_full(fd, block, sizeof block,
		    (off_t)(start + places[i]));
		if (n < 0)
			return -1;
		if (n > MAGIC_BYTES &&
		    raid_super_parse(block, places[i], len, r))
			return 1;
	}
	return 0;
}
