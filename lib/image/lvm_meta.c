#define _GNU_SOURCE
#include "image/lvm_meta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/fsutil.h"
#include "base/num.h"

enum {
	SECTOR = 512,
	UUID_CHARS = 32,
	MAX_TEXT = 16 << 20,
	MAX_DEPTH = 16,
	MAX_VOLUMES = 900
};

/* No disk is as large: sums of two places cannot overflow. */
static const uint64_t max_place = (uint64_t)1 << 60;

/* ---- a tree of sections and values: name { … }  name = value ---- */

struct node {
	char *name;
	char *value;		/* "" for a section; lists joined by newline */
	struct node *child, *next;
};

struct reader {
	const char *p, *end;
	int bad;
};

static void
skip_space(struct reader *r)
{
	while (r->p < r->end) {
		if (*r->p == '#') {
			while (r->p < r->end && *r->p != '\n')
				r->p++;
		} else if (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' ||
		    *r->p == '\r' || *r->p == ',') {
			r->p++;
		} else {
			break;
		}
	}
}

static char
peek(struct reader *r)
{
	skip_space(r);
	return r->p < r->end ? *r->p : '\0';
}

static void
read_string(struct reader *r, struct buf *out)
{
	for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
		if (*r->p == '\\' && r->p + 1 < r->end)
			r->p++;
		buf_putc(out, *r->p);
	}
	if (r->p < r->end)
		r->p++;
	else
		r->bad = 1;
}

static void
read_word(struct reader *r, struct buf *out)
{
	const char *from = r->p;

	while (r->p < r->end && *r->p && !strchr(" \t\r\n={}[],#\"", *r->p))
		r->p++;
	if (r->p == from)
		r->bad = 1;
	buf_put(out, from, (size_t)(r->p - from));
}

static void
read_scalar(struct reader *r, struct buf *out)
{
	if (peek(r) == '"')
		read_string(r, out);
	else
		read_word(r, out);
}

static char *
read_value(struct reader *r)
{
	struct buf out = BUF_INIT;

	if (peek(r) != '[') {
		read_scalar(r, &out);
		return buf_detach(&out);
	}
	r->p++;
	while (!r->bad && peek(r) && peek(r) != ']') {
		if (out.len)
			buf_putc(&out, '\n');
		read_scalar(r, &out);
	}
	if (peek(r) == ']')
		r->p++;
	else
		r->bad = 1;
	return buf_detach(&out);
}

static void
free_nodes(struct node *n)
{
	while (n) {
		struct node *next = n->next;

		free_nodes(n->child);
		free(n->name);
		free(n->value);
		free(n);
		n = next;
	}
}

static struct node *
read_section(struct reader *r, int depth)
{
	struct node *first = NULL, **last = &first;

	if (depth > MAX_DEPTH)
		r->bad = 1;
	while (!r->bad && peek(r) && peek(r) != '}') {
		struct node *n = xcalloc(1, sizeof *n);
		struct buf name = BUF_INIT;

		*last = n;
		last = &n->next;
		read_word(r, &name);
		n->name = buf_detach(&name);
		if (peek(r) == '=') {
			r->p++;
			n->value = read_value(r);
		} else if (peek(r) == '{') {
			r->p++;
			n->child = read_section(r, depth + 1);
			if (peek(r) == '}')
				r->p++;
			else
				r->bad = 1;
		} else {
			r->bad = 1;
		}
	}
	return first;
}

static const struct node *
find(const struct node *n, const char *name)
{
	while (n && strcmp(n->name, name))
		n = n->next;
	return n;
}

static const char *
text_of(const struct node *section, const char *name)
{
	const struct node *n = section ? find(section, name) : NULL;

	return n && n->value ? n->value : "";
}

static uint64_t
number_of(const struct node *section, const char *name)
{
	uint64_t n;

	/* 2^40 sectors or extents are more than there will be */
	return num_u64(text_of(section, name), 0, (uint64_t)1 << 40, &n) < 0 ?
	    0 : n;
}

/* ---- what the tree says ---- */

static void
copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* The name under physical_volumes whose uuid is ours. */
static const struct node *
own_volume(const struct lvm_meta *m, const struct node *vg)
{
	const struct node *pvs = find(vg, "physical_volumes"), *pv;

	for (pv = pvs ? pvs->child : NULL; pv; pv = pv->next)
		if (pv->child && !strcmp(text_of(pv->child, "id"),
		    m->pv_uuid))
			return pv;
	return NULL;
}

