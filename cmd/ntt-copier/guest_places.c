#define _GNU_SOURCE
#include "guest_places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/buf.h"

enum {
	ALL_MAX = 1 << 22,
	ASKED_MAX = 1 << 20,
	VALUE_MAX = (GUEST_PLACES_MAX + 1) * sizeof(struct fibmap_place)
};

static int
malformed(void)
{
	errno = EBADMSG;
	return -1;
}

/* They ascend and do not overlap. */
static int
in_order(const struct fibmap_place *p, size_t count)
{
	uint64_t end = 0;
	size_t i;

	for (i = 0; i < count; i++)
		if (p[i].logical < end || p[i].length == 0 ||
		    p[i].physical > INT64_MAX || p[i].length > INT64_MAX ||
		    __builtin_add_overflow(p[i].logical, p[i].length, &end))
			return 0;
	return 1;
}

/* Adds the places from *from on, which moves; 1, 0 at the end, -1. */
static int
ask(int fd, uint64_t *from, struct buf *all)
{
	const size_t unit = sizeof(struct fibmap_place);
	struct fibmap_place last;
	char name[48];
	ssize_t n;

	snprintf(name, sizeof name, GUEST_PLACES_PREFIX "%llu",
	    (unsigned long long)*from);
	buf_reserve(all, VALUE_MAX);
	n = fgetxattr(fd, name, all->data + all->len, VALUE_MAX);
	if (n < 0)
		return -1;
	if (n == 0 || (size_t)n % unit)
		return malformed();
	all->len += (size_t)n - unit;
	memcpy(&last, all->data + all->len, unit);
	if (last.length || all->len / unit > ALL_MAX)
		return malformed();
	if (last.logical <= *from)
		return 0;
	*from = last.logical;
	return 1;
}

int
guest_places(int fd, struct fibmap_place **places, size_t *count)
{
	struct buf all = BUF_INIT;
	uint64_t from = 0;
	int rc, asked = 0;

	/* whoever answers may go on for ever */
	while ((rc = ask(fd, &from, &all)) > 0)
		if (++asked > ASKED_MAX)
			break;
	if (rc > 0)
		rc = malformed();
	*count = all.len / sizeof **places;
	*places = xcalloc(*count + 1, sizeof **places);
	if (all.len)
		memcpy(*places, all.data, all.len);
	if (rc == 0 && !in_order(*places, *count))
		rc = malformed();
	if (rc < 0) {
		free(*places);
		*places = NULL;
	}
	buf_free(&all);
	return rc;
}
