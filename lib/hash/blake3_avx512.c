/*
 * blake3_avx512.c - BLAKE3 sixteen lanes wide
 *
 * Also eight and four wide, and single blocks: AVX-512 rotates in one
 * instruction at any width, and inputs too small for sixteen lanes are most.
 */
#include "hash/blake3_impl.h"

#if !defined(NTT_SYSTEM_BLAKE3) && BLAKE3_X86

#include <immintrin.h>
#include <string.h>

#define TARGET		__attribute__((target("avx512f,avx512vl")))

/*
 * Single blocks: a row of the state in each of a, b, c, d as for SSE4.1, but
 * the whole message in one register, from which a round picks its words.
 */
#define WORDS(i0, i1, i2, i3)						\
	_mm512_castsi512_si128(_mm512_permutexvar_epi32(		\
	    _mm512_castsi128_si512(_mm_setr_epi32(i0, i1, i2, i3)), m))

#define MIX(x, y) do {							\
	a = _mm_add_epi32(a, x);					\
	BLAKE3_KEEP(a);							\
	a = _mm_add_epi32(a, b);					\
	d = _mm_ror_epi32(_mm_xor_si128(d, a), 16);			\
	c = _mm_add_epi32(c, d);					\
	b = _mm_ror_epi32(_mm_xor_si128(b, c), 12);			\
	a = _mm_add_epi32(a, y);					\
	BLAKE3_KEEP(a);							\
	a = _mm_add_epi32(a, b);					\
	d = _mm_ror_epi32(_mm_xor_si128(d, a), 8);			\
	c = _mm_add_epi32(c, d);					\
	b = _mm_ror_epi32(_mm_xor_si128(b, c), 7);			\
} while (0)

#define TURN(x, i0, i1, i2, i3)						\
	_mm_shuffle_epi32(x, _MM_SHUFFLE(i3, i2, i1, i0))

#define BLOCK_ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, \
    s13, s14, s15) do {							\
	MIX(WORDS(s0, s2, s4, s6), WORDS(s1, s3, s5, s7));		\
	a = TURN(a, 3, 0, 1, 2);					\
	c = TURN(c, 1, 2, 3, 0);					\
	d = TURN(d, 2, 3, 0, 1);					\
	MIX(WORDS(s14, s8, s10, s12), WORDS(s15, s9, s11, s13));	\
	a = TURN(a, 1, 2, 3, 0);					\
	c = TURN(c, 3, 0, 1, 2);					\
	d = TURN(d, 2, 3, 0, 1);					\
} while (0)

static inline __attribute__((always_inline)) TARGET void
rounds(__m128i s[4], const uint32_t cv[8], const uint8_t block[64],
    uint32_t len, uint64_t counter, uint32_t flags)
{
	__m512i m = _mm512_loadu_si512(block);
	__m128i a, b, c, d;

	a = _mm_loadu_si128((const void *)cv);
	b = _mm_loadu_si128((const void *)(cv + 4));
	c = _mm_loadu_si128((const void *)blake3_iv);
	d = _mm_set_epi32((int)flags, (int)len, (int)(counter >> 32),
	    (int)counter);

	BLOCK_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	BLOCK_ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8);
	BLOCK_ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1);
	BLOCK_ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6);
	BLOCK_ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4);
	BLOCK_ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7);
	BLOCK_ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13);

	s[0] = _mm_xor_si128(a, c);
	s[1] = _mm_xor_si128(b, d);
	s[2] = c;
	s[3] = d;
}

static TARGET void
compress(uint32_t cv[8], const uint8_t block[64], uint32_t len,
    uint64_t counter, uint32_t flags)
{
	__m128i s[4];

	rounds(s, cv, block, len, counter, flags);
	_mm_storeu_si128((void *)cv, s[0]);
	_mm_storeu_si128((void *)(cv + 4), s[1]);
}

static TARGET void
compress_out(const uint32_t cv[8], const uint8_t block[64], uint32_t len,
    uint64_t counter, uint32_t flags, uint8_t out[64])
{
	const __m128i *k = (const void *)cv;
	__m128i s[4], *o = (void *)out;

	rounds(s, cv, block, len, counter, flags);
	_mm_storeu_si128(o, s[0]);
	_mm_storeu_si128(o + 1, s[1]);
	_mm_storeu_si128(o + 2, _mm_xor_si128(s[2], _mm_loadu_si128(k)));
	_mm_storeu_si128(o + 3, _mm_xor_si128(s[3], _mm_loadu_si128(k + 1)));
}

#define INLINE	static inline __attribute__((always_inline)) TARGET

#define x4_set1(x)	_mm_set1_epi32((int)(x))
#define x4_loadu(p)	_mm_loadu_si128((const void *)(p))
#define x4_add(x, y)	_mm_add_epi32(x, y)
#define x4_xor(x, y)	_mm_xor_si128(x, y)
#define x4_rot16(x)	_mm_ror_epi32(x, 16)
#define x4_rot12(x)	_mm_ror_epi32(x, 12)
#define x4_rot8(x)	_mm_ror_epi32(x, 8)
#define x4_rot7(x)	_mm_ror_epi32(x, 7)

