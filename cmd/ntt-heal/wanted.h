/* Blobs that are to be healed, and everything that has their contents. */
#ifndef NTT_HEAL_WANTED_H
#define NTT_HEAL_WANTED_H

#include <libpq-fe.h>

#include "catalogue/medium.h"
#include "store/store.h"

struct wanted_blob {
	char id[STORE_ID + 1];
	uint64_t size;
	int right;			/* by now */
	enum store_state state;		/* of its file, while it is not */
	uint64_t tried;			/* inode of the tree looked at last */
};

struct wanted_name {
	size_t blob, medium;		/* into the lists below */
	char type;			/* f or l */
	char *path;			/* relative to the medium's root */
};

struct wanted {
	struct wanted_blob *blobs;	/* by id */
	size_t blob_count;
	struct wanted_name *names;	/* by medium, then by path */
	size_t name_count;
	struct medium *media;
	size_t medium_count;
};

/*
 * Those that the catalogue has marked, in all or in one medium (NULL: all).
 * 0, or -1 with db_error().
 */
int wanted_marked(struct wanted *w, PGconn *db, const char *medium);
/* One more: 1; 0 the catalogue does not have it; -1 with db_error(). */
int wanted_add(struct wanted *w, PGconn *db, const char *id);
/* Finds the names of all that are not right; 0, or -1 with db_error(). */
int wanted_find_names(struct wanted *w, PGconn *db);
size_t wanted_left(const struct wanted *w);
void wanted_free(struct wanted *w);

#endif
