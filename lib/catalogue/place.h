/*
 * A place in the collection, as people write it: MEDIUM:PATH.
 *
 * MEDIUM is named as medium.h says and has no colon: the first one ends it.
 * PATH is bytes, relative to the medium's root; nothing in it is a wildcard.
 * The volumes of a medium with several are the directories p1, p2 … of it.
 *
 *	struct place_names names = PLACE_NAMES_INIT;
 *	struct place p;
 *
 *	place_named(db, &names, NULL, text, strlen(text), &p);
 *	…				p.medium is a hash
 *	place_free(&p);
 *	place_names_free(&names);
 */
#ifndef NTT_PLACE_H
#define NTT_PLACE_H

#include <libpq-fe.h>
#include <stddef.h>

struct place {
	char *medium;		/* its hash */
	char *path;		/* "" is the root; NUL-terminated */
	size_t len;
};

/* The last name and its medium: lists repeat them. */
struct place_names {
	char *name, *hash;
};

#define PLACE_NAMES_INIT { NULL, NULL }

/*
 * The end of the name of the medium in text: the first colon, or len if there
 * is none; then text means all of the medium.
 */
size_t place_split(const char *text, size_t len);

/*
 * Removes slashes and "." without meaning from path.  The new length, or -1 if
 * it cannot be a path of a medium (a "..", a NUL).
 */
long place_normalize(char *path, size_t len);

/*
 * For commands: what text means.  With a medium, the name that -m gave, text is
 * a path of it.  Ends the program where a medium or a path is wrong.
 */
void place_named(PGconn *db, struct place_names *names, const char *medium,
	const char *text, size_t len, struct place *p);
void place_free(struct place *p);
void place_names_free(struct place_names *names);

#endif
