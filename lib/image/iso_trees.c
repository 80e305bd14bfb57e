#define _GNU_SOURCE
#include "image/iso_trees.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/fsutil.h"

/* ECMA-119, 9.1: a directory record; Joliet and Rock Ridge have the same. */
enum {
	SECTOR = 2048,
	DESCRIPTOR = 16, DESCRIPTORS = 64,
	ROOT = 156,			/* in a descriptor */
	RECORD_MIN = 34,
	IS_DIRECTORY = 2,
	DIRECTORIES = 50000, FILES = 4000000,	/* more are not read */
	DIRECTORY_MAX = 64 << 20
};

struct extent {
	uint32_t at, size;
};

struct extents {
	struct extent *items;
	size_t count, size;
};

struct tree {
	int fd;
	uint64_t start, length;
	struct extents directories, files;
	uint64_t empty;			/* files without bytes */
	int rock_ridge, unread;
};

static void
add(struct extents *e, uint32_t at, uint32_t size)
{
	if (e->count == e->size) {
		e->size = e->size ? 2 * e->size : 256;
		e->items = xrealloc(e->items, e->size * sizeof *e->items);
	}
	e->items[e->count++] = (struct extent){ at, size };
}

static void
tree_free(struct tree *t)
{
	free(t->directories.items);
	free(t->files.items);
}

static int
compare(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size);
}

static int
is_known(const struct extents *e, uint32_t at)
{
	size_t i;

	/* those of a sound disc lie in the order in which they are read */
	for (i = e->count; i > 0; i--)
		if (e->items[i - 1].at == at)
			return 1;
	return 0;
}

/* System use fields of the root's first record: "SP" begins them (SUSP 5.3). */
static int
has_rock_ridge(const unsigned char *r)
{
	unsigned int at = RECORD_MIN - 1u + r[32] + !(r[32] & 1);

	return at + 7 <= r[0] && !memcmp(r + at, "SP\7\1\276\357", 6);
}

static void
take_record(struct tree *t, const unsigned char *r, int first)
{
	uint32_t at = le32(r + 2) + r[1], size = le32(r + 10);

	if (first && t->directories.count == 1)
		t->rock_ridge = has_rock_ridge(r);
	/* itself, and its parent */
	if (r[32] == 1 && r[33] <= 1)
		return;
	if (!(r[25] & IS_DIRECTORY)) {
		if (size == 0)
			t->empty++;
		else
			add(&t->files, at, size);
	} else if (!is_known(&t->directories, at)) {
		add(&t->directories, at, size);
	}
	t->unread |= t->files.count > FILES ||
	    t->directories.count > DIRECTORIES;
}

/* A sector that is all zeros, or goes on behind them, has been lost. */
static int
is_padding(const unsigned char *b, size_t at, size_t end)
{
	if (at % SECTOR == 0)
		return 0;
	for (; at < end; at++)
		if (b[at])
			return 0;
	return 1;
}

static void
read_directory(struct tree *t, struct extent d)
{
	uint64_t from = (uint64_t)d.at * SECTOR;
	unsigned char *b;
	size_t at, end;
	int first = 1;

	if (d.size > DIRECTORY_MAX || from > t->length ||
	    d.size > t->length - from) {
		t->unread = 1;
		return;
	}
	b = xcalloc(d.size / SECTOR + 1, SECTOR);
	if (pread_full(t->fd, b, d.size, (off_t)(t->start + from)) !=
	    (ssize_t)d.size)
		t->unread = 1;
	for (at = 0; !t->unread && at < d.size; at = end) {
		/* none crosses a sector; zeros fill the rest of one */
		end = at + b[at];
		if (b[at] == 0) {
			end = (at / SECTOR + 1) * SECTOR;
			t->unread = !is_padding(b, at, end);
			continue;
		}
		if (b[at] < RECORD_MIN || end > d.size ||
		    RECORD_MIN - 1u + b[at + 32] > b[at]) {
			t->unread = 1;
			break;
		}
		take_record(t, b + at, first);
		first = 0;
	}
	free(b);
}

static void
read_tree(struct tree *t, const unsigned char *descriptor)
{
	const unsigned char *root = descriptor + ROOT;
	size_t i;

	add(&t->directories, le32(root + 2) + root[1], le32(root + 10));
	for (i = 0; !t->unread && i < t->directories.count; i++)
		read_directory(t, t->directories.items[i]);
	if (t->files.count > 1)
		qsort(t->files.items, t->files.count, sizeof *t->files.items,
		    compare);
}

/* Joliet specification 1.0: UCS-2 of level 1, 2 or 3. */
static int
is_joliet(const unsigned char *d)
{
	return d[0] == 2 && d[88] == '%' && d[89] == '/' &&
	    (d[90] == '@' || d[90] == 'C' || d[90] == 'E');
}

/* 1: a has a file that b lacks. */
static int
has_more(const struct tree *a, const struct tree *b)
{
	size_t i, k = 0;

	for (i = 0; i < a->files.count; i++) {
		while (k < b->files.count &&
		    compare(&b->files.items[k], &a->files.items[i]) < 0)
			k++;
		if (k == b->files.count ||
		    compare(&b->files.items[k], &a->files.items[i]))
			return 1;
	}
	return a->empty > b->empty;
}

enum iso_tree
iso_tree_beside(int fd, uint64_t start, uint64_t length, uint32_t session,
    int *sure)
{
	struct tree primary = { .fd = fd, .start = start, .length = length };
	struct tree joliet = primary;
	unsigned char d[SECTOR], first[SECTOR];
	enum iso_tree beside = ISO_TREE_SHOWN;
	int i, found = 0;

	*sure = 1;
	for (i = 0; i < DESCRIPTORS; i++) {
		if (pread_full(fd, d, SECTOR, (off_t)(start +
		    ((uint64_t)session + DESCRIPTOR + (unsigned int)i) *
		    SECTOR)) != SECTOR || memcmp(d + 1, "CD001", 5) ||
		    d[0] == 255)
			break;
		if (i == 0)
			memcpy(first, d, SECTOR);
		if (i > 0 && is_joliet(d)) {
			found = 1;
			break;
		}
	}
	if (!found || first[0] != 1)
		return ISO_TREE_SHOWN;
	read_tree(&primary, first);
	read_tree(&joliet, d);
	*sure = !primary.unread && !joliet.unread;
	if (primary.rock_ridge && (!*sure || has_more(&joliet, &primary)))
		beside = ISO_TREE_JOLIET;
	if (!primary.rock_ridge && (!*sure || has_more(&primary, &joliet)))
		beside = ISO_TREE_PRIMARY;
	tree_free(&primary);
	tree_free(&joliet);
	return beside;
}
