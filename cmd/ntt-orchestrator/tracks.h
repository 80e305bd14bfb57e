/*
 * The tracks of a CD, by what describes them: a cue sheet, the CCD file of
 * CloneCD, or the end of a Nero image.  Only the description is read, which may
 * be hostile; where the bytes of a track are is checked by nobody before
 * tracks_end().
 */
#ifndef NTT_RUN_TRACKS_H
#define NTT_RUN_TRACKS_H

#include <stddef.h>
#include <stdint.h>

enum { TRACKS = 99, TRACK_FILES = 99, TRACK_NAME = 256 };

/* Bytes from at to end, in sectors; data of 2048 begins at skip in each. */
struct track {
	unsigned int number;
	unsigned int file;
	unsigned int sector;	/* 2048, 2336, 2352 or more */
	unsigned int skip;
	int audio;
	int raw;		/* 2352: each sector's header tells skip */
	int swapped;		/* samples with the high byte first */
	uint64_t gap, at, end;	/* gap <= at: what precedes index 1 */
	uint64_t sectors, gap_sectors;
};

struct tracks {
	size_t files, count;
	char file[TRACK_FILES][TRACK_NAME];	/* without directories */
	struct track track[TRACKS];
};

/*
 * 0, or -1 with *why: one clause.  The image of a CCD file is the only file,
 * and has no name.
 */
int tracks_of_cue(struct tracks *t, const char *text, size_t len,
	const char **why);
int tracks_of_ccd(struct tracks *t, const char *text, size_t len,
	const char **why);
/* The list behind the tracks of a Nero image, from its first piece on. */
int tracks_of_nrg(struct tracks *t, const unsigned char *list, size_t len,
	const char **why);

/*
 * Sets where the tracks end that only the file's size tells, and checks all of
 * them against the sizes.
 */
int tracks_end(struct tracks *t, const uint64_t *sizes, const char **why);

#endif
