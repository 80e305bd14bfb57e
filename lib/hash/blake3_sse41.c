/*
 * blake3_sse41.c - BLAKE3 four lanes wide, and single blocks by rows
 *
 * A single block has its 4x4 state in four registers a, b, c, d, a row each,
 * so that one operation does the four columns.  For the diagonals the rows
 * are rotated against each other; row b stays where it is, being the last to
 * be ready, and the diagonals are thus met in the order 3, 0, 1, 2.
 */
#include "hash/blake3_impl.h"

#if !defined(NTT_SYSTEM_BLAKE3) && BLAKE3_X86

#include <immintrin.h>
#include <string.h>

#define TARGET		__attribute__((target("sse4.1")))

static inline TARGET __m128i
load(const void *p)
{
	return _mm_loadu_si128(p);
}

static inline TARGET void
store(void *p, __m128i x)
{
	_mm_storeu_si128(p, x);
}

static inline TARGET __m128i
rot16(__m128i x)
{
	return _mm_shuffle_epi8(x, _mm_set_epi8(13, 12, 15, 14, 9, 8, 11, 10,
	    5, 4, 7, 6, 1, 0, 3, 2));
}

static inline TARGET __m128i
rot12(__m128i x)
{
	return _mm_or_si128(_mm_srli_epi32(x, 12), _mm_slli_epi32(x, 20));
}

static inline TARGET __m128i
rot8(__m128i x)
{
	return _mm_shuffle_epi8(x, _mm_set_epi8(12, 15, 14, 13, 8, 11, 10, 9,
	    4, 7, 6, 5, 0, 3, 2, 1));
}

static inline TARGET __m128i
rot7(__m128i x)
{
	return _mm_or_si128(_mm_srli_epi32(x, 7), _mm_slli_epi32(x, 25));
}

/* Lanes of the result: i0 and i1 of x, then i2 and i3 of y. */
#define PICK(x, y, i0, i1, i2, i3)					\
	_mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(x),		\
	    _mm_castsi128_ps(y), _MM_SHUFFLE(i3, i2, i1, i0)))
#define TURN(x, i0, i1, i2, i3)						\
	_mm_shuffle_epi32(x, _MM_SHUFFLE(i3, i2, i1, i0))

#define MIX(x, y) do {							\
	a = _mm_add_epi32(a, x);					\
	BLAKE3_KEEP(a);							\
	a = _mm_add_epi32(a, b);					\
	d = rot16(_mm_xor_si128(d, a));					\
	c = _mm_add_epi32(c, d);					\
	b = rot12(_mm_xor_si128(b, c));					\
	a = _mm_add_epi32(a, y);					\
	BLAKE3_KEEP(a);							\
	a = _mm_add_epi32(a, b);					\
	d = rot8(_mm_xor_si128(d, a));					\
	c = _mm_add_epi32(c, d);					\
	b = rot7(_mm_xor_si128(b, c));					\
} while (0)

#define ROUND() do {							\
	MIX(x, y);							\
	a = TURN(a, 3, 0, 1, 2);					\
	c = TURN(c, 1, 2, 3, 0);					\
	d = TURN(d, 2, 3, 0, 1);					\
	MIX(z, w);							\
	a = TURN(a, 1, 2, 3, 0);					\
	c = TURN(c, 3, 0, 1, 2);					\
	d = TURN(d, 2, 3, 0, 1);					\
} while (0)

/*
 * The next round's message.  x and y hold the words 0 2 4 6 and 1 3 5 7, for
 * the columns, z and w 14 8 10 12 and 15 9 11 13, for the diagonals; and the
 * new word i is the old word number 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8.
 */
#define PERMUTE() do {							\
	__m128i x1, y1, z1, w1;						\
									\
	x1 = PICK(x, y, 1, 2, 1, 3);		/* 2 4 3 7 */		\
	y1 = PICK(x, _mm_blend_epi16(z, w, 0xc0), 3, 0, 2, 3);		\
						/* 6 0 10 13 */		\
	z1 = PICK(_mm_blend_epi16(y, z, 0xc0), w, 0, 3, 0, 1);		\
						/* 1 12 15 9 */		\
	w1 = PICK(_mm_unpackhi_epi32(w, y), z, 0, 1, 1, 0);		\
						/* 11 5 8 14 */		\
	x = TURN(x1, 0, 2, 3, 1);					\
	y = TURN(y1, 0, 2, 1, 3);					\
	z = TURN(z1, 2, 0, 1, 3);					\
	w = TURN(w1, 2, 0, 1, 3);					\
} while (0)

static inline __attribute__((always_inline)) TARGET void
rounds(__m128i s[4], const uint32_t cv[8], const uint8_t block[64],
    uint32_t len, uint64_t counter, uint32_t flags)
{
	__m128i a, b, c, d, x, y, z, w, m0, m1, m2, m3;

	m0 = load(block);
	m1 = load(block + 16);
	m2 = load(block + 32);
	m3 = load(block + 48);
	x = PICK(m0, m1, 0, 2, 0, 2);
	y = PICK(m0, m1, 1, 3, 1, 3);
	z = TURN(PICK(m2, m3, 0, 2, 0, 2), 3, 0, 1, 2);
	w = TURN(PICK(m2, m3, 1, 3, 1, 3), 3, 0, 1, 2);

	a = load(cv);
	b = load(cv + 4);
	c = load(blake3_iv);
	d = _mm_set_epi32((int)flags, (int)len, (int)(counter >> 32),
	    (int)counter);

	ROUND();
	PERMUTE();
	ROUND();
	PERMUTE();
	ROUND();
	PERMUTE();
	ROUND();
	PERMUTE();
	ROUND();
	PERMUTE();
	ROUND();
	PERMUTE();
	ROUND();

	s[0] = _mm_xor_si128(a, c);
	s[1] = _mm_xor_si128(b, d);
	s[2] = c;
	s[3] = d;
}

