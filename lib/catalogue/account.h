/*
 * The account of a medium: everything on it that is not stored.
 *
 * Omissions, failed inodes and inodes with lost bytes are open until a later
 * run repairs them or a person accepts them.  A medium with anything open is
 * not complete: programs end with EXIT_PARTIAL and say so.
 */
#ifndef NTT_ACCOUNT_H
#define NTT_ACCOUNT_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"

struct account {
	uint64_t omissions;	/* open */
	uint64_t failed;	/* inodes, not accepted */
	uint64_t damaged;	/* inodes with lost bytes, not accepted */
	uint64_t accepted;	/* by a person, of any kind */
};

/* 0, or -1 with db_error(). */
int account_read(PGconn *db, const char *medium, struct account *a);
/* Everything that is open. */
uint64_t account_open(const struct account *a);
/*
 * The open things by kind, the most frequent first: "2 directories could not be
 * read, 3 files failed".  Appended to out; nothing when nothing is.  0, or -1
 * with db_error().
 */
int account_describe(PGconn *db, const char *medium, struct buf *out);

/*
 * 1: nothing is open but that there is no file system on it, and the whole
 * image was rescued, so that an archive of its bits is all of it.  0: not so.
 * -1 with db_error().
 */
int account_bits_only(PGconn *db, const char *medium);

/* "2 directories could not be read": a clause for n omissions of a kind. */
void account_clause(struct buf *out, const char *kind, uint64_t n);

struct omission {
	int partition;		/* -1: none */
	const void *path;	/* relative to the medium's root; NULL: all */
	size_t path_len;
	const char *kind;	/* ntt-raw(5), and those of account.c */
	int err;		/* errno, 0: none */
	int64_t bytes;		/* -1: unknown */
	const char *detail;	/* a clause, NULL: none */
};

/*
 * Records an omission on behalf of program, or brings it up to date.  0, or -1
 * with db_error().
 */
int account_omit(PGconn *db, const char *medium, const char *program,
	const struct omission *o);
/*
 * Settles the open omissions of program that it last saw before since (a time
 * of the server): a newer run did not meet them again.  0, or -1 with
 * db_error().
 */
int account_settle_before(PGconn *db, const char *medium,
	const char *program, const char *since);

#endif
