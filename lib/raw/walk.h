/*
 * One file system, every entry of it once: the fast part of ntt-enum.
 *
 *	struct walk w = { .path = room, .entry = put, .problem = count };
 *
 *	rc = walk_tree(&w, "/mnt/x");
 *
 * The root comes first, then all entries of a directory in the order of their
 * inode numbers, then what is below each.  Mount points are entries.  Unless
 * cross is set, the mounted file system is an omission, even if it is a
 * directory of the same file system.  Subvolumes of btrfs are walked: the
 * device of their inodes is the number of the subvolume in the lower 32 bits,
 * and that of the root's file system in the upper, so that it is the same after
 * the next mount as long as that is.  Nothing is written to the tree, not even
 * an access time where O_NOATIME is allowed.
 *
 * Memory and descriptors are bounded by the walker, whatever the width and
 * depth of the tree; names that no path of RAW_PATH_MAX can hold are problems.
 */
#ifndef NTT_WALK_H
#define NTT_WALK_H

#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>

#include "raw/raw.h"

enum {
	/* room for the longest path and the name that is too much */
	WALK_PATH_ROOM = RAW_PATH_MAX + 4096
};

/* Where a walk is, for others to see. */
struct walk_progress {
	volatile uint64_t steps;	/* every sign of life, listed or not */
	volatile uint32_t fs_type;	/* of the root, as statfs(2) has it */
};

enum walk_choice {
	WALK_TAKE,		/* an entry, and descended if a directory */
	WALK_PASS,		/* no entry, but descended */
	WALK_SKIP		/* neither */
};

enum walk_act {
	WALK_STAT,		/* the inode at the path is read */
	WALK_LIST		/* a part of the directory at the path is */
};

struct walk {
	/* The path of what is being looked at: WALK_PATH_ROOM bytes. */
	char *path;
	void *arg;
	/*
	 * Called for each name but the root's, before its inode is read; may
	 * be NULL: take everything.
	 */
	enum walk_choice (*choose)(void *arg, const char *path, size_t len);
	/* Anything but 0 ends the walk. */
	int (*entry)(void *arg, const struct raw_record *rec);
	/*
	 * Something is missing from the walk: "could not <doing> <path>: err".
	 * Anything but 0 ends the walk.
	 */
	int (*problem)(void *arg, int err, const char *doing,
		const char *path, size_t len);
	/*
	 * Called before and after every access to the medium; may be NULL.
	 */
	void (*around)(void *arg, enum walk_act act, int before,
		const char *path, size_t len);
	/* This directory was listed to its end; may be NULL. */
	void (*listed)(void *arg, const char *path, size_t len);
	/*
	 * Something that is there is not walked.  Anything but 0 ends the walk.
	 */
	int (*omitted)(void *arg, const struct raw_omission *o);
	/*
	 * Metadata of the inode whose first record was just given, which is
	 * name in the directory dir ("": dir itself; dir may be AT_FDCWD); may
	 * be NULL.  Anything but 0 ends the walk.
	 */
	int (*meta)(void *arg, uint64_t dev, const struct statx *st, int dir,
		const char *name);
	int cross;		/* walk what is mounted below the root, too */
	int no_snapshots;	/* pass snapshots of btrfs over */
	struct walk_progress *progress;
	uint64_t dev;		/* the root's; set before its entry() */
};

/*
 * 0 when the walk came to its end, however many problems it met; -1 with
 * errno when the root could not be read or is not a directory (a symbolic
 * link: ELOOP), or when it has become another directory by the end of the
 * walk (ESTALE); otherwise what entry() or problem() returned.
 */
int walk_tree(struct walk *w, const char *root);

#endif
