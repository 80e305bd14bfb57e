/*
 * What is to be made of one medium: the rows of the catalogue, read in one go
 * and put aside, so that no transaction stays open while files are copied.
 */
#ifndef NTT_RESTORE_PLAN_H
#define NTT_RESTORE_PLAN_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/spool.h"
#include "meta.h"
#include "places.h"

/* Bytes [from, to) of a file. */
struct range {
	uint64_t from, to;
};

/* Valid until the next one; texts are NULL where there are none. */
struct item {
	const char *path;	/* "" is the root; NUL-terminated */
	size_t len;
	char type;		/* f d l b c p s U ? */
	int64_t dev, ino;
	uint64_t size;
	const char *blob;
	const char *status, *excluded, *error;	/* as content.h has them */
	/* the first name of the same inode that is in the plan */
	const char *first;
	int damaged;
	const char *lost;	/* the ranges, as int8multirange */
	struct range *holes;
	size_t hole_count;
	struct meta meta;
	const unsigned char *streams;
	size_t streams_len;
};

struct plan {
	struct spool entries, last;
	uint64_t count, bytes;	/* entries; contents, hard links once */
	uint64_t unknown;	/* entries without metadata */
	/* private */
	struct buf row;
	struct item entry;
};

/* Marks the places that there are.  Ends the program when it fails. */
void plan_read(struct plan *plan, PGconn *db, struct places *places);
void plan_free(struct plan *plan);

/* The next entry, parents first; NULL at the end. */
const struct item *plan_next(struct plan *plan);
/* From the beginning once more. */
void plan_again(struct plan *plan);
/* The next of what is set last, children first; then plan_next() is over. */
const struct item *plan_next_last(struct plan *plan);

/* The next stream, from *at: 1, 0 at the end.  *blob is NULL: not stored. */
int plan_next_stream(const struct item *e, size_t *at, char **name,
	size_t *name_len, char **blob);
/* Has e a name of its own inode before it that was in the plan? */
int plan_is_link(const struct item *e);

#endif