#define x8_set1(x)	_mm256_set1_epi32((int)(x))
#define x8_loadu(p)	_mm256_loadu_si256((const void *)(p))
#define x8_add(x, y)	_mm256_add_epi32(x, y)
#define x8_xor(x, y)	_mm256_xor_si256(x, y)
#define x8_rot16(x)	_mm256_ror_epi32(x, 16)
#define x8_rot12(x)	_mm256_ror_epi32(x, 12)
#define x8_rot8(x)	_mm256_ror_epi32(x, 8)
#define x8_rot7(x)	_mm256_ror_epi32(x, 7)

#define x16_set1(x)	_mm512_set1_epi32((int)(x))
#define x16_loadu(p)	_mm512_loadu_si512(p)
#define x16_add(x, y)	_mm512_add_epi32(x, y)
#define x16_xor(x, y)	_mm512_xor_si512(x, y)
#define x16_rot16(x)	_mm512_ror_epi32(x, 16)
#define x16_rot12(x)	_mm512_ror_epi32(x, 12)
#define x16_rot8(x)	_mm512_ror_epi32(x, 8)
#define x16_rot7(x)	_mm512_ror_epi32(x, 7)

INLINE void
x4_transpose(__m128i r[4])
{
	__m128i a, b, c, d;

	a = _mm_unpacklo_epi32(r[0], r[1]);
	b = _mm_unpackhi_epi32(r[0], r[1]);
	c = _mm_unpacklo_epi32(r[2], r[3]);
	d = _mm_unpackhi_epi32(r[2], r[3]);
	r[0] = _mm_unpacklo_epi64(a, c);
	r[1] = _mm_unpackhi_epi64(a, c);
	r[2] = _mm_unpacklo_epi64(b, d);
	r[3] = _mm_unpackhi_epi64(b, d);
}

#define QUARTER(i) do {							\
	m[i] = x4_loadu(p[0] + off + 4 * (i));				\
	m[i + 1] = x4_loadu(p[1] + off + 4 * (i));			\
	m[i + 2] = x4_loadu(p[2] + off + 4 * (i));			\
	m[i + 3] = x4_loadu(p[3] + off + 4 * (i));			\
	x4_transpose(m + (i));						\
} while (0)

INLINE void
x4_load_block(__m128i m[16], const uint8_t *const p[4], size_t off)
{
	QUARTER(0);
	QUARTER(4);
	QUARTER(8);
	QUARTER(12);
}

INLINE void
x4_store_cvs(const __m128i h[8], uint8_t *out)
{
	__m128i r[8] = { h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7] };
	__m128i *o = (void *)out;

	x4_transpose(r);
	x4_transpose(r + 4);
	_mm_storeu_si128(o, r[0]);
	_mm_storeu_si128(o + 1, r[4]);
	_mm_storeu_si128(o + 2, r[1]);
	_mm_storeu_si128(o + 3, r[5]);
	_mm_storeu_si128(o + 4, r[2]);
	_mm_storeu_si128(o + 5, r[6]);
	_mm_storeu_si128(o + 6, r[3]);
	_mm_storeu_si128(o + 7, r[7]);
}

INLINE void
x8_transpose(__m256i r[8])
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
	m[i] = x8_loadu(p[0] + off + 4 * (i));				\
	m[i + 1] = x8_loadu(p[1] + off + 4 * (i));			\
	m[i + 2] = x8_loadu(p[2] + off + 4 * (i));			\
	m[i + 3] = x8_loadu(p[3] + off + 4 * (i));			\
	m[i + 4] = x8_loadu(p[4] + off + 4 * (i));			\
	m[i + 5] = x8_loadu(p[5] + off + 4 * (i));			\
	m[i + 6] = x8_loadu(p[6] + off + 4 * (i));			\
	m[i + 7] = x8_loadu(p[7] + off + 4 * (i));			\
	x8_transpose(m + (i));						\
} while (0)

INLINE void
x8_load_block(__m256i m[16], const uint8_t *const p[8], size_t off)
{
	HALF_BLOCK(0);
	HALF_BLOCK(8);
}

INLINE void
x8_store_cvs(const __m256i h[8], uint8_t *out)
{
	__m256i r[8] = { h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7] };
	__m256i *o = (void *)out;

	x8_transpose(r);
	_mm256_storeu_si256(o, r[0]);
	_mm256_storeu_si256(o + 1, r[1]);
	_mm256_storeu_si256(o + 2, r[2]);
	_mm256_storeu_si256(o + 3, r[3]);
	_mm256_storeu_si256(o + 4, r[4]);
	_mm256_storeu_si256(o + 5, r[5]);
	_mm256_storeu_si256(o + 6, r[6]);
	_mm256_storeu_si256(o + 7, r[7]);
}

