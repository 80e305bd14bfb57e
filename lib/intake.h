/*
 * From the records of a .raw to the rows of a load: inodes and paths split,
 * patterns applied, duplicates found.
 *
 *	intake_init(&in, &load, &strip, patterns)
 *	intake_record(&in, &record, number) …	path rows go to load.paths
 *	intake_records_done(&in)
 *	load_paths_done(&load)
 *	intake_judge(&in)		records that may be duplicate paths
 *	intake_inodes(&in)		inode rows go to load.inodes
 *	intake_free(&in)
 *
 * The first record of a (dev, ino) makes the row of the inode, and the first
 * of a path its row.  An inode is excluded if all its paths are, which only
 * the end tells: what its row needs waits in a spool.
 *
 * Functions return -1 with load.err as in load.h, or EOVERFLOW for too many
 * devices, and doing, for "could not <doing>".
 */
#ifndef NTT_INTAKE_H
#define NTT_INTAKE_H

#include <stdint.h>

#include "load.h"
#include "pattern.h"
#include "raw.h"
#include "seen.h"
#include "spool.h"
#include "strip.h"

enum { INTAKE_DEPTH = 16 };

/* What is kept of a record until its inode's row can be written. */
struct intake_entry {
	uint64_t dev, ino, nlink, size;
	int64_t mtime;
	char type;			/* f d l b c p s ? */
	char included;			/* its path is not excluded */
	char unused[6];
};

struct intake_counts {
	uint64_t inodes, paths;
	uint64_t excluded, duplicates;	/* paths */
	uint64_t oversized;		/* records */
	uint64_t excluded_inodes, non_files;
	uint64_t pending, pending_bytes; /* inodes to be copied */
};

struct intake {
	struct load *load;
	struct strip *strip;
	struct pattern_set *patterns;	/* NULL: none */
	struct intake_counts counts;
	const char *doing;
	/* Told of each path that was there before; may be NULL. */
	void (*duplicate)(const struct intake_entry *e, uint64_t number,
		const char *path, size_t len);
	/* private */
	struct intake_slot {
		struct intake_entry entry;
		struct seen_key inode;
		uint64_t path_hash, number;
		int64_t pattern;
		struct buf path;
	} slots[INTAKE_DEPTH];		/* the last records, not decided yet */
	uint64_t slot_next, slot_done;
	struct seen_inodes inodes;
	struct seen_paths paths;
	struct spool entries, suspects;
	uint64_t suspect_count, size_max;
};

/* After load_open(), which knows how large the medium is. */
void intake_init(struct intake *in, struct load *load, struct strip *strip,
	struct pattern_set *patterns);
void intake_free(struct intake *in);
/* number: of the record, from 1.  1: the path is not below the prefix. */
int intake_record(struct intake *in, const struct raw_record *r,
	uint64_t number);
int intake_records_done(struct intake *in);
int intake_judge(struct intake *in);
int intake_inodes(struct intake *in);

/* The letter of the catalogue; old files have a mode in its place. */
char intake_type(const struct raw_record *r);

#endif
