#include "disc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/fsutil.h"

enum {
	RAW = 2352, SECTOR_MAX = 4096,
	HEADER = 16, SUBHEADER = 8,
	WAV_HEAD = 44,
	SECTORS_MOST = 1000000,
	ALIGN = 1 << 20,	/* of the volume of music */
	CHUNK = 1 << 18
};

/* ---- sectors ---- */

/* Where the 2,048 bytes of a raw sector begin; 0: it has none. */
static size_t
data_of(const unsigned char *sector)
{
	enum { MODE = 15, SUBMODE = 18, FORM_2 = 0x20 };
	static const unsigned char sync[12] = { 0, 255, 255, 255, 255, 255,
		255, 255, 255, 255, 255, 0 };

	if (memcmp(sector, sync, sizeof sync))
		return 0;
	if (sector[MODE] == 1)
		return HEADER;
	return sector[MODE] == 2 && !(sector[SUBMODE] & FORM_2) ?
	    HEADER + SUBHEADER : 0;
}

/* Its data, or NULL: it has others. */
static const unsigned char *
user_data(const struct track *t, const unsigned char *sector)
{
	enum { SUBMODE = 2, FORM_2 = 0x20 };
	size_t at;

	if (t->raw) {
		at = data_of(sector);
		return at ? sector + at : NULL;
	}
	if (t->skip && (sector[SUBMODE] & FORM_2))
		return NULL;
	return sector + t->skip;
}

static int
read_sector(const struct disc *d, const struct track *t, uint64_t number,
    unsigned char *sector)
{
	return number < t->sectors && pread_full(d->fds[t->file], sector,
	    t->sector, (off_t)(t->at + number * t->sector)) ==
	    (ssize_t)t->sector ? 0 : -1;
}

static const unsigned char *
read_data(const struct disc *d, const struct track *t, uint64_t number,
    unsigned char *sector)
{
	return read_sector(d, t, number, sector) < 0 ? NULL :
	    user_data(t, sector);
}

/* ---- where a data track belongs ---- */

/* A directory that says that it begins at sector root. */
static int
is_root(const unsigned char *dir, uint32_t root)
{
	return dir && dir[0] >= 34 && dir[32] == 1 && dir[33] == 0 &&
	    le32(dir + 2) == root;
}

/*
 * The sector that its file system takes for its own first one; here, where it
 * has no ISO 9660 or one that does not tell.
 */
static uint64_t
base_of(const struct disc *d, const struct track *t, uint64_t here, int *iso)
{
	enum { DESCRIPTOR = 16, FAR = 4096 };
	unsigned char sector[SECTOR_MAX];
	const unsigned char *b = read_data(d, t, DESCRIPTOR, sector);
	uint32_t root;
	uint64_t i;

	*iso = b && !memcmp(b, "\1CD001\1", 7);
	if (!*iso)
		return here;
	root = le32(b + 156 + 2);
	if (root >= here && is_root(read_data(d, t, root - here, sector),
	    root))
		return here;
	for (i = DESCRIPTOR + 1; i < t->sectors && i < FAR && i <= root; i++)
		if (is_root(read_data(d, t, i, sector), root))
			return root - i;
	return here;
}

static int
is_silent(const struct disc *d, const struct track *t)
{
	unsigned char sector[SECTOR_MAX];
	uint64_t at;

	for (at = t->gap; at < t->at; at += t->sector)
		if (pread_full(d->fds[t->file], sector, t->sector,
		    (off_t)at) != (ssize_t)t->sector || sector[0] ||
		    memcmp(sector, sector + 1, RAW - 1))
			return 0;
	return 1;
}

/* ---- the volume of music ---- */

/* Up to two pieces of music, or the sectors of a stream. */
struct file {
	char name[32];
	const struct track *track, *gap;	/* gap: of the next track */
	int own_gap;
	uint64_t size;
};

static uint64_t
samples(const struct file *f)
{
	return ((f->own_gap ? f->track->gap_sectors : f->track->sectors) +
	    (f->gap ? f->gap->gap_sectors : 0)) * RAW;
}

