#include "digests.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"

static const struct {
	const char *name;
	const EVP_MD *(*get)(void);
} known[] = {
	{ "md5", EVP_md5 }, { "sha1", EVP_sha1 }, { "sha256", EVP_sha256 },
};

enum { KNOWN = sizeof known / sizeof known[0] };

static void __attribute__((noreturn))
failed(const char *name)
{
	die(EXIT_FAILED, "could not compute %s", name);
}

/* 1: it is a digest, and it is not asked for twice. */
static int
add_word(struct digests *d, const char *word)
{
	size_t i, k;

	for (k = 0; k < KNOWN && strcmp(known[k].name, word); k++)
		;
	if (k == KNOWN)
		return 0;
	for (i = 0; i < d->count; i++)
		if (d->names[i] == known[k].name)
			return 1;
	d->contexts[d->count] = EVP_MD_CTX_new();
	if (!d->contexts[d->count] || EVP_DigestInit_ex(
	    d->contexts[d->count], known[k].get(), NULL) != 1)
		failed(known[k].name);
	d->names[d->count++] = known[k].name;
	return 1;
}

char *
digests_init(struct digests *d, const char *words)
{
	char *copy = xstrdup(words), *at = copy, *word, *wrong = NULL;

	memset(d, 0, sizeof *d);
	while (!wrong && (word = strsep(&at, ", ")))
		if (*word && !add_word(d, word))
			wrong = xstrdup(word);
	free(copy);
	return wrong;
}

void
digests_free(struct digests *d)
{
	while (d->count > 0)
		EVP_MD_CTX_free(d->contexts[--d->count]);
}

void
digests_begin(struct digests *d)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		if (EVP_DigestInit_ex(d->contexts[i], NULL, NULL) != 1)
			failed(d->names[i]);
}

void
digests_add(struct digests *d, const void *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		if (EVP_DigestUpdate(d->contexts[i], bytes, len) != 1)
			failed(d->names[i]);
}

struct queue_digests *
digests_end(struct digests *d)
{
	struct queue_digests *out;
	size_t i;

	if (d->count == 0)
		return NULL;
	out = xcalloc(1, sizeof *out);
	out->count = d->count;
	for (i = 0; i < d->count; i++) {
		out->names[i] = d->names[i];
		if (EVP_DigestFinal_ex(d->contexts[i], out->bytes[i],
		    &out->sizes[i]) != 1)
			failed(d->names[i]);
	}
	return out;
}
