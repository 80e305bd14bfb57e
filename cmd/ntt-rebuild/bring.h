/*
 * A place (ntt-places(1)) that has what was lost: its files come to where they
 * were, unless they are there.
 */
#ifndef NTT_REBUILD_BRING_H
#define NTT_REBUILD_BRING_H

#include <libpq-fe.h>

/*
 * dir is a directory, or rclone:REMOTE:PATH, whose key is in the file unless
 * that is NULL.  Ends the program when it is no place, or the roots are somebody
 * else's.
 */
void bring_look(const char *dir, const char *key_file);
/*
 * Marks the roots as those of the place's catalogue, and brings archives and
 * catalogue files.  lack() is called for each that cannot be had, with one clause:
 * the others are worth having.
 */
void bring_files(const char *dir, void (*lack)(const char *why));
/*
 * A file of ARCHIVE_ROOT is damaged: if the place has other bytes for it, these take
 * its name, and *kept, which the caller frees, is where the damaged one is now.  1; 0
 * it has the same, or none, or they cannot be read.
 */
int bring_again(const char *dir, const char *path, char **kept);
/* Its removed.jsonl, NULL: it has none; then bring_removed_done(). */
char *bring_removed(const char *dir);
void bring_removed_done(char *path);
/*
 * Brings the blobs, but not contents that were removed.  bad() is called for
 * each that is not what its name says.
 */
void bring_blobs(PGconn *db, const char *dir, void (*bad)(const char *id),
	void (*lack)(const char *why));
/* The catalogue knows the place, unless it cannot be read. */
void bring_add(PGconn *db, const char *dir, void (*lack)(const char *why));

/*
 * The newest dump of the place that can be read, for who lacks something: its path,
 * which the caller frees; NULL: it has none.
 */
char *bring_dump(const char *dir);

#endif