static size_t
list_files(const struct disc *d, struct file list[2 * TRACKS])
{
	size_t i, count = 0;

	for (i = 0; i < d->tracks.count; i++) {
		const struct track *t = &d->tracks.track[i], *next = t + 1;
		struct file *f = &list[count];

		if (!t->audio && !d->stream[i])
			continue;
		if (d->gap_file[i]) {
			memset(f, 0, sizeof *f);
			f->track = t;
			f->own_gap = 1;
			snprintf(f->name, sizeof f->name,
			    "TRACK%02u-PREGAP.WAV;1", t->number);
			f->size = samples(f) + WAV_HEAD;
			f = &list[++count];
		}
		memset(f, 0, sizeof *f);
		f->track = t;
		if (t->audio && i + 1 < d->tracks.count && next->audio)
			f->gap = next;
		snprintf(f->name, sizeof f->name, "TRACK%02u.%s;1", t->number,
		    t->audio ? "WAV" : "BIN");
		f->size = samples(f) + (t->audio ? WAV_HEAD : 0);
		count++;
	}
	return count;
}

static uint64_t
whole(uint64_t bytes)
{
	return (bytes + DISC_SECTOR - 1) / DISC_SECTOR;
}

/* In both orders. */
static void
both(unsigned char *at, uint32_t n)
{
	int i;

	for (i = 0; i < 4; i++) {
		at[i] = (unsigned char)(n >> 8 * i);
		at[7 - i] = at[i];
	}
}

static size_t
put_record(unsigned char *at, const char *name, size_t len, uint32_t sector,
    uint32_t size, int directory)
{
	size_t record = (33 + len + 1) / 2 * 2;

	memset(at, 0, record);
	at[0] = (unsigned char)record;
	both(at + 2, sector);
	both(at + 10, size);
	/* a date: 1 January 1970, because none is known */
	at[18] = 70;
	at[19] = at[20] = 1;
	at[25] = directory ? 2 : 0;
	at[28] = at[31] = 1;
	at[32] = (unsigned char)len;
	memcpy(at + 33, name, len);
	return record;
}

enum { DESCRIPTOR = 16, PATHS = 18, ROOT = 20, ROOT_SECTORS = 6 };

/* Everything before the first file. */
static unsigned char *
volume_head(const struct file *list, size_t count, uint64_t sectors)
{
	size_t size = (ROOT + ROOT_SECTORS) * DISC_SECTOR, i, at;
	unsigned char *b = xcalloc(1, size), *d = b + DESCRIPTOR *
	    DISC_SECTOR, *root = b + ROOT * DISC_SECTOR, *p;
	static const char name[] = "TRACKS";
	uint32_t sector = ROOT + ROOT_SECTORS;
	unsigned char record[64];

	memcpy(d, "\1CD001\1", 7);
	memset(d + 8, ' ', 64);
	memcpy(d + 40, name, sizeof name - 1);
	both(d + 80, (uint32_t)sectors);
	d[120] = d[123] = d[124] = d[127] = 1;
	d[129] = d[130] = DISC_SECTOR >> 8;
	both(d + 132, 10);
	d[140] = PATHS;
	d[151] = PATHS + 1;
	put_record(d + 156, "\0", 1, ROOT, ROOT_SECTORS * DISC_SECTOR, 1);
	memset(d + 190, ' ', 623);
	for (i = 0; i < 4; i++)
		memset(d + 813 + 17 * i, '0', 16);
	d[881] = 1;
	memcpy(d + DISC_SECTOR, "\377CD001\1", 7);
	for (i = 0; i < 2; i++) {
		p = b + (PATHS + i) * DISC_SECTOR;
		p[0] = 1;
		p[i ? 5 : 2] = ROOT;
		p[i ? 7 : 6] = 1;
	}
	at = put_record(root, "\0", 1, ROOT, ROOT_SECTORS * DISC_SECTOR, 1);
	at += put_record(root + at, "\1", 1, ROOT,
	    ROOT_SECTORS * DISC_SECTOR, 1);
	for (i = 0; i < count; i++) {
		size_t len = put_record(record, list[i].name,
		    strlen(list[i].name), sector, (uint32_t)list[i].size, 0);

		/* none lies in two sectors */
		if (at % DISC_SECTOR + len > DISC_SECTOR)
			at = whole(at) * DISC_SECTOR;
		memcpy(root + at, record, len);
		at += len;
		sector += (uint32_t)whole(list[i].size);
	}
	return b;
}

