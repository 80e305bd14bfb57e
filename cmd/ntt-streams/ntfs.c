/*
 * Alternate data streams of NTFS: the $DATA attributes of a file record that
 * have names.  If attributes do not fit into one record, the others are in
 * further records, which the attribute list of the first record names.
 */
#include "format.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"

enum {
	ATTR_LIST = 0x20,
	ATTR_DATA = 0x80,
	ATTR_END = -1,		/* 0xffffffff */
	COMPRESSED = 0x00ff,
	ENCRYPTED = 0x4000,
	RECORD_MAX = 64 << 10,
	LIST_MAX = 4 << 20,	/* 256 KiB is what Windows allows */
	RUNS_MAX = 4 << 20,
	UNIT_MAX = 8 << 20,
	QUICK = 16 << 20	/* bytes of the table in one call of next() */
};

/* Clusters; lcn -1: a hole. */
struct run {
	uint64_t vcn, count;
	int64_t lcn;
};

struct runs {
	struct run *run;
	size_t count;
	uint64_t end;		/* vcn behind the last */
};

/* An attribute on its way from its extents in several records. */
struct attr {
	struct runs runs;
	unsigned char *value;	/* of a resident one */
	uint64_t size, valid;	/* bytes; behind valid are zeros */
	unsigned int flags;
	uint64_t unit;		/* of compression, clusters; 0: none */
};

struct ntfs {
	struct volume_bytes *v;
	uint64_t cluster, records;
	unsigned int record_size;
	struct attr mft;
	unsigned char *base, *extra;
	unsigned char *list;	/* attribute list of base */
	size_t list_len;
	/* next() */
	uint64_t number;
	struct stream_found *found;
	size_t found_count, found_next;
	/* select() */
	struct attr attr;
	unsigned char *unit, *packed;
	uint64_t unit_number;	/* in unit; ~0: none */
	uint64_t unit_lost;	/* bytes of it */
};

static const char nonsense[] = "its extents make no sense";

/* Records */

/* The two last bytes of every sector stand at the beginning of the record. */
static int
fix_up(unsigned char *record, unsigned int size)
{
	unsigned int at = (unsigned int)le_number(record + 4, 2);
	unsigned int count = (unsigned int)le_number(record + 6, 2), i;

	if (count != size / 512 + 1 || at + 2 * count > size)
		return -1;
	for (i = 1; i < count; i++) {
		unsigned char *end = record + 512 * i - 2;

		if (memcmp(end, record + at, 2))
			return -1;
		memcpy(end, record + at + 2 * i, 2);
	}
	return 0;
}

static int read_attr(struct ntfs *n, const struct attr *a, void *bytes,
	size_t len, uint64_t pos);

/*
 * 1 it is in use, 0 it is not, -1 it cannot be read or makes no sense.  A table
 * has records that were never written.
 */
static int
read_record(struct ntfs *n, unsigned char *to, uint64_t number)
{
	uint64_t lost = n->v->lost;

	if (number >= n->records || read_attr(n, &n->mft, to, n->record_size,
	    number * n->record_size) < 0 || n->v->lost != lost)
		return -1;
	if (all_zero(to, 4))
		return 0;
	if (memcmp(to, "FILE", 4) || fix_up(to, n->record_size) < 0)
		return -1;
	return le_number(to + 22, 2) & 1;
}

/* The attribute behind a (NULL: the first one), or NULL. */
static const unsigned char *
next_attr(const struct ntfs *n, const unsigned char *record,
    const unsigned char *a)
{
	size_t at, len;

	if (a) {
		at = (size_t)(a - record);
		at += le32(a + 4);
	} else {
		at = (size_t)le_number(record + 20, 2);
	}
	if (at + 24 > n->record_size || (int32_t)le32(record + at) == ATTR_END)
		return NULL;
	a = record + at;
	len = le32(a + 4);
	if (len < 24 || len > n->record_size - at || (a[8] && len < 64) ||
	    2U * a[9] + le_number(a + 10, 2) > len)
		return NULL;
	return a;
}

