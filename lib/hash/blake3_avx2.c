/*
 * blake3_avx2.c - BLAKE3 eight lanes wide
 */
#include "hash/blake3_impl.h"

#if !defined(NTT_SYSTEM_BLAKE3) && BLAKE3_X86

#include <immintrin.h>
#include <string.h>

#define TARGET		__attribute__((target("avx2")))

static inline TARGET __m256i
load(const void *p)
{
	return _mm256_loadu_si256(p);
}

static inline TARGET void
store(void *p, __m256i x)
{
	_mm256_storeu_si256(p, x);
}

static inline TARGET __m256i
x8_set1(uint32_t x)
{
	return _mm256_set1_epi32((int)x);
}

#define x8_loadu(p)	load(p)
#define x8_add(x, y)	_mm256_add_epi32(x, y)
#define x8_xor(x, y)	_mm256_xor_si256(x, y)

/* From memory always: a compiler would keep two registers for these. */
static const uint8_t bytes16[32] __attribute__((aligned(32))) = {
	2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
	2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
};
static const uint8_t bytes8[32] __attribute__((aligned(32))) = {
	1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12,
	1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12
};

static inline TARGET __m256i
x8_rot16(__m256i x)
{
	__asm__("vpshufb %1, %0, %0" : "+x"(x) : "m"(bytes16));
	return x;
}

static inline TARGET __m256i
x8_rot8(__m256i x)
{
	__asm__("vpshufb %1, %0, %0" : "+x"(x) : "m"(bytes8));
	return x;
}

static inline TARGET __m256i
x8_rot12(__m256i x)
{
	return _mm256_or_si256(_mm256_srli_epi32(x, 12),
	    _mm256_slli_epi32(x, 20));
}

static inline TARGET __m256i
x8_rot7(__m256i x)
{
	return _mm256_or_si256(_mm256_srli_epi32(x, 7),
	    _mm256_slli_epi32(x, 25));
}

static inline __attribute__((always_inline)) TARGET void
transpose(__m256i r[8])
{
	__m256i a0, a1, a2, a3, a4, a5, a6, a7;
	__m256i b0, b1, b2, b3, b4, b5, b6, b7;

	a0 = _mm256_unpacklo_epi32(r[0], r[1]);
	a1 = _mm256_unpackhi_epi32(r[0], r[1]);
	a2 = _mm256_unpacklo_epi32(r[2], r[3]);
	a3 = _mm256_unpackhi_epi32(r[2], r[3]);
	a4 = _mm256_unpacklo_epi32(r[4], r[5]);
	a5 = _mm256_unpackhi_epi32(r[4], r[5]);
	a6 = _mm256_unpacklo_epi32(r[6], r[7]);
	a7 = _mm256_unpackhi_epi32(r[6], r[7]);

	b0 = _mm256_unpacklo_epi64(a0, a2);
	b1 = _mm256_unpackhi_epi64(a0, a2);
	b2 = _mm256_unpacklo_epi64(a1, a3);
	b3 = _mm256_unpackhi_epi64(a1, a3);
	b4 = _mm256_unpacklo_epi64(a4, a6);
	b5 = _mm256_unpackhi_epi64(a4, a6);
	b6 = _mm256_unpacklo_epi64(a5, a7);
	b7 = _mm256_unpackhi_epi64(a5, a7);

	r[0] = _mm256_permute2x128_si256(b0, b4, 0x20);
	r[1] = _mm256_permute2x128_si256(b1, b5, 0x20);
	r[2] = _mm256_permute2x128_si256(b2, b6, 0x20);
	r[3] = _mm256_permute2x128_si256(b3, b7, 0x20);
	r[4] = _mm256_permute2x128_si256(b0, b4, 0x31);
	r[5] = _mm256_permute2x128_si256(b1, b5, 0x31);
	r[6] = _mm256_permute2x128_si256(b2, b6, 0x31);
	r[7] = _mm256_permute2x128_si256(b3, b7, 0x31);
}

#define HALF_BLOCK(i) do {						\
	m[i] = load(p[0] + off + 4 * (i));				\
	m[i + 1] = load(p[1] + off + 4 * (i));				\
	m[i + 2] = load(p[2] + off + 4 * (i));				\
	m[i + 3] = load(p[3] + off + 4 * (i));				\
	m[i + 4] = load(p[4] + off + 4 * (i));				\
	m[i + 5] = load(p[5] + off + 4 * (i));				\
	m[i + 6] = load(p[6] + off + 4 * (i));				\
	m[i + 7] = load(p[7] + off + 4 * (i));				\
	transpose(m + (i));						\
} while (0)

static inline __attribute__((always_inline)) TARGET void
x8_load_block(__m256i m[16], const uint8_t *const p[8], size_t off)
{
	HALF_BLOCK(0);
	HALF_BLOCK(8);
}

static inline __attribute__((always_inline)) TARGET void
x8_store_cvs(const __m256i h[8], uint8_t *out)
{
	__m256i r[8] = { h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7] };

	transpose(r);
	store(out, r[0]);
	store(out + 32, r[1]);
	store(out + 64, r[2]);
	store(out + 96, r[3]);
	store(out + 128, r[4]);
	store(out + 160, r[5]);
	store(out + 192, r[6]);
	store(out + 224, r[7]);
}

#define LANES		8
#define LANES_NAME(x)	x8_##x
#define LANES_TARGET	TARGET
#define LANES_VEC	__m256i
#define LANES_REST(x)	BLAKE3_SPILL(x)
#include "hash/blake3_lanes.h"

static void
chunks(const uint8_t *in, size_t n, size_t tail, const uint32_t key[8],
    uint64_t counter, uint32_t flags, uint8_t *out)
{
	if (n + (tail > 0) <= 4)
		blake3_chunks_sse41(in, n, tail, key, counter, flags, out);
	else
		x8_chunks(in, n, tail, key, counter, flags, out);
}

static void
parents(const uint8_t *in, size_t n, const uint32_t key[8], uint32_t flags,
    uint8_t *out)
{
	if (n <= 4)
		blake3_parents_sse41(in, n, key, flags, out);
	else
		x8_parents(in, n, key, flags, out);
}

const struct blake3_level blake3_avx2 = {
	.name = "avx2",
	.lanes = 8,
	.compress = blake3_compress_sse41,
	.compress_out = blake3_compress_out_sse41,
	.chunks = chunks,
	.parents = parents
};

#endif