static void
wav_head(unsigned char h[WAV_HEAD], uint64_t bytes)
{
	static const unsigned char format[] = { 'f', 'm', 't', ' ', 16, 0, 0,
		0, 1, 0, 2, 0, 0x44, 0xac, 0, 0, 0x10, 0xb1, 2, 0, 4, 0, 16,
		0, 'd', 'a', 't', 'a' };
	int i;

	memcpy(h, "RIFF....WAVE", 12);
	memcpy(h + 12, format, sizeof format);
	for (i = 0; i < 4; i++) {
		h[4 + i] = (unsigned char)((bytes + 36) >> 8 * i);
		h[40 + i] = (unsigned char)(bytes >> 8 * i);
	}
}

/* ---- the plan ---- */

static uint64_t
place_music(struct disc *d, uint64_t end)
{
	struct file list[2 * TRACKS];
	size_t count = list_files(d, list), i;
	uint64_t sectors = ROOT + ROOT_SECTORS;

	if (count == 0)
		return end;
	d->image.music = (end + ALIGN - 1) / ALIGN * ALIGN;
	for (i = 0; i < count; i++)
		sectors += whole(list[i].size);
	d->image.music_size = sectors * DISC_SECTOR;
	d->bytes += d->image.music_size;
	return d->image.music + d->image.music_size;
}

int
disc_plan(struct disc *d, const char **why)
{
	uint64_t here = 0, end = 0, base;
	size_t i;

	memset(&d->image, 0, sizeof d->image);
	d->bytes = 0;
	for (i = 0; i < d->tracks.count; i++) {
		const struct track *t = &d->tracks.track[i];
		int iso = 0, after_music = i > 0 && t[-1].audio;
		unsigned char sector[SECTOR_MAX];

		here += i > 0 ? t->gap_sectors : 0;
		d->gap_file[i] = t->audio && !after_music &&
		    t->gap_sectors > 0 && !is_silent(d, t);
		base = t->audio ? 0 : base_of(d, t, here, &iso);
		d->stream[i] = !t->audio && !iso && t->sector >= RAW &&
		    !read_data(d, t, 0, sector);
		here += t->sectors;
		if (t->audio || d->stream[i])
			continue;
		if (base < end || base + t->sectors > SECTORS_MOST) {
			*why = "its data tracks overlap";
			return -1;
		}
		end = base + t->sectors;
		d->image.data[d->image.count].sector = (uint32_t)base;
		d->image.data[d->image.count++].sectors =
		    (uint32_t)t->sectors;
		d->bytes += t->sectors * DISC_SECTOR;
	}
	d->size = place_music(d, end * DISC_SECTOR);
	d->plain = !d->image.music_size && d->image.count == 1 &&
	    d->image.data[0].sector == 0;
	if (!d->plain)
		d->size += DISC_END;
	*why = NULL;
	return 0;
}

/* ---- writing ---- */

static int
write_data(const struct disc *d, const struct track *t, uint64_t base,
    const struct disc_out *out)
{
	size_t most = CHUNK / t->sector, i, n;
	unsigned char *raw = xmalloc(most * t->sector);
	char *data = xcalloc(most, DISC_SECTOR);
	uint64_t done;
	int rc = 0;

	for (done = 0; done < t->sectors && rc == 0; done += n) {
		n = t->sectors - done < most ? (size_t)(t->sectors - done) :
		    most;
		if (pread_full(d->fds[t->file], raw, n * t->sector,
		    (off_t)(t->at + done * t->sector)) !=
		    (ssize_t)(n * t->sector)) {
			rc = -1;
			break;
		}
		for (i = 0; i < n; i++) {
			const unsigned char *from = user_data(t, raw +
			    i * t->sector);

			if (from)
				memcpy(data + i * DISC_SECTOR, from,
				    DISC_SECTOR);
			else
				memset(data + i * DISC_SECTOR, 0,
				    DISC_SECTOR);
			if (!from)
				out->other(out->arg, (base + done + i) *
				    DISC_SECTOR, done + i);
		}
		out->put(out->arg, data, n * DISC_SECTOR,
		    (base + done) * DISC_SECTOR);
	}
	free(raw);
	free(data);
	return rc;
}

