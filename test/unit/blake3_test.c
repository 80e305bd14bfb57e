/*
 * blake3_test.c - BLAKE3 against the official vectors, and the levels of
 * this CPU against the portable one
 */
#include <stdlib.h>

#include "hash/blake3_impl.h"
#include "blake3_vectors.h"
#include "tap.h"

enum { XOF = 131, MAX = 300 * 1024 };

static uint8_t *input;

static void
hex(char *s, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sprintf(s + 2 * i, "%02x", p[i]);
}

static uint64_t
rnd(void)
{
	static uint64_t x = 20191227;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static bool
vector_is(blake3_hasher *h, size_t len, const char *want)
{
	uint8_t out[XOF];
	char got[2 * XOF + 1];
	bool same;

	blake3_hasher_update(h, input, len);
	blake3_hasher_finalize(h, out, XOF);
	hex(got, out, XOF);
	same = strcmp(got, want) == 0;

	/* The hash is the start of the extended output, each time asked. */
	memset(out, 0, sizeof(out));
	blake3_hasher_finalize(h, out, BLAKE3_OUT_LEN);
	hex(got, out, BLAKE3_OUT_LEN);
	same &= strncmp(got, want, 2 * BLAKE3_OUT_LEN) == 0;

	blake3_hasher_reset(h);
	blake3_hasher_update(h, input, len);
	blake3_hasher_finalize(h, out, XOF);
	hex(got, out, XOF);
	return same && strcmp(got, want) == 0;
}

static void
test_vectors(const char *level)
{
	const struct vector *v;
	blake3_hasher h;
	size_t i;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		v = &vectors[i];
		blake3_hasher_init(&h);
		tap_ok(vector_is(&h, v->len, v->hash),
		    "%s: vector of %zu bytes, hash", level, v->len);
		blake3_hasher_init_keyed(&h, (const uint8_t *)VECTOR_KEY);
		tap_ok(vector_is(&h, v->len, v->keyed),
		    "%s: vector of %zu bytes, keyed", level, v->len);
		blake3_hasher_init_derive_key(&h, VECTOR_CONTEXT);
		tap_ok(vector_is(&h, v->len, v->derived),
		    "%s: vector of %zu bytes, derived key", level, v->len);
	}
}

static void
test_seek(const char *level)
{
	static const size_t lens[] = { 0, 64, 1024, 1025, 5000 };
	uint8_t all[1000], part[1000];
	blake3_hasher h;
	size_t i, from, len;
	bool same;
	int k;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		blake3_hasher_init(&h);
		blake3_hasher_update(&h, input, lens[i]);
		blake3_hasher_finalize(&h, all, sizeof(all));
		same = true;
		for (k = 0; k < 200; k++) {
			from = rnd() % sizeof(all);
			len = rnd() % (sizeof(all) - from + 1);
			blake3_hasher_finalize_seek(&h, from, part, len);
			same &= memcmp(part, all + from, len) == 0;
		}
		tap_ok(same, "%s: seek in the output for %zu bytes", level,
		    lens[i]);
	}
}

static void
hash(const uint8_t *p, size_t len, uint8_t out[BLAKE3_OUT_LEN])
{
	blake3_hasher h;

	blake3_hasher_init(&h);
	blake3_hasher_update(&h, p, len);
	blake3_hasher_finalize(&h, out, BLAKE3_OUT_LEN);
}

static void
test_splits(const char *level)
{
	/* Smallish, around a chunk, around the lanes, anything. */
	static const size_t most[] = { 100, 3000, 20000, MAX };
	uint8_t want[BLAKE3_OUT_LEN], got[BLAKE3_OUT_LEN];
	blake3_hasher h;
	size_t i, len, done, n;
	bool same;
	int k;

	for (i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		same = true;
		for (k = 0; k < 100; k++) {
			len = rnd() % (k % 2 == 0 ? MAX : 10 * most[0]);
			hash(input, len, want);
			blake3_hasher_init(&h);
			for (done = 0; done < len; done += n) {
				n = rnd() % (most[i] + 1);
				if (n > len - done)
					n = len - done;
				blake3_hasher_update(&h, input + done, n);
			}
			blake3_hasher_finalize(&h, got, sizeof(got));
			same &= memcmp(got, want, sizeof(got)) == 0;
		}
		tap_ok(same, "%s: updates of up to %zu bytes", level, most[i]);
	}

	/* After whole chunks the stack holds a merge back: finalize there. */
	same = true;
	blake3_hasher_init(&h);
	for (done = 0; done < 70 * BLAKE3_CHUNK_LEN; done += n) {
		n = BLAKE3_CHUNK_LEN * (1 + rnd() % 3);
		blake3_hasher_update(&h, input + done, n);
		hash(input, done + n, want);
		blake3_hasher_finalize(&h, got, sizeof(got));
		same &= memcmp(got, want, sizeof(got)) == 0;
	}
	tap_ok(same, "%s: finalize between updates", level);

	/* The bytes repeat after 251, so these two inputs are the same. */
	same = true;
	for (k = 0; k < 64; k++) {
		hash(input + k, 50000, want);
		hash(input + k + 251, 50000, got);
		same &= memcmp(got, want, sizeof(got)) == 0;
	}
	tap_ok(same, "%s: any alignment", level);
}

