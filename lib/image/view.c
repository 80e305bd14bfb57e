#define _GNU_SOURCE
#include "image/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fsutil.h"

enum { USER_DATA = 2048, SECTOR_MAX = 4096 };

/* No offset of a file is larger. */
static const uint64_t most = INT64_MAX;

static const char *const words[VIEW_KINDS] = {
	[VIEW_COPY] = "copy", [VIEW_LOST] = "lost", [VIEW_ZERO] = "zero",
	[VIEW_BYTES] = "bytes"
};

static uint64_t
rounded(uint64_t n)
{
	return (n + VIEW_UNIT - 1) / VIEW_UNIT * VIEW_UNIT;
}

static uint64_t
end_of(const struct view_piece *p)
{
	return p->pos + p->size;
}

static int
has_source(uint32_t kind)
{
	return kind == VIEW_COPY || kind == VIEW_BYTES;
}

/* Behind the last piece, or as its continuation. */
static void
append(struct view *v, struct view_piece p)
{
	struct view_piece *last = v->count ? &v->pieces[v->count - 1] : NULL;

	if (p.size == 0)
		return;
	if (!has_source(p.kind))
		p.from = 0;
	v->covered = end_of(&p);
	if (last && last->kind == p.kind && (!has_source(p.kind) ||
	    last->from + last->size == p.from)) {
		last->size += p.size;
		return;
	}
	/* room for 1, 2, 4, 8 … pieces */
	if ((v->count & (v->count - 1)) == 0)
		v->pieces = xrealloc(v->pieces,
		    (v->count ? 2 * v->count : 1) * sizeof *v->pieces);
	v->pieces[v->count++] = p;
}

static void
append_up_to(struct view *v, uint64_t end, enum view_kind kind)
{
	struct view_piece p = { v->covered, 0, v->covered, kind };

	if (end <= v->covered)
		return;
	p.size = end - v->covered;
	append(v, p);
}

static void
pad(struct view *v)
{
	uint64_t end = v->covered;

	append_up_to(v, rounded(end), VIEW_ZERO);
	v->padding = v->covered - end;
	v->length = v->covered;
}

/* The padding goes: there will be more. */
static void
unpad(struct view *v)
{
	struct view_piece *last = v->count ? &v->pieces[v->count - 1] : NULL;

	if (!v->padding)
		return;
	last->size -= v->padding;
	v->covered -= v->padding;
	v->padding = 0;
	if (last->size == 0)
		v->count--;
}

void
view_init(struct view *v, uint64_t image_size, const struct mapfile *map,
    uint64_t length)
{
	size_t i;

	memset(v, 0, sizeof *v);
	for (i = 0; map && i < map->count; i++) {
		const struct mapfile_block *b = &map->blocks[i];
		uint64_t end = b->pos + b->size;

		append_up_to(v, end < image_size ? end : image_size,
		    b->status == MAPFILE_RESCUED ? VIEW_COPY : VIEW_LOST);
	}
	append_up_to(v, image_size, map ? VIEW_LOST : VIEW_COPY);
	append_up_to(v, length, VIEW_LOST);
	pad(v);
}

void
view_extend(struct view *v, uint64_t length)
{
	if (length > v->covered - v->padding) {
		unpad(v);
		append_up_to(v, length, VIEW_LOST);
		pad(v);
	}
	if (v->sector)
		view_sectors(v, v->sector, v->skip);
}

void
view_free(struct view *v)
{
	free(v->pieces);
	buf_free(&v->bytes);
	memset(v, 0, sizeof *v);
}

