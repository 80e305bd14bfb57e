/*
 * Patterns that people write, compared with names and paths, which are bytes.
 *
 *	struct matcher m = { .ignore_case = 1 };
 *
 *	matcher_add(&m, "*.jpg");
 *	if (matcher_fits(&m, path)) …
 *	matcher_free(&m);
 */
#ifndef NTT_MATCH_H
#define NTT_MATCH_H

#include <stddef.h>

struct pattern_text;

struct matcher {
	int ignore_case;
	int regex;		/* patterns are extended regular expressions */
	int whole_path;		/* not the name, the last part of the path */
	/* private */
	struct pattern_text *patterns;
	size_t count;
};

/* The other fields are set before.  Ends the program if it is no pattern. */
void matcher_add(struct matcher *m, const char *pattern);
/* One of the patterns fits, or there is none: 1, else 0. */
int matcher_fits(const struct matcher *m, const char *path);
/*
 * The longest run of bytes that every fitting path has; 0 if there is none.
 * *at is valid until matcher_free().
 */
size_t matcher_needs(const struct matcher *m, const char **at);

/* A run of bytes that every path has that fits the pattern. */
struct match_run {
	const char *at;		/* valid until matcher_free() */
	size_t len;
};

enum { MATCH_RUN = 3 };		/* what an index of trigrams needs */

/*
 * The runs of pattern i of at least MATCH_RUN bytes, at most max of them.
 * Returns their number; 0: the pattern must be compared with every path.  If
 * case is ignored, the runs are ASCII.  *whole: the runs may be anywhere in the
 * path, not only in the name.
 */
size_t matcher_runs(const struct matcher *m, size_t i, struct match_run *runs,
	size_t max, int *whole);
void matcher_free(struct matcher *m);

#endif
