/*
 * Resource forks of HFS and HFS+: second contents of files.  The records of the
 * catalogue file describe both contents.  A fork's first extents are in that
 * record, others in the extents file.  Both files are B-trees, of which the
 * leaves are a chain.
 */
#include "format.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"

enum {
	EXTENTS_FILE = 3,	/* their file numbers */
	CATALOGUE_FILE = 4,
	DATA_FORK = 0,
	RESOURCE_FORK = 0xff,
	FILE_RECORD = 2,
	LEAF = 0xff,
	NODE_MAX = 64 << 10,
	NODE_BITS = 24,		/* of the place of a record: its node's number */
	EXTENTS_MAX = 1 << 20,
	QUICK = 16 << 20	/* bytes of nodes in one call of next() */
};

struct extent {
	uint64_t first, start, count;	/* blocks: of the fork, of the volume */
};

struct fork {
	struct extent *extent;
	size_t count;
	uint64_t size, end;		/* bytes; blocks there are extents for */
};

struct tree {
	struct fork fork;
	uint32_t node_size, first_leaf, nodes;
};

struct hfs {
	struct volume_bytes *v;
	int plus;
	uint64_t base, block;		/* of block 0; bytes */
	struct tree catalogue, extents;
	unsigned char *node;
	/* next(): the leaf in node, and its next record */
	uint32_t leaf, next_leaf, seen;
	unsigned int record, records;
	int started;
	struct fork fork;		/* select() */
};

static const char nonsense[] = "its extents make no sense";

static unsigned int
be16(const void *bytes)
{
	return (unsigned int)be_number(bytes, 2);
}

/* Forks */

static void
fork_free(struct fork *f)
{
	free(f->extent);
	memset(f, 0, sizeof *f);
}

/* A record of extents: 8 of HFS+, 3 of HFS. */
static int
add_extents(const struct hfs *h, struct fork *f, const unsigned char *e)
{
	unsigned int i, many = h->plus ? 8 : 3, half = h->plus ? 4 : 2;
	uint64_t blocks = h->v->size / h->block;

	for (i = 0; i < many; i++, e += 2 * half) {
		uint64_t start = be_number(e, half);
		uint64_t count = be_number(e + half, half);

		if (count == 0)
			break;
		if (f->count == EXTENTS_MAX || start > blocks ||
		    count > blocks - start)
			return -1;
		if ((f->count & (f->count - 1)) == 0)
			f->extent = xrealloc(f->extent, (f->count ?
			    2 * f->count : 1) * sizeof *f->extent);
		f->extent[f->count++] = (struct extent){ f->end, start, count };
		f->end += count;
	}
	return 0;
}

static int
fork_read(const struct hfs *h, const struct fork *f, void *bytes, size_t len,
    uint64_t pos)
{
	char *to = bytes;

	if (pos > f->size || len > f->size - pos)
		return -1;
	while (len > 0) {
		uint64_t block = pos / h->block, in, part;
		size_t low = 0, high = f->count, middle;

		if (block >= f->end)
			return -1;
		while (high - low > 1) {
			middle = low + (high - low) / 2;
			if (f->extent[middle].first <= block)
				low = middle;
			else
				high = middle;
		}
		in = pos - f->extent[low].first * h->block;
		part = f->extent[low].count * h->block - in;
		part = part > len ? len : part;
		if (volume_bytes_read(h->v, to, part, h->base +
		    f->extent[low].start * h->block + in) < 0)
			return -1;
		to += part;
		pos += part;
		len -= part;
	}
	return 0;
}

/* Trees */

/* 0, or -1: it cannot be read, or is no node. */
static int
read_node(struct hfs *h, const struct tree *t, uint32_t number)
{
	uint64_t lost = h->v->lost;

	if (number >= t->nodes || fork_read(h, &t->fork, h->node,
	    t->node_size, (uint64_t)number * t->node_size) < 0 ||
	    h->v->lost != lost)
		return -1;
	return 14 + 2 * (be16(h->node + 10) + 1U) > t->node_size ? -1 : 0;
}

/* Record i of the node: where its key is, and the bytes from there; or NULL. */
static const unsigned char *
node_record(const struct hfs *h, const struct tree *t, unsigned int i,
    size_t *len)
{
	const unsigned char *end = h->node + t->node_size;
	unsigned int from = be16(end - 2 * (i + 1));
	unsigned int to = be16(end - 2 * (i + 2));

	if (from < 14 || to <= from || to > t->node_size)
		return NULL;
	*len = to - from;
	return h->node + from;
}

