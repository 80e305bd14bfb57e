#define _GNU_SOURCE
#include "ahead.h"

#include <stdlib.h>
#include <string.h>

enum {
	FIRST_WIDTH = 8,
	HELD_MAX = 8 << 20,
	/* neighbours looked at: a directory of large files costs nothing */
	LOOK_AT = 4 * GUEST_FILES_MAX
};

void
ahead_init(struct ahead *a)
{
	memset(a, 0, sizeof *a);
	a->width = FIRST_WIDTH;
}

static char *
take(struct ahead *a, struct held *h)
{
	char *bytes = h->bytes;

	*(h->older ? &h->older->newer : &a->oldest) = h->newer;
	*(h->newer ? &h->newer->older : &a->newest) = h->older;
	a->bytes -= h->len;
	h->node->held = NULL;
	free(h);
	return bytes;
}

void
ahead_free(struct ahead *a)
{
	while (a->oldest)
		free(take(a, a->oldest));
}

int
ahead_is_small(const struct node *n)
{
	return S_ISREG(n->st.st_mode) && n->st.st_size > 0 &&
	    n->st.st_size <= GUEST_SMALL;
}

char *
ahead_take(struct ahead *a, struct node *n)
{
	if (!n->held)
		return NULL;
	if (a->width < GUEST_FILES_MAX)
		a->width++;
	return take(a, n->held);
}

void
ahead_drop(struct ahead *a, struct node *n)
{
	if (!n->held)
		return;
	free(take(a, n->held));
	a->width -= a->width / 2;
}

void
ahead_hold(struct ahead *a, struct node *n, const char *bytes, size_t len)
{
	struct held *h;

	if (n->held)
		return;
	while (a->oldest && a->bytes + len > HELD_MAX)
		ahead_drop(a, a->oldest->node);
	h = xcalloc(1, sizeof *h);
	h->node = n;
	h->bytes = xmalloc(len + 1);
	memcpy(h->bytes, bytes, len);
	h->len = len;
	h->older = a->newest;
	*(a->newest ? &a->newest->newer : &a->oldest) = h;
	a->newest = h;
	a->bytes += len;
	n->held = h;
}

size_t
ahead_group(const struct ahead *a, struct node *n, struct node **group)
{
	size_t count = 0, looked = 0;

	group[count++] = n;
	n->fetched = 1;
	while (count < a->width && looked++ < LOOK_AT && (n = n->behind)) {
		if (n->fetched || !ahead_is_small(n))
			continue;
		n->fetched = 1;
		group[count++] = n;
	}
	return count;
}
