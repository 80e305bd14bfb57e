#define _GNU_SOURCE
#include "raw/seen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

#include "base/buf.h"

enum {
	CHAIN_BITS = 20,
	REST_BITS = 64 - CHAIN_BITS,
	CHUNK_SIZE = 1 << 20,
	INODES_A_BLOCK = 7,
	PATHS_A_BLOCK = 7
};

/* Of an entry: device number, rest of the permuted inode, mark, 1. */
enum { MARK = 2, USED = 1, REST_SHIFT = 2, DEV_SHIFT = REST_BITS + 2 };

struct inode_block {
	uint64_t entries[INODES_A_BLOCK];	/* 0: free, and so the rest */
	uint32_t next, unused;
};

struct path_block {
	uint32_t tags[PATHS_A_BLOCK];		/* 0: free, and so the rest */
	uint32_t next;
};

static void
random_keys(uint64_t keys[3])
{
	const void *fallback = (const void *)getauxval(AT_RANDOM);

	if (getrandom(keys, 3 * sizeof *keys, GRND_NONBLOCK) !=
	    (ssize_t)(3 * sizeof *keys) && fallback)
		memcpy(keys, fallback, 16);
	keys[1] |= 1;
	keys[2] |= 1;
}

static void
blocks_init(struct seen_blocks *b, uint32_t block_size)
{
	memset(b, 0, sizeof *b);
	b->block_size = block_size;
	b->used = 1;
}

static void
blocks_free(struct seen_blocks *b)
{
	size_t i;

	for (i = 0; i < b->chunk_count; i++)
		free(b->chunks[i]);
	free(b->chunks);
}

static inline void *
block_at(const struct seen_blocks *b, uint32_t n)
{
	uint32_t a_chunk = CHUNK_SIZE / b->block_size;

	return b->chunks[n / a_chunk] + n % a_chunk * b->block_size;
}

/* A block of zeros. */
static uint32_t
block_new(struct seen_blocks *b)
{
	uint32_t n = b->used++;
	size_t chunk = n / (CHUNK_SIZE / b->block_size);

	if (chunk == b->chunk_count) {
		b->chunks = xrealloc(b->chunks,
		    (chunk + 1) * sizeof *b->chunks);
		b->chunks[b->chunk_count++] = xcalloc(1, CHUNK_SIZE);
	}
	return n;
}

void
seen_inodes_init(struct seen_inodes *s)
{
	memset(s, 0, sizeof *s);
	random_keys(s->keys);
	s->chains = xcalloc((size_t)1 << CHAIN_BITS, sizeof *s->chains);
	blocks_init(&s->blocks, sizeof(struct inode_block));
	s->dev_mask = 63;
	s->dev_table = xcalloc(s->dev_mask + 1, sizeof *s->dev_table);
	s->devs = xcalloc(s->dev_mask + 1, sizeof *s->devs);
}

void
seen_inodes_free(struct seen_inodes *s)
{
	blocks_free(&s->blocks);
	free(s->chains);
	free(s->dev_table);
	free(s->devs);
	memset(s, 0, sizeof *s);
}

static uint32_t *
dev_slot(const struct seen_inodes *s, uint64_t dev)
{
	uint64_t i = (dev ^ s->keys[0]) * s->keys[1] >> 32;

	/* slots hold number + 1 */
	for (;; i++) {
		uint32_t *slot = &s->dev_table[i & s->dev_mask];

		if (*slot == 0 || s->devs[*slot - 1] == dev)
			return slot;
	}
}

static void
dev_grow(struct seen_inodes *s)
{
	uint32_t i;

	s->dev_mask = s->dev_mask * 2 + 1;
	free(s->dev_table);
	s->dev_table = xcalloc(s->dev_mask + 1, sizeof *s->dev_table);
	s->devs = xrealloc(s->devs, (s->dev_mask + 1) * sizeof *s->devs);
	for (i = 0; i < s->dev_count; i++)
		*dev_slot(s, s->devs[i]) = i + 1;
}

/* The small number of a device; -1 when there are too many. */
static int
dev_number_of(struct seen_inodes *s, uint64_t dev, uint32_t *number)
{
	uint32_t *slot;

	if (s->dev_count > 0 && s->devs[s->last_dev] == dev) {
		*number = s->last_dev;
		return 0;
	}
	slot = dev_slot(s, dev);
	if (*slot == 0) {
		if (s->dev_count == SEEN_DEVS_MAX)
			return -1;
		s->devs[s->dev_count++] = dev;
		*slot = s->dev_count;
		*number = *slot - 1;
		if (s->dev_count > s->dev_mask / 2)
			dev_grow(s);
	} else {
		*number = *slot - 1;
	}
	s->last_dev = *number;
	return 0;
}

/* A bijection for each device, so that chain and rest identify the inode. */
static inline uint64_t
permute(const struct seen_inodes *s, uint32_t dev, uint64_t ino)
{
	uint64_t x = ino ^ s->keys[0];

	x += dev * 0x9e3779b97f4a7c15;
	x ^= x >> 32;
	x *= s->keys[1];
	x ^= x >> 29;
	x *= s->keys[2];
	return x ^ x >> 32;
}

