/*
 * blake3.c - the tree of BLAKE3: what is hashed with what
 *
 * Input is cut into chunks of 1024 bytes, each hashed to a chaining value
 * (CV).  Pairs of CVs are hashed to their parent's, up to the root; a left
 * subtree is always complete and at least as large as its right sibling.
 *
 * The hasher holds one open chunk and a stack of CVs of complete subtrees,
 * the largest at the bottom.  After c chunks their sizes are the one bits of
 * c, as in binary addition; but the merges a push calls for wait until there
 * is more input, because the compression that turns out to be the last must
 * carry the ROOT flag.  The top two CVs may therefore be siblings.
 */
#include <string.h>

#include "hash/blake3_impl.h"

#ifndef NTT_SYSTEM_BLAKE3

/* A compression held back until it is known whether it is the root's. */
struct node {
	uint32_t	cv[8];
	uint8_t		block[BLAKE3_BLOCK_LEN];
	uint64_t	counter;
	uint32_t	len;
	uint32_t	flags;
};

static inline void
load_words(uint32_t w[8], const uint8_t *p)
{
	int i;

	for (i = 0; i < 8; i++)
		w[i] = blake3_load32(p + 4 * i);
}

static inline void
store_words(uint8_t *p, const uint32_t w[8])
{
	int i;

	for (i = 0; i < 8; i++)
		blake3_store32(p + 4 * i, w[i]);
}

static inline size_t
chunk_len(const blake3_hasher *h)
{
	return (size_t)h->blocks * BLAKE3_BLOCK_LEN + h->buf_len;
}

static inline void
chunk_open(blake3_hasher *h, uint64_t counter)
{
	memcpy(h->cv, h->key, sizeof(h->cv));
	h->counter = counter;
	h->blocks = 0;
	h->buf_len = 0;
}

static inline uint32_t
start_flag(const blake3_hasher *h)
{
	return h->blocks == 0 ? BLAKE3_CHUNK_START : 0;
}

/*
 * The last block of a chunk ends in the buffer, never in cv, whether full or
 * not: only the end of the chunk tells its flags.
 */
static void
chunk_update(blake3_hasher *h, const struct blake3_level *l,
    const uint8_t *in, size_t len)
{
	size_t n;

	if (h->buf_len > 0) {
		n = BLAKE3_BLOCK_LEN - h->buf_len;
		if (n > len)
			n = len;
		memcpy(h->buf + h->buf_len, in, n);
		h->buf_len += n;
		in += n;
		len -= n;
		if (len == 0)
			return;
		l->compress(h->cv, h->buf, BLAKE3_BLOCK_LEN, h->counter,
		    h->flags | start_flag(h));
		h->blocks++;
	}
	while (len > BLAKE3_BLOCK_LEN) {
		l->compress(h->cv, in, BLAKE3_BLOCK_LEN, h->counter,
		    h->flags | start_flag(h));
		h->blocks++;
		in += BLAKE3_BLOCK_LEN;
		len -= BLAKE3_BLOCK_LEN;
	}
	memcpy(h->buf, in, len);
	h->buf_len = len;
}

static inline void
chunk_node(const blake3_hasher *h, struct node *nd)
{
	memcpy(nd->cv, h->cv, sizeof(nd->cv));
	memcpy(nd->block, h->buf, h->buf_len);
	memset(nd->block + h->buf_len, 0, BLAKE3_BLOCK_LEN - h->buf_len);
	nd->counter = h->counter;
	nd->len = h->buf_len;
	nd->flags = h->flags | start_flag(h) | BLAKE3_CHUNK_END;
}

/* Of everything but the block, which the caller fills with two CVs. */
static inline void
parent_node(const blake3_hasher *h, struct node *nd)
{
	memcpy(nd->cv, h->key, sizeof(nd->cv));
	nd->counter = 0;
	nd->len = BLAKE3_BLOCK_LEN;
	nd->flags = h->flags | BLAKE3_PARENT;
}

static inline void
node_cv(const struct blake3_level *l, struct node *nd, uint8_t *out)
{
	l->compress(nd->cv, nd->block, nd->len, nd->counter, nd->flags);
	store_words(out, nd->cv);
}