/* In each 128-bit quarter, a 4 by 4 transposition of the four vectors. */
INLINE void
x16_quads(__m512i r[4])
{
	__m512i a, b, c, d;

	a = _mm512_unpacklo_epi32(r[0], r[1]);
	b = _mm512_unpackhi_epi32(r[0], r[1]);
	c = _mm512_unpacklo_epi32(r[2], r[3]);
	d = _mm512_unpackhi_epi32(r[2], r[3]);
	r[0] = _mm512_unpacklo_epi64(a, c);
	r[1] = _mm512_unpackhi_epi64(a, c);
	r[2] = _mm512_unpacklo_epi64(b, d);
	r[3] = _mm512_unpackhi_epi64(b, d);
}

/* 16 bytes of the rows 0, 4, 8 and 12; the load port places the quarters. */
INLINE __m512i
x16_column(const uint8_t *const *p, size_t off)
{
	__m512i x;

	x = _mm512_broadcast_i32x4(x4_loadu(p[0] + off));
	x = _mm512_mask_broadcast_i32x4(x, 0x00f0, x4_loadu(p[4] + off));
	x = _mm512_mask_broadcast_i32x4(x, 0x0f00, x4_loadu(p[8] + off));
	x = _mm512_mask_broadcast_i32x4(x, 0xf000, x4_loadu(p[12] + off));
	return x;
}

#define FOUR_WORDS(i) do {						\
	m[i] = x16_column(p, off + 4 * (i));				\
	m[i + 1] = x16_column(p + 1, off + 4 * (i));			\
	m[i + 2] = x16_column(p + 2, off + 4 * (i));			\
	m[i + 3] = x16_column(p + 3, off + 4 * (i));			\
	x16_quads(m + (i));						\
} while (0)

INLINE void
x16_load_block(__m512i m[16], const uint8_t *const p[16], size_t off)
{
	FOUR_WORDS(0);
	FOUR_WORDS(4);
	FOUR_WORDS(8);
	FOUR_WORDS(12);
}

/* r[i] and r[4 + i] have the two halves of the CVs i, 4 + i, 8 + i, 12 + i. */
#define FOUR_CVS(i) do {						\
	a = _mm512_permutex2var_epi64(r[i], low, r[4 + i]);		\
	b = _mm512_permutex2var_epi64(r[i], high, r[4 + i]);		\
	_mm256_storeu_si256(o + (i), _mm512_castsi512_si256(a));	\
	_mm256_storeu_si256(o + 4 + (i),				\
	    _mm512_extracti64x4_epi64(a, 1));				\
	_mm256_storeu_si256(o + 8 + (i), _mm512_castsi512_si256(b));	\
	_mm256_storeu_si256(o + 12 + (i),				\
	    _mm512_extracti64x4_epi64(b, 1));				\
} while (0)

INLINE void
x16_store_cvs(const __m512i h[8], uint8_t *out)
{
	const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
	const __m512i high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
	__m512i r[8] = { h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7] };
	__m512i a, b;
	__m256i *o = (void *)out;

	x16_quads(r);
	x16_quads(r + 4);
	FOUR_CVS(0);
	FOUR_CVS(1);
	FOUR_CVS(2);
	FOUR_CVS(3);
}

#define LANES		4
#define LANES_NAME(x)	x4_##x
#define LANES_TARGET	TARGET
#define LANES_VEC	__m128i
#define LANES_REST(x)	((void)0)
#include "hash/blake3_lanes.h"

#define LANES		8
#define LANES_NAME(x)	x8_##x
#define LANES_TARGET	TARGET
#define LANES_VEC	__m256i
#define LANES_REST(x)	((void)0)
#include "hash/blake3_lanes.h"

#define LANES		16
#define LANES_NAME(x)	x16_##x
#define LANES_TARGET	TARGET
#define LANES_VEC	__m512i
#define LANES_REST(x)	((void)0)
#include "hash/blake3_lanes.h"

static void
chunks(const uint8_t *in, size_t n, size_t tail, const uint32_t key[8],
    uint64_t counter, uint32_t flags, uint8_t *out)
{
	size_t busy = n + (tail > 0);

	if (busy <= 4)
		x4_chunks(in, n, tail, key, counter, flags, out);
	else if (busy <= 8)
		x8_chunks(in, n, tail, key, counter, flags, out);
	else
		x16_chunks(in, n, tail, key, counter, flags, out);
}

static void
parents(const uint8_t *in, size_t n, const uint32_t key[8], uint32_t flags,
    uint8_t *out)
{
	if (n <= 4)
		x4_parents(in, n, key, flags, out);
	else if (n <= 8)
		x8_parents(in, n, key, flags, out);
	else
		x16_parents(in, n, key, flags, out);
}

const struct blake3_level blake3_avx512 = {
	.name = "avx512",
	.lanes = 16,
	.compress = compress,
	.compress_out = compress_out,
	.chunks = chunks,
	.parents = parents
};

#endif
