/*
 * blake3_portable.c - BLAKE3 in plain C: the yardstick of the other levels
 */
#include <string.h>

#include "hash/blake3_impl.h"

#ifndef NTT_SYSTEM_BLAKE3

const uint32_t blake3_iv[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
};

static const uint8_t order[7][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8 },
	{ 3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1 },
	{ 10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6 },
	{ 12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4 },
	{ 9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7 },
	{ 11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13 }
};

static inline uint32_t
rot(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static inline void
mix(uint32_t *v, int a, int b, int c, int d, uint32_t x, uint32_t y)
{
	v[a] += v[b] + x;
	v[d] = rot(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = rot(v[b] ^ v[c], 12);
	v[a] += v[b] + y;
	v[d] = rot(v[d] ^ v[a], 8);
	v[c] += v[d];
	v[b] = rot(v[b] ^ v[c], 7);
}

static void
rounds(uint32_t v[16], const uint32_t cv[8], const uint8_t block[64],
    uint32_t len, uint64_t counter, uint32_t flags)
{
	uint32_t m[16];
	const uint8_t *s;
	int i;

	for (i = 0; i < 16; i++)
		m[i] = blake3_load32(block + 4 * i);
	memcpy(v, cv, 32);
	memcpy(v + 8, blake3_iv, 16);
	v[12] = (uint32_t)counter;
	v[13] = (uint32_t)(counter >> 32);
	v[14] = len;
	v[15] = flags;

	for (i = 0; i < 7; i++) {
		s = order[i];
		mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
		mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
		mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
		mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
		mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
		mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
		mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
		mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
}

static void
compress(uint32_t cv[8], const uint8_t block[64], uint32_t len,
    uint64_t counter, uint32_t flags)
{
	uint32_t v[16];
	int i;

	rounds(v, cv, block, len, counter, flags);
	for (i = 0; i < 8; i++)
		cv[i] = v[i] ^ v[i + 8];
}

static void
compress_out(const uint32_t cv[8], const uint8_t block[64], uint32_t len,
    uint64_t counter, uint32_t flags, uint8_t out[64])
{
	uint32_t v[16];
	int i;

	rounds(v, cv, block, len, counter, flags);
	for (i = 0; i < 8; i++) {
		blake3_store32(out + 4 * i, v[i] ^ v[i + 8]);
		blake3_store32(out + 32 + 4 * i, v[i + 8] ^ cv[i]);
	}
}

static void
hash_blocks(const uint8_t *in, size_t n, const uint32_t key[8],
    uint64_t counter, uint32_t flags, uint8_t *out)
{
	uint32_t cv[8], f;
	size_t i;

	memcpy(cv, key, sizeof(cv));
	for (i = 0; i < n; i++) {
		f = flags;
		if (!(flags & BLAKE3_PARENT)) {
			if (i == 0)
				f |= BLAKE3_CHUNK_START;
			if (i == BLAKE3_CHUNK_BLOCKS - 1)
				f |= BLAKE3_CHUNK_END;
		}
		compress(cv, in + i * BLAKE3_BLOCK_LEN, BLAKE3_BLOCK_LEN,
		    counter, f);
	}
	for (i = 0; i < 8; i++)
		blake3_store32(out + 4 * i, cv[i]);
}

static void
chunks(const uint8_t *in, size_t n, size_t tail, const uint32_t key[8],
    uint64_t counter, uint32_t flags, uint8_t *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		hash_blocks(in + i * BLAKE3_CHUNK_LEN, BLAKE3_CHUNK_BLOCKS,
		    key, counter + i, flags, out + i * BLAKE3_OUT_LEN);
	if (tail > 0)
		hash_blocks(in + n * BLAKE3_CHUNK_LEN, tail, key, counter + n,
		    flags, out + n * BLAKE3_OUT_LEN);
}

static void
parents(const uint8_t *in, size_t n, const uint32_t key[8], uint32_t flags,
    uint8_t *out)
{
	size_t i;

	/* In place is safe: parent i lies before the children still to read. */
	for (i = 0; i < n; i++)
		hash_blocks(in + i * BLAKE3_BLOCK_LEN, 1, key, 0, flags,
		    out + i * BLAKE3_OUT_LEN);
}

const struct blake3_level blake3_portable = {
	.name = "portable",
	.lanes = 4,
	.compress = compress,
	.compress_out = compress_out,
	.chunks = chunks,
	.parents = parents
};

#endif
