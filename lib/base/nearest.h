/* The word that a user probably meant. */
#ifndef NTT_NEAREST_H
#define NTT_NEAREST_H

/*
 * The word of the NULL-terminated list that is nearest to word.  In word one
 * letter of three may be wrong, missing, added, or exchanged with its
 * neighbour.  A beginning of three letters or more is enough.  NULL if no word
 * is near.
 */
const char *nearest_word(const char *word, const char *const *words);

#endif
