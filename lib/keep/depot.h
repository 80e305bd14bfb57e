/*
 * A place with copies (ntt-places(1)), which the code calls a depot: "place" is
 * a path of a medium here (catalogue/place.h).
 *
 * A directory that looks like NTT_HOME does:
 *
 *	.ntt-store		says whose it is: the catalogue's id and its own
 *	by-hash/ab/cd/abcd…	a store (store.h)
 *	archives/		archives, catalogue files, removed.jsonl
 *	catalogue.dump		the catalogue, as "ntt-db backup" writes it
 *	dumps/catalogue.20261129.dump
 *				the last one of that day, before that
 *
 * If .ntt-store is missing, the disk is not there: a depot is never empty.
 */
#ifndef NTT_DEPOT_H
#define NTT_DEPOT_H

#include <libpq-fe.h>
#include <stddef.h>

#include "catalogue/pgarray.h"
#include "keep/remote.h"
#include "store/store.h"

#define DEPOT_REMOTE "rclone:"
#define DEPOT_DUMP "catalogue.dump"
#define DEPOT_DUMPS "dumps"
#define DEPOT_OLDER "catalogue."

enum { DEPOT_ID = 36, DEPOT_NAME = 32 };

/* The contents of the .ntt-store of a depot. */
struct depot_mark {
	char catalogue[DEPOT_ID + 1], id[DEPOT_ID + 1];
	char name[DEPOT_NAME + 1];
	int private;
};

enum depot_look {
	DEPOT_MARKED,		/* a depot: *mark */
	DEPOT_STORE,		/* the store or archives of a collection */
	DEPOT_NONE,		/* no mark */
	DEPOT_FAILED		/* errno */
};

enum depot_look depot_look(const char *dir, struct depot_mark *mark);
/* The same of a remote one that remote_use() has; EIO: rclone has told why. */
enum depot_look depot_look_remote(struct depot_mark *mark);
int depot_make_remote(const struct depot_mark *mark);
/* Makes what is missing of a depot, and marks it.  0, or -1 with errno. */
int depot_make(const char *dir, const struct depot_mark *mark);

struct depot {
	char *name, *path;	/* a directory, or REMOTE:PATH */
	int remote, clear;
	char *mark;		/* its id */
	char *seen, *mirrored, *checked;	/* times as people read them, "" */
	struct store store;	/* of depot_open() */
};

struct depots {
	struct depot *list;
	size_t count;
};

/* All that the catalogue knows, or the one of that name; 0, or -1: db_error(). */
int depots_read(PGconn *db, const char *name, struct depots *d);
void depots_free(struct depots *d);

/* It is there: 1; or 0 and *why, one clause that the caller frees. */
int depot_reach(const struct depot *d, char **why);
/* The same, and opens its store. */
int depot_open(struct depot *d, char **why);
void depot_close(struct depot *d);

/*
 * A blob of an open one, for reading: 1; 0 it has none; -1 with errno, or 0 and
 * db_error().  depot_done() says whether all of it came.
 */
struct depot_blob {
	int fd;
	struct remote_io io;	/* of a remote one */
};
int depot_blob(PGconn *db, const struct depot *d, const char *id,
	struct depot_blob *b);
int depot_done(struct depot_blob *b);

/* The index of a pack is one line for each blob: id, where, how long. */
struct pack_index {
	struct pgarray ids, starts, sizes;
};
void pack_index_init(struct pack_index *x);
void pack_index_free(struct pack_index *x);
/* 1 and the next line of it; 0 at the end; -1 with errno EBADMSG. */
int pack_index_next(const char **text, char id[STORE_ID + 1],
	uint64_t *start, uint64_t *size);
void pack_index_add(struct pack_index *x, const char *id, uint64_t start,
	uint64_t size);
/* Records a pack in the catalogue; 0 or -1. */
int pack_record(PGconn *db, const char *place, const char *name,
	struct pack_index *x);

/*
 * Locks the depot against all other senders and takers: 1; 0 it is locked
 * already; -1 with db_error().
 */
int depot_lock(PGconn *db, const struct depot *d);

/*
 * Records in the catalogue that these are durable there, or not there; 0 or -1.
 */
int depot_holds(PGconn *db, const struct depot *d, char (*ids)[STORE_ID + 1],
	size_t count);
int depot_holds_not(PGconn *db, const struct depot *d,
	char (*ids)[STORE_ID + 1], size_t count);

/*
 * Counts the contents with fewer copies than NTT_COPIES says, and their bytes,
 * and leaves the figure in the catalogue for ntt-dashboard.  wanted: what it
 * says.  0 or -1.
 */
int depot_count_copies(PGconn *db, uint64_t *wanted, uint64_t *contents,
	uint64_t *bytes);

/*
 * Calls take() for each file of the store in root, in the order of directories,
 * with its id and size, until one returns other than 0, which is returned;
 * -1 with errno.  A directory that cannot be read ends it; or, if problem is not
 * NULL, that is called with the name of the directory and errno, and it goes on.
 */
int depot_scan(const char *root, int (*take)(void *arg, const char *id,
	uint64_t size), void (*problem)(void *arg, const char *dir), void *arg);

/*
 * Records the blobs of a place that the catalogue did not know: files of the
 * right size, which are not read.  0, or -1 with errno; 0 there: db_error().
 */
int depot_adopt(PGconn *db, const char *name, const char *path,
	uint64_t *count);
/* The same of the packs of a remote one. */
int depot_adopt_remote(PGconn *db, const char *name, uint64_t *count);

#endif
