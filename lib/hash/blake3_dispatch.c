/*
 * blake3_dispatch.c - which of the levels this CPU gets
 */
#include "hash/blake3_impl.h"

#ifndef NTT_SYSTEM_BLAKE3

static const struct blake3_level *in_use;

const struct blake3_level *
blake3_level_get(size_t i)
{
	const struct blake3_level *have[4];
	size_t n = 0;

	have[n++] = &blake3_portable;
#if BLAKE3_X86
	/*
	 * The builtin asks the CPU, and xgetbv whether the kernel saves the
	 * wide registers.  A level needs those below it for narrow work.
	 */
	if (__builtin_cpu_supports("sse4.1"))
		have[n++] = &blake3_sse41;
	if (n == 2 && __builtin_cpu_supports("avx2"))
		have[n++] = &blake3_avx2;
	if (n == 3 && __builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512vl"))
		have[n++] = &blake3_avx512;
#endif
	return i < n ? have[i] : NULL;
}

const struct blake3_level *
blake3_level(void)
{
	const struct blake3_level *l, *next;
	size_t i;

	l = __atomic_load_n(&in_use, __ATOMIC_RELAXED);
	if (l != NULL)
		return l;

	/* Threads may meet here; they all find the same. */
	for (i = 0; (next = blake3_level_get(i)) != NULL; i++)
		l = next;
	__atomic_store_n(&in_use, l, __ATOMIC_RELAXED);
	return l;
}

void
blake3_level_set(const struct blake3_level *l)
{
	__atomic_store_n(&in_use, l, __ATOMIC_RELAXED);
}

#endif
