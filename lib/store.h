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

enum { STORE_ID = 64 };		/* hexadecimal digits of a blob's name */

/* BLAKE3 of nothing, and the SHA-256 of nothing that old stores used. */
extern const char store_empty_id[];
extern const char store_old_empty_id[];

struct store {
	int root;		/* directory descriptor */
	int temporaries;	/* BYHASH_ROOT/.tmp, or -1 with O_TMPFILE */
	unsigned int serial;
	int by_descriptor;	/* 1 until the kernel refuses to link those */
	unsigned char *made;	/* directories ab/cd, as bits */
};

struct store_temp {
	int fd;			/* -1: none */
	unsigned int serial;	/* of its name, without O_TMPFILE */
};

/* Makes the root if it is missing.  0, or -1 with errno. */
int store_open(struct store *s, const char *root);
void store_close(struct store *s);

/* The path of a blob below the root: "ab/cd/abcd…". */
enum { STORE_PATH = STORE_ID + 7 };
void store_path(char path[STORE_PATH], const char *id);

/* 1 and its size, 0 if it is not there, -1 with errno. */
int store_has(const struct store *s, const char *id, uint64_t *size);
/* A descriptor for reading, or -1 with errno. */
int store_read(const struct store *s, const char *id);

int store_temp(struct store *s, struct store_temp *t);
void store_temp_discard(struct store *s, struct store_temp *t);
/*
 * Gives t the name of the blob and closes it.  1: it is new; 0: the blob was
 * there, of the same size, and t is gone; -1 with errno, t discarded (EBADMSG:
 * a blob of another size has the name).
 */
int store_publish(struct store *s, struct store_temp *t, const char *id);

/* Everything written to the store's file system so far is durable. */
int store_sync(const struct store *s);

/* Bytes free for this user. */
int store_free(const struct store *s, uint64_t *bytes);

#endif
