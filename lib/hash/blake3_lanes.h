/*
 * blake3_lanes.h - a template: many chunks, or parents, one per vector lane
 *
 * Included once for each vector width, after defining
 *
 *	LANES		number of 32-bit lanes
 *	LANES_NAME(x)	the name x made that width's own
 *	LANES_TARGET	attribute of the functions made here
 *	LANES_VEC	the vector type
 *	LANES_REST(x)	what to do with a vector not needed for a while:
 *			BLAKE3_SPILL where there are 16 registers, else nothing
 *
 * and, as functions or macros named LANES_NAME(...), set1(u32), loadu(u32 *),
 * add, xor, rot16, rot12, rot8, rot7, load_block(vec m[16], u8 *const p[],
 * size_t off) which makes m[i] the i-th word of every lane's block, and
 * store_cvs(vec h[8], u8 *out) which is the way back.
 *
 * It makes two static functions, chunks and parents, with the contract of
 * those in struct blake3_level for up to LANES CVs, and undefines the above.
 * Lanes without work repeat lane 0's.
 */

#define ADD	LANES_NAME(add)
#define XOR	LANES_NAME(xor)

/* Half of four mixes; in this order each step has four independent parts. */
#define HALF(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, \
    m0, m1, m2, m3, rd, rb) do {					\
	v[a0] = ADD(v[a0], m[m0]);					\
	BLAKE3_KEEP(v[a0]);						\
	v[a1] = ADD(v[a1], m[m1]);					\
	BLAKE3_KEEP(v[a1]);						\
	v[a2] = ADD(v[a2], m[m2]);					\
	BLAKE3_KEEP(v[a2]);						\
	v[a3] = ADD(v[a3], m[m3]);					\
	BLAKE3_KEEP(v[a3]);						\
	v[a0] = ADD(v[a0], v[b0]);					\
	v[a1] = ADD(v[a1], v[b1]);					\
	v[a2] = ADD(v[a2], v[b2]);					\
	v[a3] = ADD(v[a3], v[b3]);					\
	v[d0] = LANES_NAME(rd)(XOR(v[d0], v[a0]));			\
	v[d1] = LANES_NAME(rd)(XOR(v[d1], v[a1]));			\
	v[d2] = LANES_NAME(rd)(XOR(v[d2], v[a2]));			\
	v[d3] = LANES_NAME(rd)(XOR(v[d3], v[a3]));			\
	LANES_REST(v[a0]);						\
	v[c0] = ADD(v[c0], v[d0]);					\
	v[c1] = ADD(v[c1], v[d1]);					\
	v[c2] = ADD(v[c2], v[d2]);					\
	v[c3] = ADD(v[c3], v[d3]);					\
	v[b0] = LANES_NAME(rb)(XOR(v[b0], v[c0]));			\
	v[b1] = LANES_NAME(rb)(XOR(v[b1], v[c1]));			\
	v[b2] = LANES_NAME(rb)(XOR(v[b2], v[c2]));			\
	v[b3] = LANES_NAME(rb)(XOR(v[b3], v[c3]));			\
} while (0)

#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, \
    s14, s15) do {							\
	HALF(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,	\
	    s0, s2, s4, s6, rot16, rot12);				\
	HALF(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,	\
	    s1, s3, s5, s7, rot8, rot7);				\
	HALF(0, 1, 2, 3, 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14,	\
	    s8, s10, s12, s14, rot16, rot12);				\
	HALF(0, 1, 2, 3, 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14,	\
	    s9, s11, s13, s15, rot8, rot7);				\
} while (0)

