/*
 * A command that is put together word by word.
 *
 *	struct words w = WORDS_INIT;
 *
 *	words_add(&w, "ls");
 *	words_add_all(&w, options);
 *	spawn(&child, w.word, &io);
 *	words_free(w.word);
 *
 * word always ends with NULL, once there is a word; the words are copies.
 */
#ifndef NTT_WORDS_H
#define NTT_WORDS_H

#include <stddef.h>

struct words {
	char **word;
	size_t count;
};

#define WORDS_INIT { NULL, 0 }

void words_add(struct words *w, const char *word);
/* list ends with NULL. */
void words_add_all(struct words *w, const char *const list[]);
void words_free(char **word);

#endif
