#define _GNU_SOURCE
#include "tracks.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum {
	DATA = 2048, RAW = 2352, SUBCHANNEL = 96,
	LINE = 1024,
	/* a CD has 450,000 at most, and a file of music 4 GiB */
	SECTORS_MOST = 1000000, GAP_MOST = 500000
};

/* A new one behind the others; NULL: its number is not larger than theirs. */
static struct track *
add(struct tracks *t, unsigned int number)
{
	struct track *track;

	if (number < 1 || number > TRACKS || t->count == TRACKS ||
	    (t->count && t->track[t->count - 1].number >= number))
		return NULL;
	track = &t->track[t->count++];
	memset(track, 0, sizeof *track);
	track->number = number;
	return track;
}

/* The next line without blanks around it; 0: there is none. */
static int
next_line(const char **at, const char *end, char line[LINE])
{
	const char *stop;
	size_t len;

	if (*at >= end)
		return 0;
	stop = *at;
	while (stop < end && *stop != '\n' && *stop != '\r')
		stop++;
	while (*at < stop && (**at == ' ' || **at == '\t'))
		++*at;
	len = (size_t)(stop - *at);
	if (len >= LINE)
		len = LINE - 1;
	memcpy(line, *at, len);
	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	line[len] = '\0';
	*at = stop + 1;
	return 1;
}

/* What follows the word that the line begins with, or NULL. */
static const char *
after(const char *line, const char *word)
{
	size_t len = strlen(word);

	if (strncasecmp(line, word, len) ||
	    (line[len] != ' ' && line[len] != '\t'))
		return NULL;
	line += len;
	while (*line == ' ' || *line == '\t')
		line++;
	return line;
}

/* Whoever made it may have named a directory of his own machine. */
static void
take_name(char name[TRACK_NAME], const char *from, size_t len)
{
	size_t i;

	for (i = len; i > 0 && from[i - 1] != '/' && from[i - 1] != '\\'; )
		i--;
	from += i;
	len -= i;
	if (len >= TRACK_NAME)
		len = TRACK_NAME - 1;
	memcpy(name, from, len);
	name[len] = '\0';
}

/* ---- cue sheets ---- */

struct cue {
	struct tracks *t;
	int swapped;
	uint64_t frame, byte;	/* of the last index in this file */
	unsigned int sector;	/* of what follows it */
};

static const char *
cue_file(struct cue *c, const char *rest)
{
	const char *end, *kind;

	if (*rest == '"') {
		end = strchr(++rest, '"');
		kind = end ? end + 1 : "";
	} else {
		end = strrchr(rest, ' ');
		kind = end ? end : "";
	}
	while (*kind == ' ' || *kind == '\t')
		kind++;
	if (!end || c->t->files == TRACK_FILES)
		return "a FILE line makes no sense";
	if (strcasecmp(kind, "BINARY") && strcasecmp(kind, "MOTOROLA"))
		return "its tracks are in sound files: give their directory";
	c->swapped = !strcasecmp(kind, "MOTOROLA");
	c->frame = c->byte = 0;
	c->sector = 0;
	take_name(c->t->file[c->t->files++], rest, (size_t)(end - rest));
	return NULL;
}

