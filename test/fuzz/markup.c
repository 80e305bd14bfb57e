/*
 * Any bytes as a name: in HTML they are text of one line that can be seen, and
 * in XML themselves or nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "page/markup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No markup but our own, no control, nothing that is not UTF-8. */
static void
check(const struct buf *b)
{
	static const char begin[] = "<span class=\"esc\">", end[] = "</span>";
	size_t i;

	if (b->len > 0 && !utf8_valid(b->data, b->len))
		abort();
	for (i = 0; i < b->len; i++) {
		const char *p = b->data + i;

		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			abort();
		if (*p == '<' && strncmp(p, begin, sizeof begin - 1) &&
		    strncmp(p, end, sizeof end - 1))
			abort();
		if (*p == '&' && !strchr(p, ';'))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = BUF_INIT;

	markup_html(&b, data, size);
	check(&b);
	buf_reset(&b);
	markup_plain(&b, data, size);
	check(&b);
	if (b.len > 0 && (strchr(b.data, '<') || strchr(b.data, '"')))
		abort();
	buf_reset(&b);
	if (markup_xml(&b, data, size) ? !utf8_valid(b.data, b.len) :
	    b.len > 0)
		abort();
	buf_free(&b);
	return 0;
}
