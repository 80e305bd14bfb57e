/*
 * The store: BYHASH_ROOT/ab/cd/abcd…, every content once under its BLAKE3.
 *
 * A blob gets its final name only after its bytes are on the disk: write it
 * into a store_temp, store_sync(), store_publish(), and store_sync() again
 * before anything says that it is there.  What is not published leaves no name
 * behind where the file system has O_TMPFILE; elsewhere names in
 * BYHASH_ROOT/.tmp, which store_open() of the next run removes.
 */
#ifndef NTT_STORE_H
#define NTT_STORE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/unique.h"

enum { STORE_ID = 64 };		/* hexadecimal digits of a blob's name */

/* BLAKE3 of nothing, and the SHA-256 of nothing that old stores used. */
extern const char store_empty_id[];
extern const char store_old_empty_id[];

struct store {
	int root;		/* directory descriptor */
	int temporaries;	/* BYHASH_ROOT/.tmp, or -1 with O_TMPFILE */
	unsigned int serial;
	char token[UNIQUE_NAME + 1];	/* of the names in .tmp */
	int by_descriptor;	/* 1 until the kernel refuses to link those */
	int no_replace;		/* 1 until the file system has not RENAME_NOREPLACE */
	int private;		/* see store_private() */
	unsigned char *made;	/* directories ab/cd, as bits */
	/*
	 * Where syncfs(2) does not reach the disk: the directories ab/cd with
	 * new names, as bits, and the temporaries' descriptors.  NULL elsewhere.
	 */
	struct store_unsynced *unsynced;
};

struct store_temp {
	int fd;			/* -1: none */
	unsigned int serial;	/* of its name, without O_TMPFILE */
};

/* Makes the root if it is missing.  0, or -1 with errno. */
int store_open(struct store *s, const char *root);
/* Only to read: the root must be there, and nothing is made.  0 or -1. */
int store_open_read(struct store *s, const char *root);
void store_close(struct store *s);

/*
 * From now on new files get mode 0440 and directories 0750, instead of 0444 and
 * 0755.  Nobody may write into a blob: it may have a hundred names in the trees
 * of media.
 */
void store_private(struct store *s);
mode_t store_file_mode(const struct store *s);
mode_t store_dir_mode(const struct store *s);

/* The path of a blob below the root: "ab/cd/abcd…". */
enum { STORE_PATH = STORE_ID + 7 };
void store_path(char path[STORE_PATH], const char *id);

/* 1 and its size, 0 if it is not there, -1 with errno. */
int store_has(const struct store *s, const char *id, uint64_t *size);
/* A descriptor for reading, or -1 with errno. */
int store_read(const struct store *s, const char *id);

int store_temp(struct store *s, struct store_temp *t);
/*
 * The same in the directory where the blob will be.  File systems put the files
 * of a directory together; if one directory gets a hundred thousand files, ext4
 * spends half of the time looking for room in one group of inodes.
 */
int store_temp_near(struct store *s, struct store_temp *t, const char *id);
void store_temp_discard(struct store *s, struct store_temp *t);
/*
 * Gives t the name of the blob and closes it.  1: it is new; 0: the blob was
 * there, of the same size, and t is gone; -1 with errno, t discarded (EBADMSG:
 * a blob of another size has the name).
 */
int store_publish(struct store *s, struct store_temp *t, const char *id);

/*
 * Puts t in the place of the blob's file, whatever that is now, and closes it.
 * The old file is first given the name BYHASH_ROOT/.bad/<id>.<date>; nothing
 * is deleted, and no moment lacks the file.  Two at once must not have the same
 * id (heal.h).  Durable after store_sync().  0, or -1 with errno, t discarded.
 */
int store_replace(struct store *s, struct store_temp *t, const char *id);

/*
 * The directory where ntt-reclaim puts unused blobs, each under its id.  If the
 * blob is there, moves it back to its place: 1; 0 it is not there; -1 with
 * errno.
 */
#define STORE_TRASH ".trash"
int store_from_trash(struct store *s, const char *id);

/* Its parts, for replace.c: a name below the root; "ab" and "ab/cd". */
int store_name(struct store *s, const struct store_temp *t, const char *path);
int store_make_directories(const struct store *s, const char *id);
/* The next store_sync() brings the name of this blob to the disk. */
void store_note_name(const struct store *s, const char *id);
/* Of linkat(2): the file system has no hard links. */
int store_no_links(int err);
/* t has the name of the blob: closes it. */
void store_named(struct store *s, struct store_temp *t, const char *id);

/* What the file of a blob is, by reading it.  *err: errno, when unreadable. */
enum store_state { STORE_GOOD, STORE_BAD, STORE_MISSING, STORE_UNREADABLE };
enum store_state store_check(const struct store *s, const char *id, int *err);
/* The catalogue's word for it (type blob_state). */
const char *store_state_name(enum store_state state);

/* The BLAKE3 of an open file, read from its beginning; 0, or -1 with errno. */
int store_hash(int fd, char id[STORE_ID + 1]);
/*
 * The bytes of an open file, from where it is, into a new temporary, and their
 * BLAKE3 and number.  0, or -1 with errno, t discarded.
 */
int store_take(struct store *s, int fd, struct store_temp *t,
	char id[STORE_ID + 1], uint64_t *size);

/* Everything written to the store's file system so far is durable. */
int store_sync(const struct store *s);

/* Bytes free for this user. */
int store_free(const struct store *s, uint64_t *bytes);

#endif