static const char *
add_piece(struct lvm_volume *v, uint64_t at, uint64_t bytes)
{
	struct dm_piece *last = v->count ? &v->pieces[v->count - 1] : NULL;

	v->size += bytes;
	if (last && last->start + last->size == at) {
		last->size += bytes;
		return "";
	}
	if (v->count == LVM_PIECES)
		return "it is in too many pieces";
	v->pieces[v->count].start = at;
	v->pieces[v->count++].size = bytes;
	return "";
}

/* Extends v by one segment; a reason where that is not possible. */
static const char *
add_segment(struct lvm_volume *v, const struct node *segment,
    const struct node *pv, uint64_t extent)
{
	const char *stripes = text_of(segment, "stripes");
	const char *newline = strchr(stripes, '\n');
	uint64_t first, at, bytes;

	if (strcmp(text_of(segment, "type"), "striped") ||
	    number_of(segment, "stripe_count") != 1 || !newline)
		return "it is not linear";
	if ((size_t)(newline - stripes) != strlen(pv->name) ||
	    strncmp(stripes, pv->name, strlen(pv->name)))
		return "it lies on another physical volume";
	if (num_u64(newline + 1, 0, (uint64_t)1 << 40, &first) < 0 ||
	    __builtin_mul_overflow(first, extent, &at) ||
	    __builtin_add_overflow(at,
	    number_of(pv->child, "pe_start") * SECTOR, &at) ||
	    __builtin_mul_overflow(number_of(segment, "extent_count"),
	    extent, &bytes) || at > max_place || bytes == 0 ||
	    bytes > max_place - v->size)
		return "its numbers make no sense";
	return add_piece(v, at, bytes);
}

static void
add_volume(struct lvm_meta *m, const struct node *lv, const struct node *pv,
    uint64_t extent)
{
	struct lvm_volume *v;
	uint64_t i, count = number_of(lv->child, "segment_count");
	const char *why = count == 0 ? "it has no segments" : "";

	if (m->count == MAX_VOLUMES)
		return;
	m->volumes = xrealloc(m->volumes,
	    (m->count + 1) * sizeof *m->volumes);
	v = &m->volumes[m->count++];
	memset(v, 0, sizeof *v);
	copy_text(v->name, sizeof v->name, lv->name);
	copy_text(v->uuid, sizeof v->uuid, text_of(lv->child, "id"));
	for (i = 1; i <= count && !*why; i++) {
		char name[32];
		const struct node *segment;

		snprintf(name, sizeof name, "segment%llu",
		    (unsigned long long)i);
		segment = find(lv->child, name);
		why = segment && segment->child ?
		    add_segment(v, segment->child, pv, extent) :
		    "a segment is missing";
	}
	copy_text(v->why, sizeof v->why, why);
}

static int
interpret(struct lvm_meta *m, const struct node *tree)
{
	const struct node *vg = tree, *pv, *lv;
	uint64_t extent;

	while (vg && !vg->child)
		vg = vg->next;
	if (!vg)
		return -1;
	copy_text(m->vg, sizeof m->vg, vg->name);
	extent = number_of(vg->child, "extent_size") * SECTOR;
	pv = own_volume(m, vg->child);
	lv = find(vg->child, "logical_volumes");
	if (!pv || extent == 0)
		return -1;
	for (lv = lv ? lv->child : NULL; lv; lv = lv->next)
		if (lv->child)
			add_volume(m, lv, pv, extent);
	return 0;
}

int
lvm_meta_parse(struct lvm_meta *m, const char *text, size_t len)
{
	struct reader r = { .p = text, .end = text + strnlen(text, len) };
	struct node *tree = read_section(&r, 0);
	int rc = r.bad ? -1 : interpret(m, tree);

	free_nodes(tree);
	return rc;
}

void
lvm_meta_free(struct lvm_meta *m)
{
	free(m->volumes);
	*m = (struct lvm_meta)LVM_META_INIT;
}

/* ---- where it is on the disk ---- */

/* 32 characters become aaaaaa-bbbb-bbbb-bbbb-bbbb-bbbb-cccccc. */
static void
uuid_text(char out[40], const unsigned char *raw)
{
	size_t i, n = 0;

	for (i = 0; i < UUID_CHARS; i++) {
		if (i == 6 || (i > 6 && i <= 26 && (i - 6) % 4 == 0))
			out[n++] = '-';
		out[n++] = (char)raw[i];
	}
	out[n] = '\0';
}

