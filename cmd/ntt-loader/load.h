/*
 * A medium's inodes and paths on their way into the catalogue: one
 * transaction, so that readers see all of it or nothing, whatever happens.
 *
 *	load_open(&l, hash, wait)	connection and lock; l.state
 *	load_begin(&l, replace, rows)	tables made, l.paths started
 *	copyin_row(&l.paths, …) …	may begin before load_begin()
 *	load_paths_done(&l)
 *	load_inodes_begin(&l, meta)	l.inodes started
 *	copyin_row(&l.inodes, …) …
 *	load_finish(&l, &medium)	keys, statistics, attached, committed
 *	load_close(&l)			rolls back what is not committed
 *
 * The lock is one of the session: it excludes other loaders of the medium and
 * is gone with us.  No transaction is open before load_begin().
 *
 * Functions return -1 with l.err as in copyin.h: 0, see db_error(); EINTR, a
 * signal was caught (sig.h); any other errno.
 */
#ifndef NTT_LOAD_H
#define NTT_LOAD_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"
#include "copyin.h"

enum load_state {
	LOAD_NEW,		/* nothing is there, or tables without rows */
	LOAD_LOADED,		/* rows, none of them copied */
	LOAD_COPIED		/* rows, some of them copied */
};

/* What becomes of the rows that are there. */
enum load_merge {
	LOAD_REPLACE,		/* they go */
	/* what was copied and is the same stays copied */
	LOAD_ADD,		/* of a source that cannot change: all stay */
	LOAD_REFRESH		/* what vanished before it was copied goes */
};

enum { LOAD_META_COLUMNS = 12 };

struct load {
	PGconn *db;
	const char *medium;
	int err;
	enum load_state state;
	int known;		/* the medium has a row, and this is of it: */
	int64_t size_bytes;	/* -1: unknown */
	char *source_kind;	/* "" if unknown */
	struct copyin paths, inodes;
	/* rows of load_omission(), kept until load_finish() */
	struct copyin omissions;
	/* of load_xattr() and load_owner(), likewise */
	struct copyin xattrs, owners;
	uint64_t omitted;	/* open ones, after load_finish() */
	enum load_merge merge;
	/* Tells who is in the way of a lock; may be NULL. */
	void (*blocked)(const char *text);
	unsigned int wait_seconds;	/* for locks, before giving up */
	/* the state before, whose unchanged files need not be read; or NULL */
	const char *take_over;
	/* private */
	PGconn *monitor;
	char *path_table, *inode_table, *xattr_table;
	int tables, replace;
};

/* What goes into the row of the medium. */
struct load_medium {
	const char *human, *kind, *source_path;	/* NULL: unknown */
	const char *image_path, *image_size;	/* bytes; NULL: no image */
	const char *counts;			/* JSON object */
	const char *problems;			/* JSON object, "{}" if none */
	const char *listing;			/* listing.h; NULL: none */
};

/* 1: another session has the lock, described in holder. */
int load_open(struct load *l, const char *medium, unsigned int wait_seconds,
	struct buf *holder);
void load_close(struct load *l);
/* Reconnects if the connection was lost while no transaction was open. */
int load_wake(struct load *l, struct buf *holder);

/*
 * rows: an estimate, for the time limits.  What is there is replaced, at the
 * very end.
 */
int load_begin(struct load *l, uint64_t rows);
int load_paths_done(struct load *l);
/* meta: of LOAD_META_COLUMNS more fields than seven. */
int load_inodes_begin(struct load *l, int meta);
int load_finish(struct load *l, const struct load_medium *m);

/*
 * Paths that may be duplicates, between load_paths_done() and
 * load_inodes_begin(): they are put into l.suspects by number, then the
 * numbers of those that are no duplicates are asked for, in order.
 */
int load_suspects_begin(struct load *l, struct copyin *suspects);
int load_suspects_end(struct load *l, struct copyin *suspects,
	uint64_t **innocent, size_t *count);

/*
 * Something that is not in the list, for the account of the medium: path is
 * relative to its root, len 0 for all of it.  detail: NULL none.
 */
int load_omission(struct load *l, uint64_t dev, uint64_t ino,
	const char *path, size_t len, const char *kind, size_t kind_len,
	int err, const char *detail);

/* An extended attribute, once for each inode and name. */
int load_xattr(struct load *l, uint64_t dev, uint64_t ino,
	const struct buf *name, const struct buf *value);
/* What the source calls a user or group; the first name of an id is kept. */
int load_owner(struct load *l, int is_group, uint64_t id,
	const struct buf *name);

/* What an earlier list had is kept where this one does not have it. */
int load_merges(const struct load *l);

/*
 * The listing of a medium: 1 it is this one, 0 it is not, or there is none, -1.
 */
int load_same_listing(struct load *l, const char *medium,
	const char *listing);

/* Removes a medium's tables.  *rows: their inodes. */
int load_drop(struct load *l, uint64_t *rows);

#endif
