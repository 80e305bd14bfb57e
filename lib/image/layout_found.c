#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "image/layout.h"

enum { SECTOR = 512 };

char *
layout_found_text(const struct layout *l)
{
	struct buf b = BUF_INIT;
	uint32_t i;

	buf_puts(&b, "");
	for (i = 0; i < l->count; i++)
		if (l->volumes[i].found)
			buf_printf(&b, "%s%" PRIu64, b.len ? "," : "",
			    l->volumes[i].found);
	if (l->reached)
		buf_printf(&b, ":%" PRIu64, l->reached);
	return buf_detach(&b);
}

/* A whole sector's first byte within size, and what is behind the number. */
static int
sector_at(const char **text, uint64_t size, uint64_t *at)
{
	uint64_t n = 0;

	if (**text < '1' || **text > '9')
		return -1;
	for (; **text >= '0' && **text <= '9'; ++*text)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(**text - '0'), &n))
			return -1;
	*at = n;
	return n % SECTOR == 0 && n < size ? 0 : -1;
}

int
layout_found_parse(struct layout_found *f, const char *text, uint64_t size)
{
	f->count = 0;
	f->reached = 0;
	while (*text && *text != ':') {
		if (f->count == LAYOUT_MAX ||
		    sector_at(&text, size, &f->at[f->count++]) < 0)
			return -1;
		if (*text == ',' && !*++text)
			return -1;
	}
	if (*text == ':') {
		text++;
		if (sector_at(&text, size, &f->reached) < 0)
			return -1;
	}
	return *text ? -1 : 0;
}
