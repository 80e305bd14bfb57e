/*
 * The inodes and paths of a medium that were seen already, in little memory and
 * without ever copying a table to make it larger.
 *
 * Both sets are a million chains of small blocks.  Ten million entries of
 * whatever pattern take 130 MB (inodes) and 70 MB (paths).  Out of memory
 * ends the program, as everywhere.
 */
#ifndef NTT_SEEN_H
#define NTT_SEEN_H

#include <stddef.h>
#include <stdint.h>

/* Fixed-size blocks, named by number; 0 is none. */
struct seen_blocks {
	char **chunks;
	size_t chunk_count;
	uint32_t used, block_size;
};

/*
 * Exact: an inode number goes through a secret permutation; part of the result
 * chooses the chain and all the rest is stored.
 */
struct seen_inodes {
	uint32_t *chains;
	struct seen_blocks blocks;
	uint64_t keys[3];
	uint64_t *devs;			/* by order of appearance */
	uint32_t *dev_table, dev_mask, dev_count;
	uint32_t last_dev;
};

enum { SEEN_DEVS_MAX = (1 << 18) - 1 };

void seen_inodes_init(struct seen_inodes *s);
void seen_inodes_free(struct seen_inodes *s);
/*
 * 1: (dev, ino) is new; 0: it is not; -1: more than SEEN_DEVS_MAX devices.
 * Each inode has a mark, which is set if any of its calls had mark set.
 */
int seen_inode(struct seen_inodes *s, uint64_t dev, uint64_t ino, int mark);
/*
 * The same in three steps, some records apart.  Each step prefetches the memory
 * for the next, because memory is slower than everything else that is done with
 * a record.
 */
struct seen_key {
	uint32_t *chain;
	uint64_t entry;
};
/* -1: more than SEEN_DEVS_MAX devices. */
int seen_inode_key(struct seen_inodes *s, uint64_t dev, uint64_t ino,
	struct seen_key *key);
void seen_inode_soon(const struct seen_inodes *s, const struct seen_key *key);
int seen_inode_at(struct seen_inodes *s, const struct seen_key *key, int mark);
/* The mark of an inode that is in the set. */
int seen_inode_marked(struct seen_inodes *s, uint64_t dev, uint64_t ino);

/*
 * Fingerprints of 52 bits: "new" is certain, "not new" is a suspicion that
 * the caller verifies.  Among ten million different paths one suspicion is
 * expected in a hundred sets.
 */
struct seen_paths {
	uint32_t *chains;
	struct seen_blocks blocks;
	uint64_t keys[3];
};

void seen_paths_init(struct seen_paths *s);
void seen_paths_free(struct seen_paths *s);
/* 1: certainly new; 0: probably not. */
int seen_path(struct seen_paths *s, const void *path, size_t len);
/* In three steps too. */
uint64_t seen_path_hash(const struct seen_paths *s, const void *path,
	size_t len);
void seen_path_soon(const struct seen_paths *s, uint64_t hash);
int seen_path_at(struct seen_paths *s, uint64_t hash);

#endif
