/* Is a path of the archived tree what the catalogue says? */
#ifndef NTT_VERIFY_LINK_H
#define NTT_VERIFY_LINK_H

enum { VERIFY_BUFFER = 1 << 20 };	/* bytes to read into */

enum verify_outcome {
	VERIFY_GOOD,
	VERIFY_MISMATCH,	/* other bytes or another size */
	VERIFY_MISSING,
	VERIFY_UNREADABLE	/* err */
};

struct verify_tree {
	int root;		/* -1: there is none */
	int dir;		/* of the last path, -1: none */
	char *dir_path;
};

/*
 * Opens ARCHIVED_ROOT/<medium> without making it: 1; 0 there is none; -1 with
 * errno.
 */
int verify_tree_open(struct verify_tree *t, const char *root,
	const char *medium);

/*
 * A file is good as the blob's inode, or as a copy of it (the file system had
 * no more links); a symbolic link when its target is the content.  Paths of
 * one directory after another are cheapest.  buf: VERIFY_BUFFER bytes.
 */
enum verify_outcome verify_link_check(struct verify_tree *t, int store,
	const char *id, const char *path, int symlink, char *buf);

#endif