static const char *
cue_track(struct cue *c, const char *rest)
{
	static const struct {
		const char *mode;
		unsigned int sector, skip;
		int audio, raw;
	} modes[] = {
		{ "AUDIO", RAW, 0, 1, 0 },
		{ "MODE1/2048", DATA, 0, 0, 0 },
		{ "MODE1/2352", RAW, 16, 0, 1 },
		{ "MODE2/2048", DATA, 0, 0, 0 },
		{ "MODE2/2336", 2336, 8, 0, 0 },
		{ "MODE2/2352", RAW, 24, 0, 1 },
		{ "CDI/2336", 2336, 8, 0, 0 },
		{ "CDI/2352", RAW, 24, 0, 1 },
	};
	struct track *track;
	char *end;
	size_t i;

	track = add(c->t, (unsigned int)strtoul(rest, &end, 10));
	if (!track || c->t->files == 0)
		return "its tracks are not in order";
	while (*end == ' ' || *end == '\t')
		end++;
	for (i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (!strcasecmp(end, modes[i].mode))
			break;
	if (i == sizeof modes / sizeof modes[0])
		return "it has a track of an unknown mode";
	track->file = (unsigned int)c->t->files - 1;
	track->sector = modes[i].sector;
	track->skip = modes[i].skip;
	track->audio = modes[i].audio;
	track->raw = modes[i].raw;
	track->swapped = c->swapped;
	track->gap = track->at = UINT64_MAX;
	return NULL;
}

/* "01 02:30:74": index 1 at so many minutes, seconds and frames of the file. */
static const char *
cue_index(struct cue *c, const char *rest)
{
	static const char nonsense[] = "an INDEX line makes no sense";
	struct track *track = c->t->count ? &c->t->track[c->t->count - 1] :
	    NULL;
	unsigned long number, n[3];
	uint64_t frame;
	char *end;
	int i;

	number = strtoul(rest, &end, 10);
	for (i = 0; i < 3; i++) {
		if (i == 0 ? *end != ' ' && *end != '\t' : *end != ':')
			return nonsense;
		n[i] = strtoul(end + 1, &end, 10);
		if (n[i] > SECTORS_MOST)
			return nonsense;
	}
	frame = (n[0] * 60 + n[1]) * 75 + n[2];
	if (!track || frame < c->frame || frame > SECTORS_MOST)
		return nonsense;
	if (c->t->files - 1 != track->file) {
		/* its gap was in the file before */
		if (track->at != UINT64_MAX)
			return number > 1 ? NULL : nonsense;
		track->file = (unsigned int)c->t->files - 1;
		track->swapped = c->swapped;
		track->gap = UINT64_MAX;
	}
	c->byte += (frame - c->frame) * (c->sector ? c->sector :
	    track->sector);
	c->frame = frame;
	c->sector = track->sector;
	if (number == 0)
		track->gap = c->byte;
	else if (number == 1)
		track->at = c->byte;
	return NULL;
}

int
tracks_of_cue(struct tracks *t, const char *text, size_t len,
    const char **why)
{
	const char *at = text, *end = text + len, *rest;
	struct cue c = { .t = t };
	char line[LINE];
	size_t i;

	memset(t, 0, sizeof *t);
	*why = NULL;
	/* a mark of UTF-8 */
	if (len >= 3 && !memcmp(at, "\xef\xbb\xbf", 3))
		at += 3;
	while (!*why && next_line(&at, end, line)) {
		if ((rest = after(line, "FILE")))
			*why = cue_file(&c, rest);
		else if ((rest = after(line, "TRACK")))
			*why = cue_track(&c, rest);
		else if ((rest = after(line, "INDEX")))
			*why = cue_index(&c, rest);
	}
	for (i = 0; i < t->count && !*why; i++) {
		struct track *track = &t->track[i];

		if (track->at == UINT64_MAX)
			*why = "it has a track without a beginning";
		if (track->gap == UINT64_MAX)
			track->gap = track->at;
		/* what a file has before its first track is of that */
		if (i == 0 || track[-1].file != track->file)
			track->gap = 0;
	}
	if (!*why && t->count == 0)
		*why = "it has no tracks";
	return *why ? -1 : 0;
}

/* ---- CloneCD ---- */

struct ccd_entry {
	unsigned long session, point, control;
	long plba;
};

/* Entries in the order of the disc: tracks, and 0xa2, where a session ends. */
static const char *
ccd_tracks(struct tracks *t, const struct ccd_entry *list, size_t count)
{
	uint64_t at = 0;
	size_t i, j;

	t->files = 1;
	for (i = 0; i < count; i++) {
		const struct ccd_entry *e = &list[i];
		long end = -1;
		struct track *track;

		if (e->point < 1 || e->point > TRACKS)
			continue;
		/* the next track of its session, or the end of that */
		for (j = 0; j < count; j++)
			if (list[j].session == e->session &&
			    (list[j].point == 0xa2 ||
			    list[j].point <= TRACKS) &&
			    list[j].plba > e->plba &&
			    (end < 0 || list[j].plba < end))
				end = list[j].plba;
		track = add(t, (unsigned int)e->point);
		if (!track)
			return "its tracks are not in order";
		if (end < 0 || e->plba < 0 || end > SECTORS_MOST)
			return "it has a track without an end";
		track->audio = !(e->control & 4);
		track->raw = !track->audio;
		track->sector = RAW;
		track->gap = track->at = at;
		at += (uint64_t)(end - e->plba) * RAW;
		track->end = at;
	}
	return t->count ? NULL : "it has no tracks";
}

int
tracks_of_ccd(struct tracks *t, const char *text, size_t len,
    const char **why)
{
	static const struct {
		const char *key;
		size_t len;
	} keys[] = { { "Session=", 8 }, { "Point=", 6 }, { "Control=", 8 },
		{ "PLBA=", 5 } };
	enum { ENTRIES = 256 };
	struct ccd_entry list[ENTRIES] = { { 0, 0, 0, 0 } };
	const char *at = text, *end = text + len;
	size_t count = 0, i;
	int inside = 0;
	char line[LINE];

	memset(t, 0, sizeof *t);
	*why = NULL;
	while (next_line(&at, end, line)) {
		if (*line == '[') {
			inside = !strncasecmp(line, "[Entry ", 7) &&
			    count < ENTRIES;
			count += (size_t)inside;
			continue;
		}
		for (i = 0; inside && i < sizeof keys / sizeof keys[0]; i++) {
			long n;

			if (strncasecmp(line, keys[i].key, keys[i].len))
				continue;
			n = strtol(line + keys[i].len, NULL, 0);
			if (i == 0)
				list[count - 1].session = (unsigned long)n;
			else if (i == 1)
				list[count - 1].point = (unsigned long)n;
			else if (i == 2)
				list[count - 1].control = (unsigned long)n;
			else
				list[count - 1].plba = n;
		}
	}
	*why = ccd_tracks(t, list, count);
	return *why ? -1 : 0;
}

/* ---- Nero ---- */

static int
nrg_mode(struct track *track, unsigned int mode)
{
	static const struct {
		unsigned int mode, sector, skip;
		int audio, raw;
	} modes[] = {
		{ 0, DATA, 0, 0, 0 }, { 2, DATA, 0, 0, 0 },
		{ 3, 2336, 8, 0, 0 }, { 5, RAW, 16, 0, 1 },
		{ 6, RAW, 24, 0, 1 }, { 7, RAW, 0, 1, 0 },
		{ 15, RAW + SUBCHANNEL, 16, 0, 1 },
		{ 16, RAW + SUBCHANNEL, 0, 1, 0 },
		{ 17, RAW + SUBCHANNEL, 24, 0, 1 },
	};
	size_t i;

	for (i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (modes[i].mode == mode) {
			track->sector = modes[i].sector;
			track->skip = modes[i].skip;
			track->audio = modes[i].audio;
			track->raw = modes[i].raw;
			return 0;
		}
	return -1;
}

/* Disc at once: a head, then a record for each track; n: bytes of a number. */
static const char *
nrg_dao(struct tracks *t, const unsigned char *b, size_t len, size_t n)
{
	enum { HEAD = 22, FIRST = 20, MODE = 14, NUMBERS = 18 };
	size_t size = NUMBERS + 3 * n;
	unsigned int number;

	if (len < HEAD)
		return "its list of tracks is cut";
	number = b[FIRST];
	for (b += HEAD, len -= HEAD; len >= size; b += size, len -= size) {
		struct track *track = add(t, number++);

		if (!track)
			return "its tracks are not in order";
		if (nrg_mode(track, b[MODE]) < 0)
			return "it has a track of an unknown mode";
		track->gap = be_number(b + NUMBERS, n);
		track->at = be_number(b + NUMBERS + n, n);
		track->end = be_number(b + NUMBERS + 2 * n, n);
	}
	return NULL;
}

/* Track at once: only where a track is, and how long. */
static const char *
nrg_tao(struct tracks *t, const unsigned char *b, size_t len, size_t n)
{
	size_t size = n == 4 ? 20 : 32;

	for (; len >= size; b += size, len -= size) {
		struct track *track = add(t, t->count ?
		    t->track[t->count - 1].number + 1 : 1);
		uint64_t at = be_number(b, n), bytes = be_number(b + n, n);

		if (!track)
			return "its tracks are not in order";
		if (nrg_mode(track, be32(b + 2 * n)) < 0)
			return "it has a track of an unknown mode";
		if (bytes > UINT64_MAX - at)
			return "it has a track without an end";
		track->gap = track->at = at;
		track->end = at + bytes;
	}
	return NULL;
}

int
tracks_of_nrg(struct tracks *t, const unsigned char *list, size_t len,
    const char **why)
{
	enum { HEAD = 8 };
	int ended = 0;

	memset(t, 0, sizeof *t);
	t->files = 1;
	*why = NULL;
	while (!*why && !ended && len >= HEAD) {
		const unsigned char *b = list + HEAD;
		size_t size = be32(list + 4);

		if (size > len - HEAD)
			break;
		if (!memcmp(list, "DAOX", 4))
			*why = nrg_dao(t, b, size, 8);
		else if (!memcmp(list, "DAOI", 4))
			*why = nrg_dao(t, b, size, 4);
		else if (!memcmp(list, "ETN2", 4))
			*why = nrg_tao(t, b, size, 8);
		else if (!memcmp(list, "ETNF", 4))
			*why = nrg_tao(t, b, size, 4);
		ended = !memcmp(list, "END!", 4);
		list += HEAD + size;
		len -= HEAD + size;
	}
	if (!*why && !ended)
		*why = "its list of tracks is cut";
	if (!*why && t->count == 0)
		*why = "it has no tracks";
	return *why ? -1 : 0;
}

/* ---- all ---- */

static int
fits(const struct track *t, uint64_t size)
{
	return t->gap <= t->at && t->at < t->end && t->end <= size &&
	    (t->end - t->at) / t->sector <= SECTORS_MOST &&
	    (t->at - t->gap) / t->sector <= GAP_MOST;
}

int
tracks_end(struct tracks *t, const uint64_t *sizes, const char **why)
{
	size_t i;

	*why = NULL;
	for (i = 0; i < t->count && !*why; i++) {
		struct track *track = &t->track[i];
		const struct track *next = i + 1 < t->count ? track + 1 :
		    NULL;

		if (!track->end)
			track->end = next && next->file == track->file ?
			    next->gap : sizes[track->file];
		if (!fits(track, sizes[track->file]))
			*why = track->end > sizes[track->file] ||
			    track->at >= sizes[track->file] ? "it is cut: a "
			    "track lies behind the end of its file" :
			    "its tracks overlap";
		else if (i > 0 && track[-1].file == track->file &&
		    track->gap < track[-1].end)
			*why = "its tracks overlap";
		else if ((track->end - track->at) % track->sector)
			*why = "a track does not end with a whole sector";
		track->sectors = (track->end - track->at) / track->sector;
		track->gap_sectors = (track->at - track->gap) / track->sector;
	}
	return *why ? -1 : 0;
}
