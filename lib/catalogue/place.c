#define _GNU_SOURCE
#include "catalogue/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "catalogue/medium.h"

static char *
copy_bytes(const char *bytes, size_t len)
{
	char *copy = xmalloc(len + 1);

	memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

size_t
place_split(const char *text, size_t len)
{
	const char *colon = len ? memchr(text, ':', len) : NULL;

	return colon ? (size_t)(colon - text) : len;
}

long
place_normalize(char *path, size_t len)
{
	size_t from = 0, to = 0, n;

	if (memchr(path, '\0', len))
		return -1;
	while (from < len) {
		const char *slash = memchr(path + from, '/', len - from);

		n = slash ? (size_t)(slash - path) - from : len - from;
		if (n == 2 && !memcmp(path + from, "..", 2))
			return -1;
		if (n > 0 && !(n == 1 && path[from] == '.')) {
			if (to > 0)
				path[to++] = '/';
			memmove(path + to, path + from, n);
			to += n;
		}
		from += n + 1;
	}
	path[to] = '\0';
	return (long)to;
}

/* The hash of the medium with this name, asked once for a run of places. */
static const char *
hash_of(PGconn *db, struct place_names *names, const char *name)
{
	if (names->name && !strcmp(names->name, name))
		return names->hash;
	place_names_free(names);
	names->name = xstrdup(name);
	names->hash = medium_named_hash(db, name);
	return names->hash;
}

void
place_named(PGconn *db, struct place_names *names, const char *medium,
    const char *text, size_t len, struct place *p)
{
	size_t end = medium ? 0 : place_split(text, len);
	size_t from = medium || end == len ? end : end + 1;
	char *name = medium ? xstrdup(medium) : copy_bytes(text, end);
	long n;

	if (!*name || strlen(name) != (medium ? strlen(medium) : end))
		die_usage("%s names no medium", quoted_bytes(text, len));
	p->path = copy_bytes(text + from, len - from);
	n = place_normalize(p->path, len - from);
	if (n < 0)
		die_usage("%s is no path of a medium",
		    quoted_bytes(text + from, len - from));
	p->len = (size_t)n;
	p->medium = xstrdup(hash_of(db, names, name));
	free(name);
}

void
place_free(struct place *p)
{
	free(p->medium);
	free(p->path);
	p->medium = p->path = NULL;
}

void
place_names_free(struct place_names *names)
{
	free(names->name);
	free(names->hash);
	names->name = names->hash = NULL;
}