/* Bytes of a file go out in blocks of CHUNK, and the last is filled up. */
struct writer {
	const struct disc_out *out;
	char *bytes;
	size_t used;
	uint64_t at;
};

static void
flush(struct writer *w)
{
	if (w->used)
		w->out->put(w->out->arg, w->bytes, w->used, w->at);
	w->at += w->used;
	w->used = 0;
}

static void
add(struct writer *w, const void *bytes, size_t len)
{
	if (w->used + len > CHUNK)
		flush(w);
	memcpy(w->bytes + w->used, bytes, len);
	w->used += len;
}

static int
add_sectors(const struct disc *d, const struct track *t, uint64_t from,
    uint64_t count, struct writer *w)
{
	unsigned char sector[SECTOR_MAX], first;
	uint64_t i;
	size_t j;

	for (i = 0; i < count; i++) {
		if (pread_full(d->fds[t->file], sector, t->sector,
		    (off_t)(from + i * t->sector)) != (ssize_t)t->sector)
			return -1;
		for (j = 0; t->swapped && j + 1 < RAW; j += 2) {
			first = sector[j];
			sector[j] = sector[j + 1];
			sector[j + 1] = first;
		}
		add(w, sector, RAW);
	}
	return 0;
}

static int
write_file(const struct disc *d, const struct file *f, struct writer *w)
{
	static const unsigned char zeros[DISC_SECTOR];
	unsigned char head[WAV_HEAD];
	const struct track *t = f->track;

	if (t->audio) {
		wav_head(head, samples(f));
		add(w, head, sizeof head);
	}
	if (f->own_gap ? add_sectors(d, t, t->gap, t->gap_sectors, w) < 0 :
	    add_sectors(d, t, t->at, t->sectors, w) < 0)
		return -1;
	if (f->gap && add_sectors(d, f->gap, f->gap->gap,
	    f->gap->gap_sectors, w) < 0)
		return -1;
	if (f->size % DISC_SECTOR)
		add(w, zeros, DISC_SECTOR - f->size % DISC_SECTOR);
	return 0;
}

static int
write_music(const struct disc *d, const struct disc_out *out)
{
	struct writer w = { out, xmalloc(CHUNK), 0, d->image.music };
	size_t head = (ROOT + ROOT_SECTORS) * DISC_SECTOR, i, count;
	struct file list[2 * TRACKS];
	unsigned char *b;
	int rc = 0;

	count = list_files(d, list);
	b = volume_head(list, count, d->image.music_size / DISC_SECTOR);
	add(&w, b, head);
	for (i = 0; i < count && rc == 0; i++)
		rc = write_file(d, &list[i], &w);
	flush(&w);
	free(w.bytes);
	free(b);
	return rc;
}

int
disc_write(const struct disc *d, const struct disc_out *out)
{
	char end[DISC_END];
	size_t i, n = 0;

	errno = EIO;
	for (i = 0; i < d->tracks.count; i++) {
		const struct track *t = &d->tracks.track[i];

		if (t->audio || d->stream[i])
			continue;
		if (write_data(d, t, d->image.data[n++].sector, out) < 0)
			return -1;
	}
	if (d->image.music_size && write_music(d, out) < 0)
		return -1;
	if (d->plain)
		return 0;
	disc_image_end(&d->image, end);
	out->put(out->arg, end, sizeof end, d->size - sizeof end);
	return 0;
}
