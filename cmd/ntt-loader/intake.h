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
 *					(load.xattrs waits in its spool)
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

#include "base/spool.h"
#include "catalogue/directory.h"
#include "raw/pattern.h"
#include "raw/raw.h"
#include "raw/seen.h"
#include "listing.h"
#include "load.h"
#include "parents.h"
#include "strip.h"

enum { INTAKE_DEPTH = 16 };

/* What is kept of a record until its inode's row can be written. */
struct intake_entry {
	uint64_t dev, ino, nlink, size;
	int64_t mtime;
	char type;			/* f d l b c p s ? */
	char included;			/* its path is not excluded */
	char has_meta;			/* what is below is known */
	char unused[5];
	/* as struct raw_meta has them, but in less room */
	int64_t rdev, atime, ctime, btime;
	uint32_t uid, gid;
	uint32_t mtime_ns, atime_ns, ctime_ns, btime_ns;
	uint32_t flags;
	uint16_t mode, unused_too;
};

struct intake_counts {
	uint64_t inodes, paths;
	uint64_t excluded, duplicates;	/* paths */
	uint64_t oversized;		/* records larger than the medium */
	uint64_t with_meta;		/* inodes with metadata */
	uint64_t omissions;
	uint64_t excluded_inodes, non_files;
	uint64_t pending, pending_bytes; /* inodes to be copied */
};

struct intake {
	struct load *load;
	struct strip *strip;
	struct pattern_set *patterns;	/* NULL: none */
	struct intake_counts counts;
	int wants_listing;		/* set by the caller */
	struct listing listing;
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
		struct buf xattrs;	/* metadata with some, or nothing */
	} slots[INTAKE_DEPTH];		/* the last records, not decided yet */
	uint64_t slot_next, slot_done;
	struct seen_inodes inodes;
	struct seen_paths paths;
	struct directory_memo directory;
	struct parents parents;
	struct spool entries, suspects;
	uint64_t suspect_count, size_max;
};

/* After load_open(), which knows how large the medium is. */
void intake_init(struct intake *in, struct load *load, struct strip *strip,
	struct pattern_set *patterns);
void intake_free(struct intake *in);
/*
 * number: of the record, from 1.  1: the path is not below the prefix.  Also
 * takes omissions, and the metadata of the record in front of them.
 */
int intake_record(struct intake *in, const struct raw_record *r,
	uint64_t number);
int intake_records_done(struct intake *in);
int intake_judge(struct intake *in);
int intake_inodes(struct intake *in);

/* The letter of the catalogue; old files have a mode in its place. */
char intake_type(const struct raw_record *r);

#endif
