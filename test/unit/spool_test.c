/* Bytes put aside come back, from memory and from the disk. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/spool.h"
#include "tap.h"

static void
fill(char *bytes, size_t len, size_t salt)
{
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = (char)(i * 31 + salt + (i >> 8));
}

static void
round_trip(const char *name, size_t piece, size_t count, int on_disk)
{
	struct spool s;
	char *bytes = xmalloc(piece), *back = xmalloc(piece);
	size_t i, same = 0, again = 0;

	spool_init(&s);
	for (i = 0; i < count; i++) {
		fill(bytes, piece, i);
		if (spool_put(&s, bytes, piece) < 0)
			break;
	}
	tap_is_u64(i, count, "%s: written", name);
	tap_ok((s.fd >= 0) == on_disk, "%s: %s", name, on_disk ? "on disk" :
	    "in memory");
	spool_rewind(&s);
	for (i = 0; spool_get(&s, back, piece) == 1; i++) {
		fill(bytes, piece, i);
		same += !memcmp(bytes, back, piece);
	}
	tap_ok(same == count && i == count, "%s: read", name);
	spool_rewind(&s);
	for (i = 0; spool_get(&s, back, piece) == 1; i++) {
		fill(bytes, piece, i);
		again += !memcmp(bytes, back, piece);
	}
	tap_ok(again == count && i == count, "%s: read again", name);
	spool_free(&s);
	free(bytes);
	free(back);
}

static void
odd_ends(void)
{
	struct spool s;
	char c[8];

	spool_init(&s);
	tap_ok(spool_rewind(&s) == 0 && spool_get(&s, c, 1) == 0,
	    "nothing comes from an empty one");
	spool_free(&s);
	spool_init(&s);
	spool_put(&s, "abcde", 5);
	spool_rewind(&s);
	tap_ok(spool_get(&s, c, 4) == 1 && spool_get(&s, c, 4) == -1,
	    "half a piece is an error");
	spool_free(&s);
}

int
main(void)
{
	config_load();
	round_trip("little", 48, 100, 0);
	round_trip("much", 48, 100000, 1);
	round_trip("large pieces", 1000001, 5, 1);
	round_trip("as large as the buffer", 256 << 10, 3, 1);
	odd_ends();
	setenv("TMPDIR", "/nonexistent", 1);
	{
		struct spool s;
		static char bytes[300 << 10];

		spool_init(&s);
		tap_ok(spool_put(&s, bytes, sizeof bytes) < 0,
		    "no directory for the file");
		spool_free(&s);
	}
	return tap_done();
}
