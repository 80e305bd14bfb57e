/*
 * Ignore patterns: a file of them, a NUL, a path.  It ends, and a set says
 * what its patterns say one at a time.
 */
#define _GNU_SOURCE
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "raw/pattern.h"

enum { PATH_ROOM = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
match_alone(const char *pattern, const char *path, size_t len)
{
	regmatch_t range = { .rm_so = 0, .rm_eo = (regoff_t)len };
	regex_t re;
	int rc;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		abort();
	rc = regexec(&re, path, 1, &range, REG_STARTEND);
	regfree(&re);
	return rc == 0;
}

static int
first_match(const struct pattern_set *set, const char *path, size_t len)
{
	size_t i;

	for (i = 0; i < pattern_count(set); i++)
		if (match_alone(pattern_text(set, i), path, len))
			return (int)i;
	return -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
	size_t text_len = nul ? (size_t)(nul - data) : size;
	size_t len = nul ? size - text_len - 1 : 0;
	char path[PATH_ROOM + 1];
	struct pattern_set *set;
	char *error = NULL;
	int found;

	/* paths have no NUL; back references are exponential by nature */
	if (len > PATH_ROOM || text_len > PATH_ROOM ||
	    (size && memchr(data, '\\', text_len)) ||
	    (nul && memchr(nul + 1, '\0', len)))
		return 0;
	/* with a NUL, because sanitizers do not know REG_STARTEND */
	if (nul)
		memcpy(path, nul + 1, len);
	path[len] = '\0';
	set = pattern_parse((const char *)data, text_len, "fuzz", &error);
	if (!set) {
		if (!error || error[0] == '\0')
			abort();
		free(error);
		return 0;
	}
	found = pattern_match(set, path, len);
	if (found != first_match(set, path, len))
		abort();
	if (found >= 0 && pattern_hits(set, (size_t)found) != 1)
		abort();
	pattern_free(set);
	return 0;
}
