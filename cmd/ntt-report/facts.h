/*
 * What a medium holds, summed up by the server in one pass over its inodes
 * and their names.
 *
 * A file counts once, under the first of its names; sizes are of regular
 * files.  Lists are the largest of their kind, so memory is bounded whatever
 * the medium holds.
 */
#ifndef NTT_REPORT_FACTS_H
#define NTT_REPORT_FACTS_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"

enum { FACTS_DEPTH = 3 };	/* levels of directories */

struct facts_sum {
	uint64_t count, bytes;
};

/* One status of the inodes of one type. */
struct facts_state {
	char type;		/* f d l b c p s U ? */
	const char *status;
	const char *error;	/* class, NULL */
	struct facts_sum sum;
};

struct facts_year {
	int year;
	struct facts_sum sum;
};

/*
 * Of files: a MIME type; ".ext" where libmagic was not asked or knew no more
 * than "data"; "" for names without either.
 */
struct facts_type {
	const char *name;
	struct facts_sum sum;
};

/* With all below it.  Those of a level are in the order of their sizes. */
struct facts_directory {
	char *path;		/* from the root of the medium */
	size_t len;
	int depth;		/* 1 for those in the root */
	struct facts_sum sum;
};

struct facts {
	struct facts_state *states;
	struct facts_year *years;	/* in order */
	struct facts_type *types;	/* the largest first */
	struct facts_directory *directories;	/* by level, largest first */
	size_t state_count, year_count, type_count, directory_count;
	uint64_t all_types, all_directories;	/* also those not listed */
	struct facts_sum files;
	PGresult *res;			/* owns the strings */
};

/* Of a medium that is loaded: 0, or -1 with db_error(). */
int facts_load(struct facts *f, PGconn *db, const char *medium);
void facts_free(struct facts *f);

/* Sum of the inodes of these types ("fl"; NULL all) in this status (NULL). */
struct facts_sum facts_of(const struct facts *f, const char *types,
	const char *status);

#endif
