/*
 * blake3_impl.h - what the blake3*.c files share; private, except to tests
 *
 * A level is one instruction set's way of hashing.  blake3.c knows the tree
 * and asks the level for chaining values (CVs); the level knows nothing but
 * blocks.  CVs in arrays are BLAKE3_OUT_LEN bytes each, in the byte order of
 * the output; a key or a single CV is eight native words.
 */
#ifndef NTT_BLAKE3_IMPL_H
#define NTT_BLAKE3_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "hash/blake3.h"

#ifndef NTT_SYSTEM_BLAKE3

#if defined(__x86_64__) || defined(__i386__)
#define BLAKE3_X86 1
#else
#define BLAKE3_X86 0
#endif

/*
 * BLAKE3_KEEP(x) makes the compiler finish x before it goes on.  Of the sum
 * a + m + b the operand b is the last to be ready, so a + m has to be added
 * first; gcc reassociates vector additions to a + (m + b), a step more on the
 * longest path and a tenth of the speed.
 *
 * BLAKE3_SPILL(x) puts x in memory until its next use.  The state alone fills
 * sixteen registers and shifting needs one more; left to itself gcc spills
 * what is needed next.  With it the code is a seventh faster; with clang, which
 * chooses better, it would be a third slower.
 */
#if defined(__GNUC__) && !defined(__clang__)
#define BLAKE3_KEEP(x)	__asm__("" : "+v"(x))
#define BLAKE3_SPILL(x)	__asm__("" : "+m"(x))
#else
#define BLAKE3_KEEP(x)	((void)0)
#define BLAKE3_SPILL(x)	((void)0)
#endif

enum blake3_flag {
	BLAKE3_CHUNK_START	= 1 << 0,
	BLAKE3_CHUNK_END	= 1 << 1,
	BLAKE3_PARENT		= 1 << 2,
	BLAKE3_ROOT		= 1 << 3,
	BLAKE3_KEYED		= 1 << 4,
	BLAKE3_CONTEXT		= 1 << 5,
	BLAKE3_MATERIAL		= 1 << 6
};

enum {
	BLAKE3_CHUNK_BLOCKS	= BLAKE3_CHUNK_LEN / BLAKE3_BLOCK_LEN,
	BLAKE3_MAX_LANES	= 16
};

struct blake3_level {
	const char	*name;

	/* Power of two, 4 to BLAKE3_MAX_LANES: chunks hashed side by side. */
	size_t		 lanes;

	/* One block; the first 32 bytes of its output replace cv. */
	void	(*compress)(uint32_t cv[8], const uint8_t block[64],
		    uint32_t len, uint64_t counter, uint32_t flags);

	/* One block; all 64 bytes of its output. */
	void	(*compress_out)(const uint32_t cv[8], const uint8_t block[64],
		    uint32_t len, uint64_t counter, uint32_t flags,
		    uint8_t out[64]);

	/*
	 * CVs of n whole chunks, consecutive in memory and numbered from
	 * counter.  tail blocks, 0 to 15, of the chunk that follows are
	 * compressed as well and leave their CV, that of a chunk still open,
	 * in out[n]: the end of a small file costs next to nothing in a lane
	 * that would have been idle.  n + (tail > 0) is 1 to lanes.
	 */
	void	(*chunks)(const uint8_t *in, size_t n, size_t tail,
		    const uint32_t key[8], uint64_t counter, uint32_t flags,
		    uint8_t *out);

	/*
	 * CVs of n parents, 1 to lanes, from 2n children.  flags has
	 * BLAKE3_PARENT.  out may be in: all is read before any is written.
	 */
	void	(*parents)(const uint8_t *in, size_t n, const uint32_t key[8],
		    uint32_t flags, uint8_t *out);
};

extern const uint32_t blake3_iv[8];

extern const struct blake3_level blake3_portable;
#if BLAKE3_X86
extern const struct blake3_level blake3_sse41;
extern const struct blake3_level blake3_avx2;
extern const struct blake3_level blake3_avx512;

/* For the levels above SSE4.1, whose narrow work is no different. */
void	blake3_compress_sse41(uint32_t cv[8], const uint8_t block[64],
	    uint32_t len, uint64_t counter, uint32_t flags);
void	blake3_compress_out_sse41(const uint32_t cv[8],
	    const uint8_t block[64], uint32_t len, uint64_t counter,
	    uint32_t flags, uint8_t out[64]);
void	blake3_chunks_sse41(const uint8_t *in, size_t n, size_t tail,
	    const uint32_t key[8], uint64_t counter, uint32_t flags,
	    uint8_t *out);
void	blake3_parents_sse41(const uint8_t *in, size_t n,
	    const uint32_t key[8], uint32_t flags, uint8_t *out);
#endif

/* The level in use: the best this CPU has, unless a test chose another. */
const struct blake3_level *blake3_level(void);

/* The i-th level this CPU has, portable first; NULL when there is none. */
const struct blake3_level *blake3_level_get(size_t i);

/* For tests: from now on use this one.  NULL returns to the best. */
void	blake3_level_set(const struct blake3_level *);

static inline uint32_t
blake3_load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static inline void
blake3_store32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

#endif /* NTT_SYSTEM_BLAKE3 */
#endif
