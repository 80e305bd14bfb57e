/* The places that are to be restored, by medium. */
#ifndef NTT_RESTORE_PLACES_H
#define NTT_RESTORE_PLACES_H

#include <libpq-fe.h>
#include <stddef.h>

#include "catalogue/place.h"

struct wanted {
	struct place place;
	int found;
};

/* In the order of their media and paths, each once. */
struct places {
	struct wanted *list;
	size_t count;
};

#define PLACES_INIT { NULL, 0 }

/* medium: what -m gave, or NULL. */
void places_add(struct places *p, PGconn *db, struct place_names *names,
	const char *medium, const char *text, size_t len);
/* Those of a file, "-" is standard input, each ended by end. */
void places_read(struct places *p, PGconn *db, struct place_names *names,
	const char *medium, const char *file, int end);
void places_sort(struct places *p);
/*
 * What is no path, but a named stream of a file ("path:stream", as ntt-find has
 * it), means the file.  Sorts them.  0, or -1 with db_error().
 */
int places_of_streams(struct places *p, PGconn *db);
void places_free(struct places *p);

/* Those of one medium: a part of the list, which stays the owner. */
struct places places_of(const struct places *p, size_t first);
/* Is all of the medium among them? */
int places_whole(const struct places *p);
/* The place with this path; count: none. */
size_t places_index(const struct places *p, const char *path, size_t len);
/* Is path one of the places, or below one?  mark: these are found. */
int places_cover(struct places *p, const char *path, size_t len, int mark);

#endif