static int
is_type(const unsigned char *a, uint32_t type)
{
	return le32(a) == type;
}

static void
attr_name(const unsigned char *a, char name[STREAM_NAME])
{
	stream_name(name, a + le_number(a + 10, 2), a[9]);
}

static uint64_t
lowest_vcn(const unsigned char *a)
{
	return a[8] ? le64(a + 16) : 0;
}

static uint64_t
attr_size(const unsigned char *a)
{
	return a[8] ? le64(a + 48) : le32(a + 16);
}

/* Attributes */

static void
attr_free(struct attr *a)
{
	free(a->runs.run);
	free(a->value);
	memset(a, 0, sizeof *a);
}

static int64_t
signed_number(const unsigned char *b, unsigned int size)
{
	uint64_t n = le_number(b, size);

	if (size > 0 && size < 8 && b[size - 1] & 0x80)
		n |= ~(uint64_t)0 << 8 * size;
	return (int64_t)n;
}

static int
add_run(struct runs *r, uint64_t count, int64_t lcn)
{
	if (count == 0 || count > (uint64_t)1 << 50 || r->count == RUNS_MAX)
		return -1;
	if ((r->count & (r->count - 1)) == 0)
		r->run = xrealloc(r->run, (r->count ? 2 * r->count : 1) *
		    sizeof *r->run);
	r->run[r->count++] = (struct run){ r->end, count, lcn };
	r->end += count;
	return 0;
}

/* The mapping pairs of one extent of an attribute. */
static int
add_runs(const struct ntfs *n, struct runs *r, const unsigned char *a)
{
	size_t len = le32(a + 4), at = (size_t)le_number(a + 32, 2);
	int64_t lcn = 0;

	if (lowest_vcn(a) != r->end)
		return -1;
	while (at < len && a[at]) {
		unsigned int sizes = a[at++], c = sizes & 15, o = sizes >> 4;
		uint64_t count;

		if (c == 0 || c > 8 || o > 8 || c + o > len - at)
			return -1;
		count = le_number(a + at, c);
		at += c;
		lcn = (int64_t)((uint64_t)lcn +
		    (uint64_t)signed_number(a + at, o));
		at += o;
		if (o > 0 && (lcn < 0 || count > n->v->size / n->cluster ||
		    (uint64_t)lcn > n->v->size / n->cluster))
			return -1;
		if (add_run(r, count, o > 0 ? lcn : -1) < 0)
			return -1;
	}
	return 0;
}

/* One extent of it, in the order of their clusters. */
static int
attr_add(const struct ntfs *n, struct attr *attr, const unsigned char *a,
    uint64_t size_max)
{
	size_t len = le32(a + 4), at;

	if (!a[8]) {
		at = (size_t)le_number(a + 20, 2);
		if (attr->value || attr->runs.count || at > len ||
		    le32(a + 16) > len - at)
			return -1;
		attr->size = attr->valid = le32(a + 16);
		attr->value = xmalloc(attr->size + 1);
		memcpy(attr->value, a + at, attr->size);
		return 0;
	}
	if (attr->value)
		return -1;
	if (lowest_vcn(a) == 0) {
		unsigned int shift = (unsigned int)le_number(a + 34, 2);

		attr->size = le64(a + 48);
		attr->valid = le64(a + 56);
		attr->flags = (unsigned int)le_number(a + 12, 2);
		if (attr->size > size_max || attr->valid > attr->size ||
		    shift > 10)
			return -1;
		if (attr->flags & COMPRESSED && shift)
			attr->unit = (uint64_t)1 << shift;
		if (attr->unit * n->cluster > UNIT_MAX)
			return -1;
	}
	return add_runs(n, &attr->runs, a);
}

