/*
 * The tree of a medium: ARCHIVED_ROOT/<medium>/<path>, hard links into the
 * store, directories, and symbolic links with the target bytes of the source.
 *
 * Paths come from media and are hostile: no component is ever followed through
 * a symbolic link, and ".." leads nowhere.  All functions are idempotent.  An
 * existing entry is replaced only by a rename, so the file exists at every
 * moment.  Names that are too long for a file system are shortened; paths given
 * here are always those of the medium.
 */
#ifndef NTT_ARCHIVED_H
#define NTT_ARCHIVED_H

#include <sys/types.h>

#include "base/buf.h"
#include "store/store.h"

struct archived {
	int root;		/* ARCHIVED_ROOT/<medium>; -1: no tree */
	dev_t dev;
	mode_t dir_mode;	/* of the directories made */
	char *parent_path;	/* of the directory used last … */
	int parent;		/* … and its descriptor */
	unsigned int overflows;	/* copies made because of EMLINK */
	unsigned int shortened;	/* names that were made, see short_name.h */
	struct buf room;	/* for a path with such names */
	int by_hand;		/* syncfs(2) does not bring it to the disk … */
	int unsynced;		/* … and the directory used last has new names */
	char overflow_id[STORE_ID + 1];		/* the last of them … */
	char *overflow_path;			/* … and where it is */
};

/*
 * root "": no tree, and every call below succeeds without doing anything.
 * EXDEV: the tree is not on the store's file system.  EOPNOTSUPP: that has no
 * hard links.
 */
int archived_open(struct archived *a, const char *root, const char *medium,
	const struct store *s);
void archived_close(struct archived *a);

/*
 * The blob under a path; 1 made, 0 it was there, -1 with errno.  At the limit
 * of links of the file system the path gets a copy of its own (overflows); one
 * that is there already stays.
 */
int archived_link(struct archived *a, const struct store *s, const char *id,
	const char *path);
int archived_symlink(struct archived *a, const char *target,
	const char *path);
int archived_mkdir(struct archived *a, const char *path);

/*
 * Brings everything made so far to the disk, also if store_sync() does not.  0,
 * or -1 with errno.
 */
int archived_sync(struct archived *a);

/*
 * After one of these failed with errno err: 1 if the name is at fault, because
 * it has no place beside the other names of its medium; 0 if the disk is at
 * fault.
 */
int archived_conflict(int err);

/* 1: the path is the blob's inode; 0: it is something else or missing. */
int archived_check(const struct archived *a, const struct store *s,
	const char *id, const char *path);

#endif
