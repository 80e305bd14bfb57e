#define _GNU_SOURCE
#include "base/nearest.h"

#include <stddef.h>
#include <string.h>

enum { LONGEST = 40 };

static unsigned int
least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* How many slips turn a into b (optimal string alignment). */
static unsigned int
slips(const char *a, const char *b)
{
	unsigned int d[LONGEST + 1][LONGEST + 1];
	size_t alen = strlen(a), blen = strlen(b), i, j;

	if (alen > LONGEST || blen > LONGEST)
		return LONGEST;
	for (i = 0; i <= alen; i++)
		d[i][0] = (unsigned int)i;
	for (j = 0; j <= blen; j++)
		d[0][j] = (unsigned int)j;
	for (i = 1; i <= alen; i++) {
		for (j = 1; j <= blen; j++) {
			unsigned int change = a[i - 1] != b[j - 1];

			d[i][j] = least(d[i - 1][j - 1] + change,
			    least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[alen][blen];
}

const char *
nearest_word(const char *word, const char *const *words)
{
	size_t len = strlen(word);
	unsigned int best = (unsigned int)(len + 2) / 3, n;
	const char *found = NULL;

	for (; *words; words++) {
		n = slips(word, *words);
		if (len >= 3 && !strncmp(word, *words, len))
			n = 1;
		/* a letter too few is likelier than one too many */
		if (n > best || (n == best && found &&
		    strlen(*words) <= strlen(found)))
			continue;
		best = n;
		found = *words;
	}
	return found;
}