static uint64_t *
find_inode(const struct seen_inodes *s, const uint32_t *chain, uint64_t wanted)
{
	uint32_t n;
	int i;

	for (n = *chain; n != 0; ) {
		struct inode_block *b = block_at(&s->blocks, n);

		for (i = 0; i < INODES_A_BLOCK && b->entries[i]; i++)
			if ((b->entries[i] & ~(uint64_t)MARK) == wanted)
				return &b->entries[i];
		n = b->next;
	}
	return NULL;
}

static void
add_inode(struct seen_inodes *s, uint32_t *chain, uint64_t entry)
{
	struct inode_block *b = *chain ? block_at(&s->blocks, *chain) : NULL;
	int i;

	if (!b || b->entries[INODES_A_BLOCK - 1]) {
		uint32_t n = block_new(&s->blocks);

		b = block_at(&s->blocks, n);
		b->next = *chain;
		*chain = n;
	}
	for (i = 0; b->entries[i]; i++)
		;
	b->entries[i] = entry;
}

int
seen_inode_key(struct seen_inodes *s, uint64_t dev, uint64_t ino,
    struct seen_key *key)
{
	uint32_t number;
	uint64_t x;

	if (dev_number_of(s, dev, &number) < 0)
		return -1;
	x = permute(s, number, ino);
	key->chain = &s->chains[x >> REST_BITS];
	__builtin_prefetch(key->chain);
	x &= ((uint64_t)1 << REST_BITS) - 1;
	key->entry = (uint64_t)number << DEV_SHIFT | x << REST_SHIFT | USED;
	return 0;
}

void
seen_inode_soon(const struct seen_inodes *s, const struct seen_key *key)
{
	if (*key->chain)
		__builtin_prefetch(block_at(&s->blocks, *key->chain));
}

int
seen_inode_at(struct seen_inodes *s, const struct seen_key *key, int mark)
{
	uint64_t *there = find_inode(s, key->chain, key->entry);

	if (there) {
		if (mark)
			*there |= MARK;
		return 0;
	}
	add_inode(s, key->chain, mark ? key->entry | MARK : key->entry);
	return 1;
}

int
seen_inode(struct seen_inodes *s, uint64_t dev, uint64_t ino, int mark)
{
	struct seen_key key;

	return seen_inode_key(s, dev, ino, &key) < 0 ? -1 :
	    seen_inode_at(s, &key, mark);
}

int
seen_inode_marked(struct seen_inodes *s, uint64_t dev, uint64_t ino)
{
	struct seen_key key;
	const uint64_t *there;

	if (seen_inode_key(s, dev, ino, &key) < 0)
		return 0;
	there = find_inode(s, key.chain, key.entry);
	return there && *there & MARK;
}

void
seen_paths_init(struct seen_paths *s)
{
	memset(s, 0, sizeof *s);
	random_keys(s->keys);
	s->chains = xcalloc((size_t)1 << CHAIN_BITS, sizeof *s->chains);
	blocks_init(&s->blocks, sizeof(struct path_block));
}

void
seen_paths_free(struct seen_paths *s)
{
	blocks_free(&s->blocks);
	free(s->chains);
	memset(s, 0, sizeof *s);
}

static inline uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Keyed multiplication of 16 bytes a step; quality, not secrecy, matters. */
static uint64_t
hash_path(const uint64_t keys[3], const unsigned char *p, size_t len)
{
	uint64_t h = keys[0], w[2];
	size_t left = len;

	for (; left >= sizeof w; p += sizeof w, left -= sizeof w) {
		memcpy(w, p, sizeof w);
		h = fold(w[0] ^ keys[1], w[1] ^ h);
	}
	w[0] = w[1] = 0;
	memcpy(w, p, left);
	h = fold(w[0] ^ keys[2], w[1] ^ h);
	return fold(h ^ keys[1], len ^ keys[2]);
}

uint64_t
seen_path_hash(const struct seen_paths *s, const void *path, size_t len)
{
	uint64_t h = hash_path(s->keys, path, len);

	__builtin_prefetch(&s->chains[h >> REST_BITS]);
	return h;
}

void
seen_path_soon(const struct seen_paths *s, uint64_t h)
{
	uint32_t n = s->chains[h >> REST_BITS];

	if (n != 0)
		__builtin_prefetch(block_at(&s->blocks, n));
}

int
seen_path(struct seen_paths *s, const void *path, size_t len)
{
	return seen_path_at(s, hash_path(s->keys, path, len));
}

int
seen_path_at(struct seen_paths *s, uint64_t h)
{
	uint32_t *chain = &s->chains[h >> REST_BITS], tag = (uint32_t)h, n;
	struct path_block *b = NULL;
	int i;

	if (tag == 0)
		tag = 1;
	for (n = *chain; n != 0; n = b->next) {
		b = block_at(&s->blocks, n);
		for (i = 0; i < PATHS_A_BLOCK && b->tags[i]; i++)
			if (b->tags[i] == tag)
				return 0;
	}
	b = *chain ? block_at(&s->blocks, *chain) : NULL;
	if (!b || b->tags[PATHS_A_BLOCK - 1]) {
		n = block_new(&s->blocks);
		b = block_at(&s->blocks, n);
		b->next = *chain;
		*chain = n;
	}
	for (i = 0; b->tags[i]; i++)
		;
	b->tags[i] = tag;
	return 1;
}
