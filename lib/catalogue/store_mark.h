/*
 * Which stores belong to this catalogue: BYHASH_ROOT, ARCHIVED_ROOT and
 * ARCHIVE_ROOT carry its id in a file .ntt-store.
 *
 *	NTT store
 *	catalogue 2b4f…			the id, a UUID
 *	owner 1000 alice		who may store; a name is for people
 *	group 1000 alice
 *	private				files 0440, directories 0750
 *
 * Linking a file of another owner is forbidden (protected_hardlinks), so a
 * store has one.  The last line is there for the catalogues of "ntt-db init
 * --private".
 *
 * If a root has no mark, its disk is not mounted: files stored below the mount
 * point would be hidden when the disk comes back.
 */
#ifndef NTT_STORE_MARK_H
#define NTT_STORE_MARK_H

#include <libpq-fe.h>

#include "base/config.h"

#define STORE_MARK ".ntt-store"

/*
 * For commands: ends the program unless the root is this catalogue's, with
 * EXIT_AGAIN when its disk seems not to be mounted.  A root in which the
 * catalogue never had anything is made and marked, durably, if making is set;
 * a store must be empty for that.  An empty ARCHIVED_ROOT is fine.
 */
void store_mark_need(PGconn *db, enum config_key root, int making);

/*
 * For commands that store: ends the program with EXIT_USAGE, and the command
 * that would do, if the root belongs to another user.  A mark that names no
 * owner is anybody's.
 */
void store_mark_need_owner(enum config_key root);
/*
 * The message of the two functions above for a root: one clause that the caller
 * frees, NULL if the root is fine.
 */
char *store_mark_wrong(PGconn *db, enum config_key root);
/*
 * The catalogue has something in this root and the root is empty, as if its disk
 * were not mounted: 1; 0.
 */
int store_mark_away(PGconn *db, enum config_key root);
/* The mark says so: 1 or 0. */
int store_mark_private(enum config_key root);

/*
 * The first of BYHASH_ROOT and ARCHIVE_ROOT that is not empty, NULL if both are
 * empty.  Beside a root that is not empty, a new catalogue would be a second
 * one.
 */
const char *store_mark_orphan(void);

/*
 * Whose stores these are, for a catalogue that is made again: 1 and the id that
 * all marks have, *private what they say, *all 0 if a root that is there has
 * none; 0 no root has a mark; -1 and *why, one clause that the caller frees.
 */
enum { STORE_MARK_ID = 36 };
int store_mark_whose(char id[STORE_MARK_ID + 1], int *private, int *all,
	char **why);
/* The catalogue has what is in the roots that bear its mark. */
void store_mark_record(PGconn *db);

/*
 * Makes root, where a copy of a store is to be, and marks it with this id,
 * unless it has a mark.  0, or -1 with errno: EEXIST it is another catalogue's.
 */
int store_mark_put(const char *root, const char *id, int private);

/*
 * Marks every existing root, and replaces other marks.  Before, up to 100 blobs
 * of the catalogue, picked at random, must be found in BYHASH_ROOT with the
 * right bytes.  0; or -1 and *why, one clause that the caller frees.
 */
int store_mark_adopt(PGconn *db, char **why);

#endif
