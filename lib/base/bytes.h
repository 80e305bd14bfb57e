/* Numbers in the bytes of disks, and bytes that are all zero. */
#ifndef NTT_BYTES_H
#define NTT_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The little-endian number of up to 8 bytes. */
static inline uint64_t
le_number(const void *bytes, size_t size)
{
	const unsigned char *b = bytes;
	uint64_t n = 0;

	while (size-- > 0)
		n = n << 8 | b[size];
	return n;
}

/* The big-endian one. */
static inline uint64_t
be_number(const void *bytes, size_t size)
{
	const unsigned char *b = bytes;
	uint64_t n = 0;

	while (size-- > 0)
		n = n << 8 | *b++;
	return n;
}

static inline uint32_t
le32(const void *bytes)
{
	return (uint32_t)le_number(bytes, 4);
}

static inline uint32_t
be32(const void *bytes)
{
	return (uint32_t)be_number(bytes, 4);
}

static inline uint64_t
le64(const void *bytes)
{
	return le_number(bytes, 8);
}

static inline int
all_zero(const void *bytes, size_t size)
{
	const unsigned char *b = bytes;

	return size == 0 || (*b == 0 && !memcmp(b, b + 1, size - 1));
}

#endif
