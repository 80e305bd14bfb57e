/*
 * The entries of one medium that pass the tests which the catalogue makes.
 */
#ifndef NTT_SEARCH_H
#define NTT_SEARCH_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"
#include "find/lookup.h"

/* Texts for parameters; NULL asks for nothing. */
struct tests {
	const char *under;	/* bytea: at this path or below it */
	const char *needs;	/* bytea: bytes of the path */
	const char *types;	/* letters */
	const char *mime;	/* as LIKE has it */
	const char *smallest, *largest;		/* bytes */
	const char *newer, *older;		/* seconds since the epoch */
	const char *blob;
	const char *words;	/* as websearch_to_tsquery() reads them */
	const char *fact, *fact_text;	/* tool of content_fact; bytea */
	int damaged, missing, only_here;
	int copies;		/* only those of search_copies() */
	int known;		/* 1: only those that known_blob knows; -1: not */
	/* only these paths; NULL: all.  Not const: it is made a parameter. */
	struct lookup_hits *hits;
	/*
	 * Who asks reads only the path and the medium of what is found: the
	 * rest is not set if nothing but the first two tests needs it.
	 */
	int paths_only;
};

struct found {
	const char *path;	/* NUL-terminated */
	size_t len;
	char type;		/* '?': an omission, of which status is the kind */
	int mode;		/* -1: not known */
	int64_t nlink, size, mtime;
	const char *status;
	const char *blob, *mime, *excluded;	/* NULL: none */
	int damaged;
	const char *medium, *medium_name;	/* question.h sets them */
};

/* Finds the contents with fewest to most copies; 0, or -1 with db_error(). */
int search_copies(PGconn *db, const char *fewest, const char *most);

/*
 * Gives every entry to take(); it is valid until take() returns.  If contents
 * are asked for, also gives every named stream as a file "path:stream".  If
 * missing things are asked for, also gives every omission; only the first two
 * tests apply to these.  0, or -1 with db_error().
 */
int search_entries(PGconn *db, const char *medium, const struct tests *t,
	void (*take)(const struct found *e));
/*
 * Gives only the paths at or below under (a bytea; NULL: all).  If few of them
 * are wanted, this takes a quarter of the time.  take() ends it early by
 * returning 0.
 */
int search_paths(PGconn *db, const char *medium, const char *under,
	int (*take)(void *arg, const char *path, size_t len), void *arg);
int search_omissions(PGconn *db, const char *medium, const struct tests *t,
	void (*take)(const struct found *e));

#endif
