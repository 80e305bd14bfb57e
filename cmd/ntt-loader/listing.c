#include "listing.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hash/blake3.h"

static void
add(struct listing *l, blake3_hasher *h)
{
	uint64_t out[4], carry = 0;
	int i;

	blake3_hasher_finalize(h, (uint8_t *)out, sizeof out);
	for (i = 0; i < 4; i++) {
		unsigned __int128 sum = (unsigned __int128)l->sum[i] +
		    le64toh(out[i]) + carry;

		l->sum[i] = (uint64_t)sum;
		carry = (uint64_t)(sum >> 64);
	}
}

void
listing_entry(struct listing *l, const struct raw_record *r, const char *path,
    size_t len)
{
	char head[96];
	int n = snprintf(head, sizeof head, "e\034%c\034%" PRIu64 "\034%"
	    PRIu64 "\034%" PRId64 "\034", r->type, r->ino, r->size, r->mtime);
	blake3_hasher h;

	blake3_hasher_init(&h);
	blake3_hasher_update(&h, head, (size_t)n);
	blake3_hasher_update(&h, path, len);
	add(l, &h);
	l->entries++;
}

void
listing_meta(struct listing *l, const struct raw_record *r)
{
	struct raw_span rest = r->meta, key, value, mtime = { "", 0 },
		ctime = { "", 0 };
	char text[160];
	blake3_hasher h;
	int n;

	while (raw_meta_next(&rest, &key, &value)) {
		if (key.len == 5 && !memcmp(key.at, "mtime", 5))
			mtime = value;
		else if (key.len == 5 && !memcmp(key.at, "ctime", 5))
			ctime = value;
	}
	n = snprintf(text, sizeof text, "m\034%" PRIu64 "\034%.*s\034%.*s",
	    r->ino, (int)(mtime.len < 48 ? mtime.len : 48), mtime.at,
	    (int)(ctime.len < 48 ? ctime.len : 48), ctime.at);
	blake3_hasher_init(&h);
	blake3_hasher_update(&h, text, (size_t)n);
	add(l, &h);
	l->inodes++;
}

int
listing_digest(const struct listing *l, char hex[LISTING_HEX + 1])
{
	if (l->inodes == 0)
		return 0;
	snprintf(hex, LISTING_HEX + 1, "%016" PRIx64 "%016" PRIx64 "%016"
	    PRIx64 "%016" PRIx64, l->sum[3], l->sum[2], l->sum[1], l->sum[0]);
	return 1;
}