static const struct run *
find_run(const struct runs *r, uint64_t vcn)
{
	size_t low = 0, high = r->count;

	if (vcn >= r->end)
		return NULL;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (r->run[middle].vcn <= vcn)
			low = middle;
		else
			high = middle;
	}
	return &r->run[low];
}

/* Bytes as they lie on the disk; those of holes are zeros. */
static int
read_runs(struct ntfs *n, const struct attr *a, unsigned char *to, size_t len,
    uint64_t pos)
{
	while (len > 0) {
		const struct run *r = find_run(&a->runs, pos / n->cluster);
		uint64_t in, part;

		if (!r)
			return -1;
		in = pos - r->vcn * n->cluster;
		part = r->count * n->cluster - in;
		part = part > len ? len : part;
		if (r->lcn < 0)
			memset(to, 0, part);
		else if (volume_bytes_read(n->v, to, part,
		    (uint64_t)r->lcn * n->cluster + in) < 0)
			return -1;
		to += part;
		pos += part;
		len -= part;
	}
	return 0;
}

/* What is not compressed; inside its size. */
static int
read_attr(struct ntfs *n, const struct attr *a, void *bytes, size_t len,
    uint64_t pos)
{
	unsigned char *to = bytes;
	uint64_t known;

	if (pos > a->size || len > a->size - pos)
		return -1;
	if (a->value) {
		memcpy(to, a->value + pos, len);
		return 0;
	}
	known = pos >= a->valid ? 0 : a->valid - pos;
	known = known > len ? len : known;
	memset(to + known, 0, len - known);
	return read_runs(n, a, to, known, pos);
}

/* LZNT1 */

/* One chunk of 4,096 bytes: how many it gave, -1: nonsense. */
static int
unpack_chunk(const unsigned char *from, size_t len, unsigned char *to,
    size_t room)
{
	size_t at = 0, out = 0;

	while (at < len) {
		unsigned int flags = from[at++], bit;

		for (bit = 0; bit < 8 && at < len; bit++, flags >>= 1) {
			unsigned int pair, shift = 12;
			size_t back, count, i;

			if (!(flags & 1)) {
				if (out == room)
					return -1;
				to[out++] = from[at++];
				continue;
			}
			if (at + 2 > len || out == 0)
				return -1;
			pair = (unsigned int)le_number(from + at, 2);
			at += 2;
			for (i = out - 1; i >= 16; i >>= 1)
				shift--;
			back = (pair >> shift) + 1;
			count = (pair & ((1U << shift) - 1)) + 3;
			if (back > out || count > room - out)
				return -1;
			for (; count > 0; count--, out++)
				to[out] = to[out - back];
		}
	}
	return (int)out;
}

/* All of a unit; what is not said is zeros. */
static int
unpack(const unsigned char *from, size_t len, unsigned char *to, size_t size)
{
	enum { CHUNK = 4096 };
	size_t at = 0, out = 0;

	memset(to, 0, size);
	while (at + 2 <= len && out < size) {
		unsigned int head = (unsigned int)le_number(from + at, 2);
		size_t part = (head & 0xfff) + 1;
		size_t room = size - out > CHUNK ? CHUNK : size - out;

		if (head == 0)
			break;
		at += 2;
		if (part > len - at)
			return -1;
		if (!(head & 0x8000)) {
			if (part > room)
				return -1;
			memcpy(to + out, from + at, part);
		} else if (unpack_chunk(from + at, part, to + out, room) < 0) {
			return -1;
		}
		at += part;
		out += room;
	}
	return 0;
}

/*
 * A unit of which the last clusters are holes is compressed; one of holes alone
 * is zeros.
 */
