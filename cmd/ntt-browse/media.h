/*
 * The media that are shown, as the catalogue has them: read again when
 * somebody looks, every three seconds at most.
 *
 * A medium that was loaded again is a new struct shown, and the old one is
 * gone: what the kernel still knows of it is stale.  None is ever freed, for
 * nodes refer to them.
 */
#ifndef NTT_BROWSE_MEDIA_H
#define NTT_BROWSE_MEDIA_H

#include <pthread.h>
#include <stdint.h>

#include "ask.h"

/* What is known of a file. */
struct entry {
	uint64_t dev, ino, nlink, size;
	uint64_t stored;		/* bytes that are no holes */
	uint64_t rdev;
	int64_t mtime, atime, ctime;
	uint32_t mtime_ns, atime_ns, ctime_ns;
	uint32_t mode, uid, gid;	/* mode: with the type */
	unsigned char blob[32];
	unsigned int has_blob : 1, has_xattrs : 1, damaged : 1;
	unsigned int implied : 1;	/* a directory without a row */
};

struct shown {
	char *hash;
	char *_Atomic name;	/* of its directory; no other has it */
	int64_t table;		/* OID; 0: not loaded */
	_Atomic int64_t time;	/* when it was taken in */
	uint64_t salt;		/* of the inode numbers */
	_Atomic int complete;	/* all directories have rows */
	_Atomic int settled;	/* nothing is copied any more */
	_Atomic int gone;
	_Atomic unsigned int changes;	/* of settled */

	/* private to media.c and listing.c */
	pthread_mutex_t lock;
	/* what follows is known; changes, then */
	_Atomic int has_root, has_implied, has_has;
	_Atomic unsigned int has_at;
	_Atomic int has_xattrs, has_damage;
	char **implied;		/* paths of directories, sorted */
	size_t implied_count;
	struct entry root;
	struct question listing, inode, lost, xattrs;

	/* private to missing.c */
	struct text *text;
};

/*
 * Only these hashes, or all that are not restricted if count is 0.  The first
 * reading ends the program when it fails.
 */
void media_start(char **hashes, int count);
/* Restricted media that are not shown, now. */
int media_hidden(void);

/* Reads again if it is time; what fails leaves what was known. */
void media_refresh(void);
/* NULL: there is none. */
struct shown *media_find(const char *name, size_t len);
/* A NULL-terminated array that the caller frees. */
struct shown **media_all(void);

/* Is the blob known to be bad, missing or unreadable? */
int media_blob_is_bad(const unsigned char blob[32]);

/* A question about a medium; the caller owns q->sql. */
void media_question(struct question *q, const struct shown *m,
	const char *sql, const char *name);

#endif