/* The text is in a ring that begins after its header sector. */
static int
read_ring(int fd, uint64_t area, const unsigned char *header,
    struct lvm_meta *m)
{
	uint64_t area_size = le64(header + 32), offset = le64(header + 40);
	uint64_t len = le64(header + 48), head;
	char *text;
	int rc = -1;

	if (len == 0 || len > MAX_TEXT || offset < SECTOR ||
	    offset >= area_size || len > area_size - SECTOR)
		return -1;
	head = len < area_size - offset ? len : area_size - offset;
	text = xcalloc(1, len + 1);
	if (pread_full(fd, text, head, (off_t)(area + offset)) ==
	    (ssize_t)head && pread_full(fd, text + head, len - head,
	    (off_t)(area + SECTOR)) == (ssize_t)(len - head))
		rc = lvm_meta_parse(m, text, len);
	free(text);
	return rc;
}

/* The areas after the PV header: data, an empty one, metadata, an empty one. */
static void
read_areas(int fd, uint64_t start, uint64_t len, const unsigned char *p,
    const unsigned char *end, struct lvm_meta *m)
{
	static const unsigned char magic[] = " LVM2 x[5A%r0N*>";
	unsigned char header[SECTOR];
	int lists = 0;

	for (; p + 16 <= end && lists < 2; p += 16) {
		uint64_t at = le64(p);

		if (at == 0) {
			lists++;
			continue;
		}
		if (lists == 0 || at > len - SECTOR)
			continue;
		if (pread_full(fd, header, SECTOR, (off_t)(start + at)) ==
		    SECTOR && !memcmp(header + 4, magic, 16) &&
		    read_ring(fd, start + at, header, m) == 0)
			return;
	}
}

static int
find_second(int fd, uint64_t start, uint64_t len, struct lvm_meta *m)
{
	unsigned char head[4 * SECTOR];
	ssize_t n = pread_full(fd, head, sizeof head, (off_t)start);
	size_t i, at;

	if (n < 0)
		return -1;
	for (i = 0; i + SECTOR <= (size_t)n; i += SECTOR) {
		if (memcmp(head + i, "LABELONE", 8) ||
		    memcmp(head + i + 24, "LVM2 001", 8))
			continue;
		m->format = 2;
		at = le32(head + i + 20);
		if (at > SECTOR - UUID_CHARS - 8)
			return 1;
		uuid_text(m->pv_uuid, head + i + at);
		read_areas(fd, start, len, head + i + at + UUID_CHARS + 8,
		    head + i + SECTOR, m);
		return 1;
	}
	return 0;
}

/* LVM1: fixed structures; LVs are extents scattered by a table. */
static int
find_first(int fd, uint64_t start, uint64_t len, struct lvm_meta *m)
{
	enum { PV_BYTES = 1024, LV_BYTES = 328, LV_MAX = 256 };
	unsigned char pv[PV_BYTES], lv[LV_BYTES];
	uint64_t base, size, at;
	ssize_t n = pread_full(fd, pv, sizeof pv, (off_t)start);

	if (n < 0)
		return -1;
	if (n < PV_BYTES || pv[0] != 'H' || pv[1] != 'M' ||
	    (pv[2] != 1 && pv[2] != 2) || pv[3] != 0)
		return 0;
	m->format = 1;
	uuid_text(m->pv_uuid, pv + 44);
	snprintf(m->vg, sizeof m->vg, "%.127s", (char *)pv + 172);
	base = le32(pv + 28);
	size = le32(pv + 32);
	for (at = 0; at + LV_BYTES <= size && m->count < LV_MAX;
	    at += LV_BYTES) {
		struct lvm_volume *v;

		if (base + at + LV_BYTES > len || pread_full(fd, lv, LV_BYTES,
		    (off_t)(start + base + at)) != LV_BYTES)
			break;
		if (!lv[0])
			continue;
		m->volumes = xrealloc(m->volumes,
		    (m->count + 1) * sizeof *m->volumes);
		v = &m->volumes[m->count++];
		memset(v, 0, sizeof *v);
		snprintf(v->name, sizeof v->name, "%.127s", (char *)lv);
		copy_text(v->why, sizeof v->why, "it is of LVM1");
	}
	return 1;
}

int
lvm_meta_find(int fd, uint64_t start, uint64_t len, struct lvm_meta *m)
{
	int rc;

	if (len < 4 * SECTOR)
		return 0;
	rc = find_second(fd, start, len, m);
	return rc ? rc : find_first(fd, start, len, m);
}