static const char *
load_unit(struct ntfs *n, uint64_t number)
{
	const struct attr *a = &n->attr;
	uint64_t vcn = number * a->unit, used = 0, lost = n->v->lost;
	size_t size = (size_t)(a->unit * n->cluster);
	int hole = 0, rc = 0;

	n->unit_number = ~(uint64_t)0;
	for (; vcn + used < a->runs.end && used < a->unit; used++) {
		if (find_run(&a->runs, vcn + used)->lcn < 0) {
			hole = 1;
			break;
		}
	}
	if (used == 0 && !hole)
		return nonsense;
	memset(n->unit, 0, size);
	if (used > 0)
		rc = read_runs(n, a, hole ? n->packed : n->unit,
		    (size_t)(used * n->cluster), vcn * n->cluster);
	if (rc < 0)
		return nonsense;
	n->unit_lost = n->v->lost - lost;
	n->v->lost = lost;
	if (used > 0 && hole && unpack(n->packed, (size_t)(used * n->cluster),
	    n->unit, size) < 0) {
		/* zeros were packed there, and nobody knows what */
		if (n->unit_lost == 0)
			return "its compressed bytes make no sense";
		memset(n->unit, 0, size);
	}
	n->unit_number = number;
	return NULL;
}

static const char *
read_packed(struct ntfs *n, unsigned char *to, size_t len, uint64_t pos)
{
	uint64_t size = n->attr.unit * n->cluster;

	while (len > 0) {
		uint64_t number = pos / size, in = pos % size, part = size - in;
		const char *why;

		part = part > len ? len : part;
		if (pos >= n->attr.valid) {
			memset(to, 0, len);
			return NULL;
		}
		if (number != n->unit_number && (why = load_unit(n, number)))
			return why;
		memcpy(to, n->unit + in, part);
		if (pos + part > n->attr.valid)
			memset(to + (n->attr.valid - pos), 0,
			    pos + part - n->attr.valid);
		n->v->lost += n->unit_lost;
		to += part;
		pos += part;
		len -= part;
	}
	return NULL;
}

/* Attributes of a file, wherever they are */

/*
 * The attribute list of base to n->list: 1, 0 there is none, -1 it cannot be
 * read.
 */
static int
load_list(struct ntfs *n)
{
	const unsigned char *a = NULL;
	struct attr list = { .value = NULL };
	uint64_t lost = n->v->lost;
	int rc = -1;

	while ((a = next_attr(n, n->base, a)) && !is_type(a, ATTR_LIST))
		;
	if (!a)
		return 0;
	free(n->list);
	n->list = NULL;
	if (attr_add(n, &list, a, LIST_MAX) == 0 && list.unit == 0) {
		n->list_len = (size_t)list.size;
		n->list = xmalloc(n->list_len + 1);
		if (read_attr(n, &list, n->list, n->list_len, 0) == 0 &&
		    n->v->lost == lost)
			rc = 1;
	}
	attr_free(&list);
	return rc;
}

/* The entry of the list at *at, which moves on; NULL at its end. */
static const unsigned char *
next_entry(const struct ntfs *n, size_t *at)
{
	const unsigned char *e = n->list + *at;
	size_t left = n->list_len - *at, len;

	if (left < 26)
		return NULL;
	len = (size_t)le_number(e + 4, 2);
	if (len < 26 || len > left || e[7] + 2U * e[6] > len)
		return NULL;
	*at += len;
	return e;
}

/* The attribute that an entry is about, in n->extra or base; NULL: none. */
static const unsigned char *
entry_attr(struct ntfs *n, uint64_t base, const unsigned char *e)
{
	uint64_t number = le64(e + 16) & 0xffffffffffff;
	const unsigned char *record = n->base, *a = NULL;

	if (number != base) {
		record = n->extra;
		if (read_record(n, n->extra, number) != 1 ||
		    (le64(n->extra + 32) & 0xffffffffffff) != base ||
		    le_number(n->extra + 16, 2) != le_number(e + 22, 2))
			return NULL;
	}
	while ((a = next_attr(n, record, a)))
		if (le32(a) == le32(e) &&
		    le_number(a + 14, 2) == le_number(e + 24, 2) &&
		    lowest_vcn(a) == le64(e + 8))
			return a;
	return NULL;
}

