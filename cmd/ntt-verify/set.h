/*
 * Which blobs a verification looks at: all, those of a medium, or those of a
 * list; how many of them; the longest unchecked first.
 *
 * Functions return -1 with db_error() when the catalogue failed.
 */
#ifndef NTT_VERIFY_SET_H
#define NTT_VERIFY_SET_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/spool.h"

struct verify_set {
	PGconn *db;
	char *medium;		/* NULL: not of a medium */
	char *table;		/* what holds the set, quoted */
	char *since;		/* literal: checked after that is done */
	uint64_t days;		/* only what was not checked for so long; 0 */
	uint64_t blobs;		/* in the set */
	uint64_t chosen;	/* to be verified */
	uint64_t chosen_bytes;
	uint64_t done;		/* by the run that is continued */
	struct spool spool;	/* of struct verify_choice */
	struct spool links;	/* of link_header and path */
};

struct verify_choice {
	uint8_t id[32];
	uint64_t size;
	uint8_t has_row;	/* of blobs */
};

struct verify_link {
	uint8_t id[32];
	uint8_t symlink;	/* its target is the content */
	uint32_t len;		/* of the path that follows */
};

/* Exactly one kind of set; ids: a list of "id\n". */
int verify_set_all(struct verify_set *s, PGconn *db);
int verify_set_medium(struct verify_set *s, PGconn *db, const char *medium);
int verify_set_list(struct verify_set *s, PGconn *db, const char *ids,
	size_t len);

/*
 * Fills the spools: one in rate, at most max, without what was checked since.
 * links: also the paths of what was chosen, for a set of a medium.
 */
int verify_set_choose(struct verify_set *s, uint64_t rate, uint64_t max,
	int links);
/* 1, 0 at the end, -1 with errno. */
int verify_set_next(struct verify_set *s, struct verify_choice *c);
/* path: NUL-terminated. */
int verify_set_next_link(struct verify_set *s, struct verify_link *l,
	struct buf *path);
void verify_set_free(struct verify_set *s);

/* The moment of the server, as text. */
char *verify_now(PGconn *db);
/* In one statement: these were found good now. ids: 64 digits each. */
int verify_mark(PGconn *db, const char *const *ids, size_t n,
	PGresult **marked);

struct verify_ages {
	uint64_t never;		/* blobs of the set never checked */
	double oldest_days;	/* of the oldest check; < 0: there is none */
};
int verify_set_ages(struct verify_set *s, struct verify_ages *ages);

/* Runs COPY … TO STDOUT; line() gets each, NUL for its newline. */
int verify_copy_out(PGconn *db, const char *query,
	int (*line)(void *arg, const char *text, size_t len), void *arg);

#endif