TARGET void
blake3_compress_sse41(uint32_t cv[8], const uint8_t block[64], uint32_t len,
    uint64_t counter, uint32_t flags)
{
	__m128i s[4];

	rounds(s, cv, block, len, counter, flags);
	store(cv, s[0]);
	store(cv + 4, s[1]);
}

TARGET void
blake3_compress_out_sse41(const uint32_t cv[8], const uint8_t block[64],
    uint32_t len, uint64_t counter, uint32_t flags, uint8_t out[64])
{
	__m128i s[4];

	rounds(s, cv, block, len, counter, flags);
	store(out, s[0]);
	store(out + 16, s[1]);
	store(out + 32, _mm_xor_si128(s[2], load(cv)));
	store(out + 48, _mm_xor_si128(s[3], load(cv + 4)));
}

#undef ROUND

static inline TARGET __m128i
x4_set1(uint32_t x)
{
	return _mm_set1_epi32((int)x);
}

#define x4_loadu(p)	load(p)
#define x4_add(x, y)	_mm_add_epi32(x, y)
#define x4_xor(x, y)	_mm_xor_si128(x, y)
#define x4_rot12(x)	rot12(x)
#define x4_rot7(x)	rot7(x)

/* From memory always: a compiler would keep two registers for these. */
static const uint8_t bytes16[16] __attribute__((aligned(16))) = {
	2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
};
static const uint8_t bytes8[16] __attribute__((aligned(16))) = {
	1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12
};

static inline TARGET __m128i
x4_rot16(__m128i x)
{
	__asm__("pshufb %1, %0" : "+x"(x) : "m"(bytes16));
	return x;
}

static inline TARGET __m128i
x4_rot8(__m128i x)
{
	__asm__("pshufb %1, %0" : "+x"(x) : "m"(bytes8));
	return x;
}

static inline __attribute__((always_inline)) TARGET void
transpose(__m128i *r0, __m128i *r1, __m128i *r2, __m128i *r3)
{
	__m128i t0, t1, t2, t3;

	t0 = _mm_unpacklo_epi32(*r0, *r1);
	t1 = _mm_unpackhi_epi32(*r0, *r1);
	t2 = _mm_unpacklo_epi32(*r2, *r3);
	t3 = _mm_unpackhi_epi32(*r2, *r3);
	*r0 = _mm_unpacklo_epi64(t0, t2);
	*r1 = _mm_unpackhi_epi64(t0, t2);
	*r2 = _mm_unpacklo_epi64(t1, t3);
	*r3 = _mm_unpackhi_epi64(t1, t3);
}

#define QUARTER(i) do {							\
	m[i] = load(p[0] + off + 4 * (i));				\
	m[i + 1] = load(p[1] + off + 4 * (i));				\
	m[i + 2] = load(p[2] + off + 4 * (i));				\
	m[i + 3] = load(p[3] + off + 4 * (i));				\
	transpose(&m[i], &m[i + 1], &m[i + 2], &m[i + 3]);		\
} while (0)

static inline __attribute__((always_inline)) TARGET void
x4_load_block(__m128i m[16], const uint8_t *const p[4], size_t off)
{
	QUARTER(0);
	QUARTER(4);
	QUARTER(8);
	QUARTER(12);
}

static inline __attribute__((always_inline)) TARGET void
x4_store_cvs(const __m128i h[8], uint8_t *out)
{
	__m128i a = h[0], b = h[1], c = h[2], d = h[3];
	__m128i e = h[4], f = h[5], g = h[6], i = h[7];

	transpose(&a, &b, &c, &d);
	transpose(&e, &f, &g, &i);
	store(out, a);
	store(out + 16, e);
	store(out + 32, b);
	store(out + 48, f);
	store(out + 64, c);
	store(out + 80, g);
	store(out + 96, d);
	store(out + 112, i);
}

#define LANES		4
#define LANES_NAME(x)	x4_##x
#define LANES_TARGET	TARGET
#define LANES_VEC	__m128i
#define LANES_REST(x)	BLAKE3_SPILL(x)
#include "hash/blake3_lanes.h"

void
blake3_chunks_sse41(const uint8_t *in, size_t n, size_t tail,
    const uint32_t key[8], uint64_t counter, uint32_t flags, uint8_t *out)
{
	x4_chunks(in, n, tail, key, counter, flags, out);
}

void
blake3_parents_sse41(const uint8_t *in, size_t n, const uint32_t key[8],
    uint32_t flags, uint8_t *out)
{
	x4_parents(in, n, key, flags, out);
}

const struct blake3_level blake3_sse41 = {
	.name = "sse4.1",
	.lanes = 4,
	.compress = blake3_compress_sse41,
	.compress_out = blake3_compress_out_sse41,
	.chunks = blake3_chunks_sse41,
	.parents = blake3_parents_sse41
};

#endif