/* Do the merges that waited; there are chunks after the first "chunks". */
static void
stack_merge(blake3_hasher *h, const struct blake3_level *l, uint64_t chunks)
{
	unsigned int depth = (unsigned int)__builtin_popcountll(chunks);
	uint32_t cv[8];
	uint8_t *top;

	while (h->depth > depth) {
		top = h->stack + (h->depth - 2) * BLAKE3_OUT_LEN;
		memcpy(cv, h->key, sizeof(cv));
		l->compress(cv, top, BLAKE3_BLOCK_LEN, 0,
		    h->flags | BLAKE3_PARENT);
		store_words(top, cv);
		h->depth--;
	}
}

/* cv is that of the subtree which starts with chunk number "first". */
static void
stack_push(blake3_hasher *h, const struct blake3_level *l, const uint8_t *cv,
    uint64_t first)
{
	stack_merge(h, l, first);
	memcpy(h->stack + h->depth * BLAKE3_OUT_LEN, cv, BLAKE3_OUT_LEN);
	h->depth++;
}

/*
 * Push a complete subtree of n chunks, given as k CVs of equal subtrees in
 * it, both powers of two.  The two halves are pushed, so that their parent
 * can still become the root.
 */
static void
push_subtree(blake3_hasher *h, const struct blake3_level *l, uint8_t *cvs,
    size_t k, uint64_t first, size_t n)
{
	while (k > 2) {
		k /= 2;
		l->parents(cvs, k, h->key, h->flags | BLAKE3_PARENT, cvs);
	}
	stack_push(h, l, cvs, first);
	if (k == 2)
		stack_push(h, l, cvs + BLAKE3_OUT_LEN, first + n / 2);
}

/*
 * Reduce n chunks, a power of two and at least the level's lanes, to as many
 * CVs as it has lanes.  By halves and not row by row: chunks and parents are
 * both hashed at full width, and the CVs stay in the nearest cache.
 */
static void
subtree(const blake3_hasher *h, const struct blake3_level *l,
    const uint8_t *in, size_t n, uint64_t first, uint8_t *out)
{
	uint8_t cvs[2 * BLAKE3_MAX_LANES * BLAKE3_OUT_LEN];

	if (n <= l->lanes) {
		l->chunks(in, n, 0, h->key, first, h->flags, out);
		return;
	}
	n /= 2;
	subtree(h, l, in, n, first, cvs);
	subtree(h, l, in + n * BLAKE3_CHUNK_LEN, n, first + n,
	    cvs + l->lanes * BLAKE3_OUT_LEN);
	l->parents(cvs, l->lanes, h->key, h->flags | BLAKE3_PARENT, out);
}

/* The largest power of two that is at most n > 0 and divides first. */
static inline size_t
subtree_size(size_t n, uint64_t first)
{
	uint64_t low = first & -first;
	size_t size;

	size = (size_t)1 << (8 * sizeof(long long) - 1 -
	    (size_t)__builtin_clzll(n));
	return low != 0 && low < size ? (size_t)low : size;
}

void
blake3_hasher_update(blake3_hasher *h, const void *input, size_t len)
{
	const struct blake3_level *l = blake3_level();
	uint8_t cvs[BLAKE3_MAX_LANES * BLAKE3_OUT_LEN], cv[BLAKE3_OUT_LEN];
	const uint8_t *in = input;
	struct node nd;
	size_t n, size, tail, i;
	uint64_t first;

	if (len == 0)
		return;

	n = chunk_len(h);
	if (n > 0) {
		n = BLAKE3_CHUNK_LEN - n;
		if (n > len)
			n = len;
		chunk_update(h, l, in, n);
		in += n;
		len -= n;
		if (len == 0)
			return;
		chunk_node(h, &nd);
		node_cv(l, &nd, cv);
		stack_push(h, l, cv, h->counter);
		chunk_open(h, h->counter + 1);
	}

	/* Chunk 0 stays open until there is a second: it may be the root. */
	while (len > BLAKE3_CHUNK_LEN ||
	    (len == BLAKE3_CHUNK_LEN && h->counter > 0)) {
		n = len / BLAKE3_CHUNK_LEN;
		first = h->counter;
		size = subtree_size(n, first);
		if (size > l->lanes) {
			subtree(h, l, in, size, first, cvs);
			push_subtree(h, l, cvs, l->lanes, first, size);
			in += size * BLAKE3_CHUNK_LEN;
			len -= size * BLAKE3_CHUNK_LEN;
			chunk_open(h, first + size);
			continue;
		}

		/*
		 * One pass, be it over several subtrees.  When it is not the
		 * last it ends where large subtrees can start.
		 */
		if (n > l->lanes)
			n = l->lanes - first % l->lanes;
		in += n * BLAKE3_CHUNK_LEN;
		len -= n * BLAKE3_CHUNK_LEN;
		tail = 0;
		if (n < l->lanes && len > 0 && len < BLAKE3_CHUNK_LEN)
			tail = (len - 1) / BLAKE3_BLOCK_LEN;
		l->chunks(in - n * BLAKE3_CHUNK_LEN, n, tail, h->key, first,
		    h->flags, cvs);
		chunk_open(h, first + n);
		if (tail > 0) {
			load_words(h->cv, cvs + n * BLAKE3_OUT_LEN);
			h->blocks = tail;
			in += tail * BLAKE3_BLOCK_LEN;
			len -= tail * BLAKE3_BLOCK_LEN;
		}
		for (i = 0; i < n; i += size) {
			size = subtree_size(n - i, first + i);
			push_subtree(h, l, cvs + i * BLAKE3_OUT_LEN, size,
			    first + i, size);
		}
	}

	if (len > 0) {
		chunk_update(h, l, in, len);
		stack_merge(h, l, h->counter);
	}
}