/*
 * Calls take() for every extent of $DATA of record number, which is in
 * n->base; NULL in the place of one that cannot be read.  -1: nor can the list
 * of them.
 */
static int
each_data(struct ntfs *n, uint64_t number,
    void (*take)(struct ntfs *n, void *arg, const unsigned char *a), void *arg)
{
	const unsigned char *a = NULL, *e;
	size_t at = 0;
	int listed = load_list(n);

	if (listed < 0)
		return -1;
	while (!listed && (a = next_attr(n, n->base, a)))
		if (is_type(a, ATTR_DATA))
			take(n, arg, a);
	while (listed && (e = next_entry(n, &at)))
		if (is_type(e, ATTR_DATA))
			take(n, arg, entry_attr(n, number, e));
	return 0;
}

/* The table */

struct gather {
	const char *name;
	struct attr *attr;
	uint64_t size_max;
	int failed, met;
};

static void
gather(struct ntfs *n, void *arg, const unsigned char *a)
{
	struct gather *g = arg;
	char name[STREAM_NAME];

	/* it may have been one of this name */
	if (!a) {
		g->failed = 1;
		return;
	}
	attr_name(a, name);
	if (strcmp(name, g->name) || g->failed)
		return;
	g->met = 1;
	if (attr_add(n, g->attr, a, g->size_max) < 0)
		g->failed = 1;
}

/* Its first part tells where the records are that tell the rest. */
static int
open_table(struct ntfs *n, uint64_t cluster, const char **why)
{
	struct gather g = { .name = "", .attr = &n->mft,
		.size_max = n->v->size };
	struct attr first = { .value = NULL };
	const unsigned char *a = NULL, *e;
	size_t at = 0;
	int listed;

	*why = "its table of files (MFT) could not be read";
	if (cluster > n->v->size / n->cluster)
		return -1;
	add_run(&first.runs, (n->record_size + n->cluster - 1) / n->cluster,
	    (int64_t)cluster);
	first.size = first.valid = n->record_size;
	n->mft = first;
	n->records = 1;
	if (read_record(n, n->base, 0) != 1)
		return -1;
	attr_free(&n->mft);
	while ((a = next_attr(n, n->base, a)))
		if (is_type(a, ATTR_DATA) && a[9] == 0)
			gather(n, &g, a);
	n->records = n->mft.size / n->record_size;
	listed = g.met ? load_list(n) : 0;
	if (listed < 0)
		return -1;
	/* an extent of the table is in a record that an earlier one holds */
	while (listed && (e = next_entry(n, &at)))
		if (is_type(e, ATTR_DATA) && e[6] == 0 && le64(e + 8))
			gather(n, &g, entry_attr(n, 0, e));
	if (!g.met || g.failed || n->mft.unit || !n->mft.runs.count ||
	    n->mft.runs.end * n->cluster < n->mft.size)
		return -1;
	return 0;
}

static void
ntfs_close(void *state)
{
	struct ntfs *n = state;

	attr_free(&n->mft);
	attr_free(&n->attr);
	free(n->base);
	free(n->extra);
	free(n->list);
	free(n->found);
	free(n->unit);
	free(n->packed);
	free(n);
}

static void *
ntfs_open(struct volume_bytes *v, const char **why)
{
	struct ntfs *n = xcalloc(1, sizeof *n);
	unsigned char boot[512];
	unsigned int sector, factor;
	int8_t size;

	n->v = v;
	*why = "its boot sector makes no sense";
	if (volume_bytes_read(v, boot, sizeof boot, 0) < 0 ||
	    memcmp(boot + 3, "NTFS    ", 8))
		goto failed;
	sector = (unsigned int)le_number(boot + 11, 2);
	factor = boot[13] > 0x80 ? 1U << ((256 - boot[13]) & 31) : boot[13];
	n->cluster = (uint64_t)sector * factor;
	size = (int8_t)boot[64];
	if (size < -16)
		goto failed;
	n->record_size = size < 0 ? 1U << -size :
	    (unsigned int)(n->cluster * (unsigned int)size);
	if (sector < 256 || sector > 4096 || n->cluster < 512 ||
	    n->cluster > 2 << 20 || n->record_size < 512 ||
	    n->record_size > RECORD_MAX || n->record_size % 512)
		goto failed;
	n->base = xmalloc(n->record_size);
	n->extra = xmalloc(n->record_size);
	if (open_table(n, le64(boot + 48), why) < 0)
		goto failed;
	return n;
failed:
	ntfs_close(n);
	return NULL;
}

