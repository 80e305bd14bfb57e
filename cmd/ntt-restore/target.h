/*
 * Where entries are made: a directory that may hold what somebody else put
 * there.  No symbolic link below it is followed.
 */
#ifndef NTT_RESTORE_TARGET_H
#define NTT_RESTORE_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "hash/blake3.h"

/* The name of the mark that a run leaves when it is killed, or that and ".1" … */
#define TARGET_MARK ".ntt-restore"
enum { TARGET_MARKS = 20, TARGET_MARK_NAME = sizeof TARGET_MARK + 12 };

struct target {
	int top;		/* the directory that was given */
	int mark;		/* its mark, locked */
	char mark_name[TARGET_MARK_NAME];
	int resumed;		/* a run before this one was killed */
	int own;		/* the top is ours: its metadata is set, too */
	struct stat before;	/* the top, as it was */
	uint8_t key[BLAKE3_KEY_LEN];	/* of temporary names */

	int root;		/* of the medium: top, or top/HASH */
	/* the directory that was asked for last */
	char *parent_path;
	int parent;
	int inherits;		/* its entries get an ACL from it */
};

enum { TARGET_TEMP = 32 };

/*
 * Makes the directory if it is missing.  Ends the program when that is not
 * possible, or when another run is at work in it.
 */
void target_open(struct target *t, const char *path);
/* The directory of a medium in it; NULL: itself.  0, or -1 with errno. */
int target_medium(struct target *t, const char *name);
/* Has the mark the name that path begins with?  It has to wait, then. */
int target_is_mark(const struct target *t, const char *path);
/* The mark gets another name, that nothing has: 0, or -1 with errno. */
int target_move_mark(struct target *t);
/* Takes the mark away, before the last times are set. */
void target_unmark(struct target *t);
/* They are set. */
void target_finished(const struct target *t);
/* Everything that was made is durable: 0, or -1 with errno. */
int target_sync(const struct target *t);
void target_close(struct target *t);

/*
 * A descriptor of the directory that holds path, valid until the next call,
 * and the last component of path; -1 with errno.
 */
int target_parent(struct target *t, const char *path, const char **base);
/* The name of path until it is right; the same in the next run. */
void target_temp(const struct target *t, const char *path,
	char name[TARGET_TEMP]);

#endif