void
blake3_hasher_finalize_seek(const blake3_hasher *h, uint64_t seek,
    uint8_t *out, size_t out_len)
{
	const struct blake3_level *l = blake3_level();
	uint8_t block[BLAKE3_BLOCK_LEN];
	struct node nd;
	size_t depth = h->depth, skip, n;
	uint64_t counter;

	if (out_len == 0)
		return;

	/* With no open chunk, the siblings left on top are the last node. */
	if (depth == 0 || chunk_len(h) > 0) {
		chunk_node(h, &nd);
	} else {
		depth -= 2;
		memcpy(nd.block, h->stack + depth * BLAKE3_OUT_LEN,
		    BLAKE3_BLOCK_LEN);
		parent_node(h, &nd);
	}
	while (depth > 0) {
		depth--;
		node_cv(l, &nd, nd.block + BLAKE3_OUT_LEN);
		memcpy(nd.block, h->stack + depth * BLAKE3_OUT_LEN,
		    BLAKE3_OUT_LEN);
		parent_node(h, &nd);
	}

	nd.flags |= BLAKE3_ROOT;
	if (seek == 0 && out_len == BLAKE3_OUT_LEN) {
		nd.counter = 0;
		node_cv(l, &nd, out);
		return;
	}
	counter = seek / BLAKE3_BLOCK_LEN;
	skip = seek % BLAKE3_BLOCK_LEN;
	while (out_len > 0) {
		l->compress_out(nd.cv, nd.block, nd.len, counter, nd.flags,
		    block);
		n = BLAKE3_BLOCK_LEN - skip;
		if (n > out_len)
			n = out_len;
		memcpy(out, block + skip, n);
		out += n;
		out_len -= n;
		skip = 0;
		counter++;
	}
}

void
blake3_hasher_finalize(const blake3_hasher *h, uint8_t *out, size_t out_len)
{
	blake3_hasher_finalize_seek(h, 0, out, out_len);
}

static void
init(blake3_hasher *h, const uint32_t key[8], uint32_t flags)
{
	memcpy(h->key, key, sizeof(h->key));
	h->flags = flags;
	blake3_hasher_reset(h);
}

void
blake3_hasher_reset(blake3_hasher *h)
{
	h->depth = 0;
	chunk_open(h, 0);
}

void
blake3_hasher_init(blake3_hasher *h)
{
	init(h, blake3_iv, 0);
}

void
blake3_hasher_init_keyed(blake3_hasher *h, const uint8_t key[BLAKE3_KEY_LEN])
{
	uint32_t words[8];

	load_words(words, key);
	init(h, words, BLAKE3_KEYED);
}

void
blake3_hasher_init_derive_key_raw(blake3_hasher *h, const void *context,
    size_t context_len)
{
	uint8_t key[BLAKE3_KEY_LEN];
	uint32_t words[8];

	init(h, blake3_iv, BLAKE3_CONTEXT);
	blake3_hasher_update(h, context, context_len);
	blake3_hasher_finalize(h, key, sizeof(key));
	load_words(words, key);
	init(h, words, BLAKE3_MATERIAL);
}

void
blake3_hasher_init_derive_key(blake3_hasher *h, const char *context)
{
	blake3_hasher_init_derive_key_raw(h, context, strlen(context));
}

const char *
blake3_version(void)
{
	return BLAKE3_VERSION_STRING;
}

#endif
