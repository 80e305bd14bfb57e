/*
 * Candidates: paths that may fit the patterns, by the index of names.
 *
 *	struct lookup l;
 *
 *	lookup_begin(&l, &matcher);
 *	…
 *	hits = lookup_medium(&l, hash, names);
 *	if (!hits)			the catalogue has to be read
 *	…
 *	lookup_end(&l);
 *
 * No answer needs the index, and no answer relies on the index alone: each path
 * that it gives is looked up in the catalogue and compared with the patterns
 * again.
 */
#ifndef NTT_LOOKUP_H
#define NTT_LOOKUP_H

#include "base/buf.h"
#include "catalogue/directory.h"
#include "catalogue/pgarray.h"
#include "find/match.h"
#include "find/segments.h"

/* Paths with what path.dir has for them, for unnest(). */
struct lookup_hits {
	struct pgarray dirs, paths;
	struct directory_memo memo;	/* private */
};

enum { LOOKUP_HITS_MAX = 50000 };	/* beyond, reading all is as quick */

void lookup_hits_init(struct lookup_hits *h);
void lookup_hits_add(struct lookup_hits *h, const char *path, size_t len);
void lookup_hits_free(struct lookup_hits *h);

struct lookup {
	/*
	 * Why the index cannot be used for any medium, for a message; NULL: it
	 * can.
	 */
	const char *why;
	/*
	 * Media that were asked for and that the index does not have, or only
	 * an older load of.
	 */
	uint64_t missing, folding;
	/* private */
	struct segments segments;
	struct buf text;
	struct lookup_hit *hits;
	size_t count, size;
	struct lookup_hits current;
	int folded;		/* case is ignored */
};

/* Without a pattern the index is not used, and why is "". */
void lookup_begin(struct lookup *l, const struct matcher *m);
/*
 * The candidates on a medium with this value of loaded.names, valid until the
 * next call; NULL: the index does not have the medium.
 */
struct lookup_hits *lookup_medium(struct lookup *l, const char *hash,
	const char *names);
void lookup_end(struct lookup *l);

#endif