/* What is behind the key, and its bytes; or NULL. */
static const unsigned char *
behind_key(const struct hfs *h, const unsigned char *key, size_t *len)
{
	size_t skip = h->plus ? 2U + be16(key) : (1U + key[0] + 1) & ~1U;

	if (*len < 2 || skip >= *len)
		return NULL;
	*len -= skip;
	return key + skip;
}

static int
open_tree(struct hfs *h, struct tree *t)
{
	unsigned char head[14 + 106];

	if (fork_read(h, &t->fork, head, sizeof head, 0) < 0)
		return -1;
	t->first_leaf = be32(head + 14 + 10);
	t->node_size = be16(head + 14 + 18);
	if (head[8] != 1 || t->node_size < 512 || t->node_size > NODE_MAX ||
	    t->node_size & (t->node_size - 1) ||
	    t->fork.size / t->node_size >= 1U << NODE_BITS)
		return -1;
	t->nodes = (uint32_t)(t->fork.size / t->node_size);
	return 0;
}

/*
 * The extents that a fork has beyond those in its own record.  0, or -1: they
 * could not be read.
 */
static int
more_extents(struct hfs *h, struct fork *f, uint32_t file, int which)
{
	const struct tree *t = &h->extents;
	uint64_t want = f->size / h->block + (f->size % h->block > 0);
	uint32_t leaf = t->first_leaf, n;
	unsigned int i;

	for (n = 0; f->end < want && leaf && n < t->nodes; n++) {
		if (read_node(h, t, leaf) < 0 || h->node[8] != LEAF)
			return -1;
		leaf = be32(h->node);
		for (i = 0; i < be16(h->node + 10); i++) {
			size_t len;
			const unsigned char *k = node_record(h, t, i, &len), *e;
			int its_fork, from;

			if (!k || len < (h->plus ? 12U : 8U))
				return -1;
			its_fork = h->plus ? k[2] : k[1];
			from = h->plus ? 4 : 2;
			if (its_fork != which || be32(k + from) != file ||
			    be_number(k + from + 4, h->plus ? 4 : 2) != f->end)
				continue;
			e = behind_key(h, k, &len);
			if (!e || len < (h->plus ? 64U : 12U) ||
			    add_extents(h, f, e) < 0)
				return -1;
		}
	}
	return f->end < want ? -1 : 0;
}

/* The volume */

static int
open_plus(struct hfs *h, const unsigned char *head)
{
	h->block = be32(head + 40);
	if (h->block < 512 || h->block > 1 << 30 ||
	    h->block & (h->block - 1))
		return -1;
	h->extents.fork.size = be_number(head + 192, 8);
	h->catalogue.fork.size = be_number(head + 272, 8);
	return add_extents(h, &h->extents.fork, head + 192 + 16) < 0 ||
	    add_extents(h, &h->catalogue.fork, head + 272 + 16) < 0 ? -1 : 0;
}

static int
open_old(struct hfs *h, const unsigned char *head)
{
	h->block = be32(head + 20);
	h->base = 512 * (uint64_t)be16(head + 28);
	if (h->block < 512 || h->block % 512 || h->block > 1 << 30)
		return -1;
	h->extents.fork.size = be32(head + 130);
	h->catalogue.fork.size = be32(head + 146);
	return add_extents(h, &h->extents.fork, head + 134) < 0 ||
	    add_extents(h, &h->catalogue.fork, head + 150) < 0 ? -1 : 0;
}

static int
open_volume(struct hfs *h)
{
	unsigned char head[512];

	if (volume_bytes_read(h->v, head, sizeof head, 1024) < 0)
		return -1;
	/* an HFS+ inside an HFS that tells old systems where it is */
	if (!memcmp(head, "BD", 2) && !memcmp(head + 124, "H+", 2)) {
		h->base = 512 * (uint64_t)be16(head + 28) +
		    (uint64_t)be16(head + 126) * be32(head + 20);
		if (volume_bytes_read(h->v, head, sizeof head,
		    h->base + 1024) < 0)
			return -1;
	}
	h->plus = !memcmp(head, "H+", 2) || !memcmp(head, "HX", 2);
	if (h->plus)
		return open_plus(h, head);
	return memcmp(head, "BD", 2) ? -1 : open_old(h, head);
}

static void
hfs_close(void *state)
{
	struct hfs *h = state;

	fork_free(&h->catalogue.fork);
	fork_free(&h->extents.fork);
	fork_free(&h->fork);
	free(h->node);
	free(h);
}

