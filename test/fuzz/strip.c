/*
 * Taking prefixes off: first and second record, parted by the first newline.
 * What comes out is a tail of what went in, or of that behind "pN/".
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ntt-loader/strip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HASH "0123456789abcdef"

static void
check(struct strip *s, const char *path, size_t len)
{
	size_t n;
	const char *got = strip_path(s, path, len, &n);

	if (got && (n > len + 1 ||
	    (n > 0 && !s->old_partitions &&
	    memcmp(got, path + len - n, n) != 0) ||
	    (n > 0 && !s->old_partitions && *got == '/')))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct raw_record r = { .type = 'd' };
	struct strip s;
	char *text = malloc(size + 1), *second;

	memcpy(text, data, size);
	text[size] = '\0';
	second = memchr(text, '\n', size);
	r.path = text;
	r.path_len = second ? (size_t)(second - text) : size;
	if (r.path_len > 0 &&
	    strip_init(&s, NULL, "/mnt", HASH, &r) == 0) {
		check(&s, r.path, r.path_len);
		if (second)
			check(&s, second + 1, size - r.path_len - 1);
		strip_free(&s);
	}
	free(text);
	return 0;
}
