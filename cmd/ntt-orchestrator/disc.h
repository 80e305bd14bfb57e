/*
 * The image of a CD (image/disc_image.h), made of its tracks.
 *
 *	tracks_of_cue(&d.tracks, …); d.fds = …; tracks_end(…)
 *	disc_plan(&d, &why)		d.size is how long the image will be
 *	disc_write(&d, &out)
 *
 * A track of music has what follows its index 1, up to index 1 of the next
 * track of music.  Music before its index 1 that nothing precedes has a file of
 * its own, if it is more than silence.  So has a track of sectors that hold no
 * 2,048 bytes, as those of a Video CD.
 */
#ifndef NTT_RUN_DISC_H
#define NTT_RUN_DISC_H

#include "image/disc_image.h"
#include "tracks.h"

struct disc {
	struct tracks tracks;
	const int *fds;		/* of the files of the tracks */
	uint64_t size, bytes;	/* of the image, and of what is no hole */
	int plain;		/* one data track, and nothing else */
	struct disc_image image;
	/* private */
	unsigned char stream[TRACKS], gap_file[TRACKS];
};

struct disc_out {
	void (*put)(void *arg, const char *bytes, size_t len, uint64_t at);
	/* of a data track, a sector without 2,048 bytes of data */
	void (*other)(void *arg, uint64_t at, uint64_t sector);
	void *arg;
};

/* 0, or -1 with *why: a clause. */
int disc_plan(struct disc *d, const char **why);
/* 0, or -1 with errno: not all could be read. */
int disc_write(const struct disc *d, const struct disc_out *out);

#endif