/* Constant arguments at every call: stride, blocks and the edge flags. */
static inline __attribute__((always_inline)) LANES_TARGET void
LANES_NAME(run)(const uint8_t *in, size_t stride, size_t n, size_t blocks,
    size_t tail, const uint32_t key[8], uint64_t counter, int count,
    uint32_t flags, uint32_t first, uint32_t last, uint8_t *out)
{
	uint8_t cvs[LANES * BLAKE3_OUT_LEN] __attribute__((aligned(64)));
	const uint8_t *p[LANES];
	uint32_t lo[LANES], hi[LANES];
	LANES_VEC h[8], v[16], m[16], clo, chi;
	size_t i, b, busy;

	busy = n + (tail > 0);
	for (i = 0; i < LANES; i++)
		p[i] = in + (i < busy ? i : 0) * stride;
	if (count) {
		for (i = 0; i < LANES; i++) {
			lo[i] = (uint32_t)(counter + i);
			hi[i] = (uint32_t)((counter + i) >> 32);
		}
		clo = LANES_NAME(loadu)(lo);
		chi = LANES_NAME(loadu)(hi);
	} else {
		clo = LANES_NAME(set1)(0);
		chi = clo;
	}
	h[0] = LANES_NAME(set1)(key[0]);
	h[1] = LANES_NAME(set1)(key[1]);
	h[2] = LANES_NAME(set1)(key[2]);
	h[3] = LANES_NAME(set1)(key[3]);
	h[4] = LANES_NAME(set1)(key[4]);
	h[5] = LANES_NAME(set1)(key[5]);
	h[6] = LANES_NAME(set1)(key[6]);
	h[7] = LANES_NAME(set1)(key[7]);

	for (b = 0; b < blocks; b++) {
		if (b > 0 && b == tail) {
			LANES_NAME(store_cvs)(h, cvs);
			memcpy(out + n * BLAKE3_OUT_LEN,
			    cvs + n * BLAKE3_OUT_LEN, BLAKE3_OUT_LEN);
			p[n] = in;
		}
		LANES_NAME(load_block)(m, p, b * BLAKE3_BLOCK_LEN);
		v[0] = h[0];
		v[1] = h[1];
		v[2] = h[2];
		v[3] = h[3];
		v[4] = h[4];
		v[5] = h[5];
		v[6] = h[6];
		v[7] = h[7];
		v[8] = LANES_NAME(set1)(0x6a09e667);
		v[9] = LANES_NAME(set1)(0xbb67ae85);
		v[10] = LANES_NAME(set1)(0x3c6ef372);
		v[11] = LANES_NAME(set1)(0xa54ff53a);
		v[12] = clo;
		v[13] = chi;
		v[14] = LANES_NAME(set1)(BLAKE3_BLOCK_LEN);
		v[15] = LANES_NAME(set1)(flags | (b == 0 ? first : 0) |
		    (b == blocks - 1 ? last : 0));

		ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
		ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8);
		ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1);
		ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6);
		ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4);
		ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7);
		ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13);

		h[0] = XOR(v[0], v[8]);
		h[1] = XOR(v[1], v[9]);
		h[2] = XOR(v[2], v[10]);
		h[3] = XOR(v[3], v[11]);
		h[4] = XOR(v[4], v[12]);
		h[5] = XOR(v[5], v[13]);
		h[6] = XOR(v[6], v[14]);
		h[7] = XOR(v[7], v[15]);
	}

	if (n == LANES) {
		LANES_NAME(store_cvs)(h, out);
	} else {
		LANES_NAME(store_cvs)(h, cvs);
		memcpy(out, cvs, n * BLAKE3_OUT_LEN);
	}
}

static LANES_TARGET void
LANES_NAME(chunks)(const uint8_t *in, size_t n, size_t tail,
    const uint32_t key[8], uint64_t counter, uint32_t flags, uint8_t *out)
{
	LANES_NAME(run)(in, BLAKE3_CHUNK_LEN, n, BLAKE3_CHUNK_BLOCKS, tail,
	    key, counter, 1, flags, BLAKE3_CHUNK_START, BLAKE3_CHUNK_END, out);
}

static LANES_TARGET void
LANES_NAME(parents)(const uint8_t *in, size_t n, const uint32_t key[8],
    uint32_t flags, uint8_t *out)
{
	LANES_NAME(run)(in, BLAKE3_BLOCK_LEN, n, 1, 0, key, 0, 0, flags, 0, 0,
	    out);
}

#undef ADD
#undef XOR
#undef HALF
#undef ROUND
#undef LANES
#undef LANES_NAME
#undef LANES_TARGET
#undef LANES_VEC
#undef LANES_REST
