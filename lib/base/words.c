#include "base/words.h"

#include <stdlib.h>

#include "base/buf.h"

void
words_add(struct words *w, const char *word)
{
	w->word = xrealloc(w->word, (w->count + 2) * sizeof *w->word);
	w->word[w->count++] = xstrdup(word);
	w->word[w->count] = NULL;
}

void
words_add_all(struct words *w, const char *const list[])
{
	for (; *list; list++)
		words_add(w, *list);
}

void
words_free(char **word)
{
	size_t i;

	for (i = 0; word && word[i]; i++)
		free(word[i]);
	free(word);
}