/* The first piece that ends behind pos. */
static size_t
piece_at(const struct view *v, uint64_t pos)
{
	size_t low = 0, high = v->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (end_of(&v->pieces[middle]) <= pos)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What of p lies in [from, to). */
static struct view_piece
part_of(const struct view_piece *p, uint64_t from, uint64_t to)
{
	struct view_piece part = *p;

	if (from > part.pos) {
		part.from += from - part.pos;
		part.pos = from;
	}
	part.size = (to < end_of(p) ? to : end_of(p)) - part.pos;
	return part;
}

/* The pieces of list, which touch, take the place of what was there. */
static void
overlay(struct view *v, const struct view_piece *list, size_t count)
{
	struct view new = { .sector = v->sector, .skip = v->skip };
	uint64_t from = list[0].pos, to = end_of(&list[count - 1]);
	size_t i;

	unpad(v);
	for (i = 0; i < v->count && v->pieces[i].pos < from; i++)
		append(&new, part_of(&v->pieces[i], 0, from));
	append_up_to(&new, from, VIEW_LOST);
	for (i = 0; i < count; i++)
		append(&new, list[i]);
	for (i = piece_at(v, to); i < v->count; i++)
		append(&new, part_of(&v->pieces[i], to, UINT64_MAX));
	pad(&new);
	free(v->pieces);
	new.bytes = v->bytes;
	*v = new;
	if (v->sector)
		view_sectors(v, v->sector, v->skip);
}

void
view_put(struct view *v, enum view_kind kind, uint64_t pos, uint64_t size,
    uint64_t from)
{
	struct view_piece p = { pos, size, from, kind };

	if (size > 0)
		overlay(v, &p, 1);
}

void
view_put_bytes(struct view *v, uint64_t pos, const void *bytes, size_t size)
{
	uint64_t from = v->bytes.len;

	buf_put(&v->bytes, bytes, size);
	view_put(v, VIEW_BYTES, pos, size, from);
}

void
view_copy(struct view *v, uint64_t pos, uint64_t size, uint64_t from)
{
	struct view copies = { .count = 0 };
	uint64_t end = from + size;
	size_t i;

	if (size == 0)
		return;
	unpad(v);
	for (i = piece_at(v, from); i < v->count && v->pieces[i].pos < end;
	    i++) {
		struct view_piece p = part_of(&v->pieces[i], from, end);

		p.pos = pos + (p.pos - from);
		append(&copies, p);
	}
	if (!copies.count)
		copies.covered = pos;
	append_up_to(&copies, pos + size, VIEW_LOST);
	overlay(v, copies.pieces, copies.count);
	free(copies.pieces);
}

/* Behind the last whole sector the view is padded; so are the pieces. */
static uint64_t
sectors_end(const struct view *v)
{
	uint64_t end = v->covered;

	if (v->count && v->pieces[v->count - 1].kind == VIEW_ZERO)
		end = v->pieces[v->count - 1].pos;
	return end / v->sector * USER_DATA;
}

int
view_sectors(struct view *v, unsigned int sector, unsigned int skip)
{
	if (sector < USER_DATA || sector > SECTOR_MAX ||
	    skip > sector - USER_DATA)
		return -1;
	v->sector = sector;
	v->skip = skip;
	v->length = rounded(sectors_end(v));
	return 0;
}

int
view_needed(const struct view *v, uint64_t image_size)
{
	const struct view_piece *p = v->pieces;

	if (v->sector || v->count == 0)
		return v->sector != 0;
	/* block devices have whole sectors: the last one is padded */
	return image_size % 512 != 0 || p->kind != VIEW_COPY || p->from != 0 || p->size != image_size ||
	    v->count > 2 || (v->count == 2 && p[1].kind != VIEW_ZERO);
}

static int
raw_lost(const struct view *v, uint64_t pos, uint64_t size)
{
	size_t i;

	for (i = piece_at(v, pos); i < v->count &&
	    v->pieces[i].pos < pos + size; i++)
		if (v->pieces[i].kind == VIEW_LOST)
			return 1;
	return pos + size > v->covered;
}

static int
raw_read(const struct view *v, int image, char *bytes, size_t size,
    uint64_t pos)
{
	size_t i;

	for (i = piece_at(v, pos); size > 0; i++) {
		const struct view_piece *p = &v->pieces[i];
		uint64_t inside = pos - (i < v->count ? p->pos : 0);
		size_t n;
		ssize_t got;

		if (i >= v->count) {
			errno = EIO;
			return -1;
		}
		n = p->size - inside < size ? (size_t)(p->size - inside) :
		    size;
		if (p->kind == VIEW_COPY) {
			got = pread_full(image, bytes, n,
			    (off_t)(p->from + inside));
			if (got != (ssize_t)n) {
				errno = got < 0 ? errno : EIO;
				return -1;
			}
		} else if (p->kind == VIEW_BYTES) {
			memcpy(bytes, v->bytes.data + p->from + inside, n);
		} else {
			memset(bytes, 0, n);
		}
		bytes += n;
		pos += n;
		size -= n;
	}
	return 0;
}

/* The next part of [pos, pos + size) that is in one sector: its raw place. */
static size_t
in_sector(const struct view *v, uint64_t pos, uint64_t size, uint64_t *raw)
{
	uint64_t inside = pos % USER_DATA, left = USER_DATA - inside;

	*raw = pos / USER_DATA * v->sector + v->skip + inside;
	return (size_t)(left < size ? left : size);
}

int
view_lost(const struct view *v, uint64_t pos, uint64_t size)
{
	uint64_t raw, end;
	size_t n;

	if (pos > v->length || size > v->length - pos)
		return 1;
	if (!v->sector)
		return size > 0 && raw_lost(v, pos, size);
	end = sectors_end(v);
	for (; size > 0 && pos < end; pos += n, size -= n) {
		n = in_sector(v, pos, size, &raw);
		if (raw_lost(v, raw, n))
			return 1;
	}
	return 0;
}

static uint64_t
raw_lost_within(const struct view *v, uint64_t pos, uint64_t size)
{
	uint64_t sum = 0, end = pos + size;
	size_t i;

	for (i = piece_at(v, pos); i < v->count && v->pieces[i].pos < end; i++)
		if (v->pieces[i].kind == VIEW_LOST)
			sum += part_of(&v->pieces[i], pos, end).size;
	return sum + (end > v->covered ? end - (pos > v->covered ? pos :
	    v->covered) : 0);
}

uint64_t
view_lost_within(const struct view *v, uint64_t pos, uint64_t size)
{
	uint64_t sum = 0, raw, end;
	size_t n;

	if (!v->sector)
		return raw_lost_within(v, pos, size);
	end = sectors_end(v);
	for (; size > 0 && pos < end; pos += n, size -= n) {
		n = in_sector(v, pos, size, &raw);
		sum += raw_lost_within(v, raw, n);
	}
	return sum;
}

int
view_read(const struct view *v, int image, void *bytes, size_t size,
    uint64_t pos)
{
	char *to = bytes;
	uint64_t raw, end;
	size_t n;

	if (pos > v->length || size > v->length - pos) {
		errno = EIO;
		return -1;
	}
	if (!v->sector)
		return raw_read(v, image, to, size, pos);
	end = sectors_end(v);
	for (; size > 0 && pos < end; pos += n, size -= n, to += n) {
		n = in_sector(v, pos, size, &raw);
		if (raw_read(v, image, to, n, raw) < 0)
			return -1;
	}
	memset(to, 0, size);
	return 0;
}

/* ---- as text ---- */

static void
print_bytes(struct buf *text, const char *bytes, size_t size)
{
	char *hex = xmalloc(2 * size + 1);

	hex_encode(hex, bytes, size);
	buf_printf(text, " %s", hex);
	free(hex);
}

void
view_print(const struct view *v, struct buf *text)
{
	size_t i;

	buf_puts(text, "ntt-view 1\n");
	if (v->sector)
		buf_printf(text, "sectors %u %u\n", v->sector, v->skip);
	for (i = 0; i < v->count; i++) {
		const struct view_piece *p = &v->pieces[i];

		buf_printf(text, "%s %llu %llu", words[p->kind],
		    (unsigned long long)p->pos, (unsigned long long)p->size);
		if (p->kind == VIEW_COPY)
			buf_printf(text, " %llu", (unsigned long long)p->from);
		else if (p->kind == VIEW_BYTES)
			print_bytes(text, v->bytes.data + p->from, p->size);
		buf_putc(text, '\n');
	}
}

int
view_file(const struct view *v)
{
	struct buf text = BUF_INIT;
	int fd = memfd_create("view", MFD_CLOEXEC);

	view_print(v, &text);
	if (fd >= 0 && (write_all(fd, text.data, text.len) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		fd = -1;
	}
	buf_free(&text);
	return fd;
}

/* Decimal digits and the one byte behind them. */
static int
take_number(const char **at, char behind, uint64_t *n)
{
	const char *p = *at;

	for (*n = 0; *p >= '0' && *p <= '9'; p++) {
		if (*n > most / 10)
			return -1;
		*n = *n * 10 + (uint64_t)(*p - '0');
	}
	if (p == *at || *p != behind || *n > most)
		return -1;
	*at = p + 1;
	return 0;
}

static int
take_bytes(struct view *v, const char *hex, struct view_piece *p)
{
	char *bytes;
	int rc;

	if (p->size > strlen(hex))
		return -1;
	bytes = xmalloc(p->size + 1);
	rc = hex_decode(bytes, hex, (size_t)p->size);
	p->from = v->bytes.len;
	if (rc == 0)
		buf_put(&v->bytes, bytes, (size_t)p->size);
	free(bytes);
	return rc;
}

static int
take_piece(struct view *v, const char *line)
{
	struct view_piece p = { 0, 0, 0, 0 };
	size_t len = strcspn(line, " ");
	const char *at = line + len + 1;

	while (p.kind < VIEW_KINDS && (strlen(words[p.kind]) != len ||
	    memcmp(words[p.kind], line, len)))
		p.kind++;
	if (p.kind == VIEW_KINDS || line[len] != ' ' ||
	    take_number(&at, ' ', &p.pos) < 0 ||
	    take_number(&at, has_source(p.kind) ? ' ' : '\0', &p.size) < 0 ||
	    p.pos != v->covered || p.size == 0 || p.size > most - p.pos)
		return -1;
	if (p.kind == VIEW_COPY && (take_number(&at, '\0', &p.from) < 0 ||
	    p.size > most - p.from))
		return -1;
	if (p.kind == VIEW_BYTES && take_bytes(v, at, &p) < 0)
		return -1;
	append(v, p);
	return 0;
}

static int
take_line(struct view *v, const char *line, int number)
{
	static const char sectors[] = "sectors ";
	uint64_t sector, skip;
	const char *at = line + sizeof sectors - 1;

	if (number == 1)
		return strcmp(line, "ntt-view 1") ? -1 : 0;
	if (number > 2 || strncmp(line, sectors, sizeof sectors - 1))
		return take_piece(v, line);
	if (take_number(&at, ' ', &sector) < 0 ||
	    take_number(&at, '\0', &skip) < 0 || sector > SECTOR_MAX ||
	    skip > SECTOR_MAX)
		return -1;
	return view_sectors(v, (unsigned int)sector, (unsigned int)skip);
}

int
view_parse(struct view *v, const char *text, size_t len, const char **error)
{
	char *copy = xmalloc(len + 1), *line, *end;
	int rc = 0, number = 1;

	memset(v, 0, sizeof *v);
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (line = copy; rc == 0 && line < copy + len; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			rc = -1;
		else
			*end = '\0';
		if (rc == 0)
			rc = take_line(v, line, number++);
		if (rc < 0)
			break;
	}
	*error = rc < 0 ? "one of its lines is none of a view" :
	    v->covered == 0 || v->covered % VIEW_UNIT ?
	    "its length is no multiple of 4,096" : NULL;
	v->length = v->covered;
	if (v->sector)
		view_sectors(v, v->sector, v->skip);
	free(copy);
	if (*error)
		view_free(v);
	return *error ? -1 : 0;
}