/* Listing */

struct listed {
	uint64_t number;
	int missing;
};

static struct stream_found *
add_found(struct ntfs *n, uint64_t number)
{
	struct stream_found *f;

	n->found = xrealloc(n->found, (n->found_count + 1) * sizeof *f);
	f = &n->found[n->found_count++];
	memset(f, 0, sizeof *f);
	f->at = f->ino = number;
	return f;
}

static void
list_one(struct ntfs *n, void *arg, const unsigned char *a)
{
	struct listed *l = arg;
	struct stream_found *f;

	if (!a) {
		l->missing = 1;
		return;
	}
	if (a[9] == 0 || lowest_vcn(a) > 0)
		return;
	f = add_found(n, l->number);
	attr_name(a, f->name);
	f->size = attr_size(a);
	if (a[8] && le_number(a + 12, 2) & ENCRYPTED)
		f->why = "it is encrypted";
	else if (f->size > INT64_MAX)
		f->why = "it has a size that cannot be";
}

static enum listing
ntfs_next(void *state, struct stream_found *f, uint64_t *blind)
{
	struct ntfs *n = state;
	uint64_t end = n->number + QUICK / n->record_size;

	while (n->found_next == n->found_count) {
		struct listed l = { .number = n->number };
		int used;

		n->found_next = n->found_count = 0;
		if (n->number == n->records)
			return LIST_END;
		if (n->number == end)
			return LIST_ON;
		used = read_record(n, n->base, n->number++);
		*blind += used < 0;
		/* what belongs to another record is met there */
		if (used != 1 || le64(n->base + 32) & 0xffffffffffff)
			continue;
		if (each_data(n, l.number, list_one, &l) < 0 || l.missing)
			add_found(n, l.number)->why =
			    "some of its streams could not be listed";
	}
	*f = n->found[n->found_next++];
	return LIST_FOUND;
}

static int
ntfs_select(void *state, uint64_t at, const char *name, const char **why)
{
	struct ntfs *n = state;
	struct gather g = { .name = name, .attr = &n->attr,
		.size_max = INT64_MAX };
	const struct attr *a = &n->attr;
	uint64_t end;

	attr_free(&n->attr);
	n->unit_number = ~(uint64_t)0;
	*why = nonsense;
	if (read_record(n, n->base, at) != 1 ||
	    each_data(n, at, gather, &g) < 0 || !g.met || g.failed)
		return -1;
	if (a->value)
		return 0;
	end = a->valid / n->cluster + (a->valid % n->cluster > 0);
	if (end > a->runs.end)
		return -1;
	if (a->unit) {
		n->unit = xrealloc(n->unit, a->unit * n->cluster);
		n->packed = xrealloc(n->packed, a->unit * n->cluster);
	}
	return 0;
}

static int
ntfs_read(void *state, void *bytes, size_t len, uint64_t pos,
    const char **why)
{
	struct ntfs *n = state;

	if (pos > n->attr.size || len > n->attr.size - pos)
		*why = nonsense;
	else if (n->attr.unit && !n->attr.value)
		*why = read_packed(n, bytes, len, pos);
	else
		*why = read_attr(n, &n->attr, bytes, len, pos) < 0 ?
		    "its extents lead out of the volume" : NULL;
	return *why ? -1 : 0;
}

const struct stream_format format_ntfs = {
	ntfs_open, ntfs_close, ntfs_next, ntfs_select, ntfs_read
};