#ifndef NTT_SYSTEM_BLAKE3
/* Lengths around every boundary there is, once each. */
static size_t
boundaries(size_t *lens)
{
	size_t n = 0, c, b;
	int d;

	for (b = 0; b <= 3 * BLAKE3_CHUNK_LEN; b += BLAKE3_BLOCK_LEN)
		for (d = b == 0 ? 0 : -1; d <= 1; d++)
			lens[n++] = b + (size_t)d;
	for (c = 4; c <= 68; c++)
		for (d = -65; d <= 65; d += d == -1 || d == 0 ? 1 : 32)
			lens[n++] = c * BLAKE3_CHUNK_LEN + (size_t)d;
	for (c = 4; c <= 40; c++)
		lens[n++] = c * BLAKE3_CHUNK_LEN + 64 * (c % 16) + 5;
	for (c = 128; c <= 256; c *= 2)
		for (d = -1; d <= 1; d++)
			lens[n++] = c * BLAKE3_CHUNK_LEN + (size_t)d;
	return n;
}

static void
test_levels(void)
{
	static size_t lens[2000];
	const struct blake3_level *level;
	uint8_t want[BLAKE3_OUT_LEN], got[BLAKE3_OUT_LEN], *copy;
	size_t i, k, n, bad;

	n = boundaries(lens);
	for (i = 1; (level = blake3_level_get(i)) != NULL; i++) {
		bad = 0;
		for (k = 0; k < n; k++) {
			blake3_level_set(&blake3_portable);
			hash(input, lens[k], want);
			blake3_level_set(level);

			/* To the byte, so that a read too far is noticed. */
			copy = malloc(lens[k] + 1);
			if (copy == NULL)
				abort();
			memcpy(copy + 1, input, lens[k]);
			hash(copy + 1, lens[k], got);
			free(copy);
			if (memcmp(got, want, sizeof(got)) != 0) {
				printf("# differs at %zu bytes\n", lens[k]);
				bad++;
			}
		}
		tap_is_u64(bad, 0, "%s: as portable at %zu lengths",
		    level->name, n);
	}
	blake3_level_set(NULL);
}

static bool
chunks_same(const struct blake3_level *level, size_t n, size_t tail,
    uint64_t first)
{
	uint8_t want[BLAKE3_MAX_LANES * BLAKE3_OUT_LEN], got[sizeof(want)];

	blake3_portable.chunks(input, n, tail, blake3_iv, first, 0, want);
	level->chunks(input, n, tail, blake3_iv, first, 0, got);
	return memcmp(got, want, (n + (tail > 0)) * BLAKE3_OUT_LEN) == 0;
}

static bool
parents_same(const struct blake3_level *level, size_t n)
{
	uint8_t want[BLAKE3_MAX_LANES * BLAKE3_OUT_LEN], got[2 * sizeof(want)];

	blake3_portable.parents(input, n, blake3_iv, BLAKE3_PARENT, want);
	memcpy(got, input, sizeof(got));
	level->parents(got, n, blake3_iv, BLAKE3_PARENT, got);
	return memcmp(got, want, n * BLAKE3_OUT_LEN) == 0;
}

/* Every number of lanes, and chunk numbers no input of a test reaches. */
static void
test_lanes(void)
{
	const struct blake3_level *level;
	size_t i, n, tail;
	bool chunks, parents;

	for (i = 0; (level = blake3_level_get(i)) != NULL; i++) {
		chunks = parents = true;
		for (n = 1; n <= level->lanes; n++) {
			for (tail = 0; tail < BLAKE3_CHUNK_BLOCKS; tail++) {
				if (n == level->lanes && tail > 0)
					break;
				chunks &= chunks_same(level, n, tail,
				    UINT32_MAX - n / 2);
				chunks &= chunks_same(level, n, tail,
				    UINT64_C(0x123456789abc));
			}
			parents &= parents_same(level, n);
		}
		tap_ok(chunks, "%s: chunks in 1 to %zu lanes", level->name,
		    level->lanes);
		tap_ok(parents, "%s: parents in 1 to %zu lanes", level->name,
		    level->lanes);
	}
}

static void
test_all(void)
{
	const struct blake3_level *level;
	size_t i;

	for (i = 0; (level = blake3_level_get(i)) != NULL; i++) {
		blake3_level_set(level);
		test_vectors(level->name);
		test_seek(level->name);
		test_splits(level->name);
	}
	test_levels();
	test_lanes();
}
#else
static void
test_all(void)
{
	test_vectors("libblake3");
	test_seek("libblake3");
	test_splits("libblake3");
}
#endif

int
main(void)
{
	size_t i;

	input = malloc(MAX);
	if (input == NULL)
		return 1;
	for (i = 0; i < MAX; i++)
		input[i] = (uint8_t)(i % 251);
	test_all();
	free(input);
	return tap_done();
}
