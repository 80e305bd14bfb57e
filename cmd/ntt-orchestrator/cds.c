#define _GNU_SOURCE
#include "opening.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/fsutil.h"

/* The file of this name but with that ending, NULL: it is not there. */
static struct part *
find_companion(struct opening *o, const char *ending)
{
	const char *base = base_of(o->path), *dot = strrchr(base, '.');
	char *name = xasprintf("%.*s.%s", dot ? (int)(dot - base) : 0, base,
	    ending);
	struct part *p = dot ? find_in_any_case(o, name) : NULL;

	free(name);
	return p;
}

/* Text of a part, or a Nero image's list of tracks at its end. */
static char *
read_sheet(const struct opening *o, const struct part *p, uint64_t from,
    size_t *len)
{
	char *text = xmalloc(TEXT_MAX);
	int fd = open_part(o, p);
	ssize_t n = pread_full(fd, text, TEXT_MAX, (off_t)from);

	close(fd);
	*len = n < 0 ? 0 : (size_t)n;
	return text;
}

static uint64_t
nrg_list(const struct opening *o)
{
	unsigned char end[12];
	uint64_t size = o->parts[0].size;
	int fd = open_part(o, &o->parts[0]);
	ssize_t n = pread_full(fd, end, sizeof end, (off_t)(size - 12));

	close(fd);
	if (n != sizeof end)
		return size;
	return !memcmp(end, "NER5", 4) ? be_number(end + 4, 8) :
	    be32(end + 8);
}

/* Which part a file of the tracks is. */
static size_t
part_of_file(struct opening *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->count; i++)
		if (!strcasecmp(base_of(o->parts[i].path), name))
			return i;
	if (!find_in_any_case(o, name))
		cannot(o, " whose part %s is not there", quoted(name));
	return o->count - 1;
}

/* The part with the tracks is beside the one that describes them. */
static void
open_tracks(struct opening *o, const size_t parts[])
{
	struct disc *d = &o->disc;
	int *fds = xcalloc(d->tracks.files, sizeof *fds);
	uint64_t *sizes = xcalloc(d->tracks.files, sizeof *sizes);
	const char *why;
	size_t i;

	for (i = 0; i < d->tracks.files; i++) {
		fds[i] = open_part(o, &o->parts[parts[i]]);
		sizes[i] = o->parts[parts[i]].size;
	}
	d->fds = fds;
	if (tracks_end(&d->tracks, sizes, &why) < 0 ||
	    disc_plan(d, &why) < 0)
		cannot(o, ", and %s", why);
	o->size = d->size;
	o->needs = d->bytes;
	free(sizes);
}

void
prepare_disc(struct opening *o)
{
	const char *name = o->kind->name, *why = NULL;
	struct tracks *t = &o->disc.tracks;
	size_t parts[TRACK_FILES] = { 0 }, len, i;
	int is_nrg = !strcmp(name, "nrg");
	char *text = read_sheet(o, &o->parts[0], is_nrg ? nrg_list(o) : 0,
	    &len);

	if (is_nrg)
		tracks_of_nrg(t, (unsigned char *)text, len, &why);
	else if (!strcmp(name, "ccd"))
		tracks_of_ccd(t, text, len, &why);
	else
		tracks_of_cue(t, text, len, &why);
	free(text);
	if (why)
		cannot(o, ", and %s", why);
	if (!strcmp(name, "ccd") && !find_companion(o, "img"))
		cannot(o, " whose .img is not beside it");
	if (!strcmp(name, "ccd"))
		parts[0] = o->count - 1;
	for (i = 0; i < t->files && !strcmp(name, "cue"); i++)
		parts[i] = part_of_file(o, t->file[i]);
	if (!strcmp(name, "ccd"))
		find_companion(o, "sub");
	open_tracks(o, parts);
}

/* What the sheet beside it says, if it is one of this file. */
static int
sheet_of_sectors(struct opening *o)
{
	struct tracks *t = &o->disc.tracks;
	size_t parts[TRACK_FILES] = { 0 }, len, i;
	const char *why, *base = base_of(o->path);
	struct part *p = find_companion(o, "cue");
	char *text;
	int ours = 0;

	if (p) {
		text = read_sheet(o, p, 0, &len);
		if (tracks_of_cue(t, text, len, &why) == 0)
			for (i = 0; i < t->files; i++)
				ours |= !strcasecmp(t->file[i], base);
		free(text);
		for (i = 0; i < t->files && ours; i++)
			parts[i] = part_of_file(o, t->file[i]);
	}
	if (!ours && (p = find_companion(o, "ccd"))) {
		text = read_sheet(o, p, 0, &len);
		ours = tracks_of_ccd(t, text, len, &why) == 0;
		free(text);
	}
	if (ours)
		open_tracks(o, parts);
	return ours;
}

/* What describes it lies beside it, and is archived with it. */
void
prepare_sectors(struct opening *o)
{
	static const size_t first = 0;
	int fd = open_part(o, &o->parts[0]);
	unsigned int sector = container_sector(fd, o->parts[0].size);
	struct tracks *t = &o->disc.tracks;

	close(fd);
	o->only_data = !sheet_of_sectors(o);
	find_companion(o, "sub");
	find_companion(o, "mds");
	if (!o->only_data)
		return;
	if (o->parts[0].size % sector)
		cannot(o, " that is cut: its last sector is not whole");
	memset(t, 0, sizeof *t);
	t->files = t->count = 1;
	t->track[0] = (struct track){ .number = 1, .sector = sector,
		.raw = 1 };
	open_tracks(o, &first);
}

static void
put_disc(void *arg, const char *bytes, size_t len, uint64_t at)
{
	put_bytes(arg, bytes, len, at);
	keep_going(arg, at);
}

static void
other_sector(void *arg, uint64_t at, uint64_t sector)
{
	struct opening *o = arg;

	if (o->only_data)
		cannot(o, " that has other sectors than those of one data "
		    "track (sector %llu): %s", (unsigned long long)sector,
		    o->kind->way);
	lose(o, at, DISC_SECTOR);
}

void
make_disc(struct opening *o)
{
	struct disc_out out = { put_disc, other_sector, o };
	size_t i;

	if (disc_write(&o->disc, &out) < 0)
		cannot(o, ", and it could not be read in full: %s",
		    strerror(errno));
	for (i = 0; i < o->disc.tracks.files; i++)
		close(o->disc.fds[i]);
}
