/*
 * Ignore patterns: one POSIX extended regular expression a line, '#' at the
 * start of a line is a comment, blank lines are skipped.  Matched unanchored
 * against the path relative to the medium's root, as bytes.
 */
#ifndef NTT_PATTERN_H
#define NTT_PATTERN_H

#include <stddef.h>
#include <stdint.h>

struct pattern_set;

/*
 * NULL with *error (caller frees) naming file, line and reason.  A file with
 * only comments gives a set that matches nothing.
 */
struct pattern_set *pattern_load(const char *file, char **error);
/* The same from memory; name is for messages. */
struct pattern_set *pattern_parse(const char *text, size_t len,
	const char *name, char **error);
void pattern_free(struct pattern_set *set);	/* NULL is fine */

/*
 * Index of the first pattern that matches, and its count goes up; -1 if none.
 * path needs no NUL and may hold any byte, newlines included.
 */
int pattern_match(struct pattern_set *set, const char *path, size_t len);

size_t pattern_count(const struct pattern_set *set);
const char *pattern_text(const struct pattern_set *set, size_t i);
uint64_t pattern_hits(const struct pattern_set *set, size_t i);

#endif
