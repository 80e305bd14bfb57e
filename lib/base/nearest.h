/* What somebody who typed something else probably meant. */
#ifndef NTT_NEAREST_H
#define NTT_NEAREST_H

/*
 * The word of the NULL-terminated list that word is a slip of: one letter in
 * three may be wrong, missing, too much, or changed places with its
 * neighbour, and a beginning of three letters or more will do.  NULL when
 * none is near.
 */
const char *nearest_word(const char *word, const char *const *words);

#endif