static void *
hfs_open(struct volume_bytes *v, const char **why)
{
	struct hfs *h = xcalloc(1, sizeof *h);

	h->v = v;
	h->node = xmalloc(NODE_MAX);
	*why = "its header makes no sense";
	if (open_volume(h) < 0)
		goto failed;
	*why = "its catalogue file could not be read";
	/* without an extents file there are forks of a few extents */
	if (open_tree(h, &h->extents) < 0)
		h->extents.nodes = 0;
	if (more_extents(h, &h->catalogue.fork, CATALOGUE_FILE,
	    DATA_FORK) < 0 || open_tree(h, &h->catalogue) < 0)
		goto failed;
	return h;
failed:
	hfs_close(h);
	return NULL;
}

/* Listing */

struct file_record {
	uint32_t ino;
	uint64_t size;
	const unsigned char *extents;
};

/* 1 it is a file, 0 it is not, -1 it makes no sense. */
static int
file_record(const struct hfs *h, unsigned int i, struct file_record *f)
{
	const unsigned char *r;
	size_t len;

	r = node_record(h, &h->catalogue, i, &len);
	if (!r || !(r = behind_key(h, r, &len)) || len < 2)
		return -1;
	if ((h->plus ? be16(r) : r[0]) != FILE_RECORD)
		return 0;
	if (len < (h->plus ? 248U : 102U))
		return -1;
	f->ino = be32(r + (h->plus ? 8 : 20));
	f->size = h->plus ? be_number(r + 168, 8) : be32(r + 36);
	f->extents = r + (h->plus ? 168 + 16 : 86);
	return 1;
}

/* 1 the next leaf is there, 0 there is none, -1 it cannot be read. */
static int
next_leaf(struct hfs *h)
{
	h->leaf = h->started ? h->next_leaf : h->catalogue.first_leaf;
	h->started = 1;
	h->record = h->records = 0;
	if (h->leaf == 0)
		return 0;
	h->next_leaf = 0;
	/* a chain that comes back to itself has an end, too */
	if (h->seen++ == h->catalogue.nodes ||
	    read_node(h, &h->catalogue, h->leaf) < 0 || h->node[8] != LEAF)
		return -1;
	h->next_leaf = be32(h->node);
	h->records = be16(h->node + 10);
	return 1;
}

static enum listing
hfs_next(void *state, struct stream_found *f, uint64_t *blind)
{
	struct hfs *h = state;
	uint32_t end = h->seen + QUICK / h->catalogue.node_size;
	struct file_record r;
	int rc;

	for (;;) {
		if (h->record == h->records) {
			if (h->seen == end)
				return LIST_ON;
			rc = next_leaf(h);
			*blind += rc < 0;
			if (rc <= 0)
				return LIST_END;
			continue;
		}
		rc = file_record(h, h->record++, &r);
		*blind += rc < 0;
		if (rc <= 0 || r.size == 0)
			continue;
		memset(f, 0, sizeof *f);
		f->at = (uint64_t)(h->record - 1) << NODE_BITS | h->leaf;
		f->ino = r.ino;
		f->size = r.size;
		strcpy(f->name, "rsrc");
		if (f->size > h->v->size)
			f->why = "it has a size that cannot be";
		return LIST_FOUND;
	}
}

static int
hfs_select(void *state, uint64_t at, const char *name, const char **why)
{
	struct hfs *h = state;
	uint32_t leaf = at & ((1U << NODE_BITS) - 1);
	uint64_t i = at >> NODE_BITS;
	struct file_record r;

	(void)name;
	fork_free(&h->fork);
	*why = nonsense;
	if (read_node(h, &h->catalogue, leaf) < 0 ||
	    i >= be16(h->node + 10) ||
	    file_record(h, (unsigned int)i, &r) != 1)
		return -1;
	h->fork.size = r.size;
	/* what comes next may need the node for the extents file */
	return add_extents(h, &h->fork, r.extents) < 0 ||
	    more_extents(h, &h->fork, r.ino, RESOURCE_FORK) < 0 ? -1 : 0;
}

static int
hfs_read(void *state, void *bytes, size_t len, uint64_t pos, const char **why)
{
	struct hfs *h = state;

	if (fork_read(h, &h->fork, bytes, len, pos) == 0)
		return 0;
	*why = "its extents lead out of the volume";
	return -1;
}

const struct stream_format format_hfs = {
	hfs_open, hfs_close, hfs_next, hfs_select, hfs_read
};
