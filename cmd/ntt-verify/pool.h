/*
 * Processes that hash blobs of the store, in batches, two of them at a time:
 * while one is hashed its owner looks after the other.
 *
 *	pool = verify_pool_open(root, 4, 0, 0);
 *	items = verify_pool_items(pool, slot);
 *	fill items[0 … count - 1]
 *	verify_pool_start(pool, slot, count);
 *	verify_pool_wait(pool, slot, progress);
 *	look at the outcomes
 *
 * Batches are worked on in the order in which they were started.
 */
#ifndef NTT_VERIFY_POOL_H
#define NTT_VERIFY_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "store/verify_link.h"

enum { VERIFY_SLOTS = 2, VERIFY_BATCH = 4096 };

#define VERIFY_ANY_SIZE UINT64_MAX

struct verify_item {
	uint8_t id[32];
	uint64_t size;		/* of the catalogue, or VERIFY_ANY_SIZE */
	uint64_t ino;		/* for the owner's order */
	/* the answer */
	uint32_t outcome;
	int32_t err;
	uint64_t got_size;
	uint8_t got[32];
};

struct verify_pool;

/*
 * root: descriptor of the store.  rate: bytes a second for all of them, 0 no
 * limit.  uncached: read from the disk what is in memory too.  NULL with
 * errno.
 */
struct verify_pool *verify_pool_open(int root, int workers, uint64_t rate,
	int uncached);
void verify_pool_close(struct verify_pool *p);	/* ends them */

struct verify_item *verify_pool_items(struct verify_pool *p, int slot);
int verify_pool_start(struct verify_pool *p, int slot, size_t count);
/*
 * progress gets the bytes hashed so far in all.  0, or -1 with errno: EINTR
 * when stop() said so, ECHILD when a process has died.
 */
int verify_pool_wait(struct verify_pool *p, int slot,
	void (*progress)(uint64_t bytes), int (*stop)(void));
uint64_t verify_pool_bytes(const struct verify_pool *p);

/* Hashes one item in this process; buf has VERIFY_BUFFER bytes. */
void verify_item_hash(struct verify_item *item, int root, int uncached,
	char *buf);

#endif
