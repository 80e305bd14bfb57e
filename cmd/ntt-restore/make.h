/* Making the entries of a plan in a target. */
#ifndef NTT_RESTORE_MAKE_H
#define NTT_RESTORE_MAKE_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"
#include "plan.h"
#include "store/store.h"
#include "target.h"

struct maker {
	struct target *target;
	struct store store;
	PGconn *db;		/* for what is found out about blobs */
	int overwrite, skip_damaged, streams, reflink;
	char *buf;		/* BLOB_BLOCK bytes */

	uint64_t done;		/* bytes, for the progress */
	uint64_t made, there, links;
	uint64_t streams_left;	/* there was no order for them */
	struct buf damaged;	/* lines of the list of damaged files */
	/* private */
	void *relinks;		/* a tree of inodes whose first name failed */
	void *new_parents;	/* a tree of directories above places */
};

/*
 * One entry; below: it is a place or below one, not only on the way to one.
 * What cannot be made is named.  Ends the program when the target is full.
 */
void make_entry(struct maker *m, const struct item *e, int below);
/* What is set last. */
void make_last(struct maker *m, const struct item *e, int below);
/* Before the next medium. */
void make_forget(struct maker *m);

/* For who makes entries elsewhere than in a target: */

/* Is there something to make of an entry?  Named if not. */
int make_may(struct maker *m, const struct item *e);
/* The target of a symbolic link: 0, or -1 after its blob was named. */
int make_link_target(struct maker *m, const struct item *e,
	struct buf *target);
/* A blob that is not right: marked and named.  err is its errno. */
void make_blame_blob(struct maker *m, const struct item *e, int outcome,
	int err);
/* A damaged file was given: named, and in the list. */
void make_note_damage(struct maker *m, const struct item *e);
/* The first name of an inode could not be made; is e another of one? */
void make_note_failed(struct maker *m, const struct item *e);
int make_first_failed(const struct maker *m, const struct item *e);
/* Attributes that are stored as streams, for they were too large for a row. */
void make_large_xattrs(struct maker *m, const struct item *e,
	void (*give)(void *arg, const char *name, const void *value,
	size_t len), void *arg);
/* The other streams as entries of their own; counted if nobody asked. */
void make_streams(struct maker *m, const struct item *e,
	int (*make)(struct maker *m, const struct item *stream));

#endif
