/*
 * One phase of an image: ddrescue started, watched through its map, and
 * judged by the map, by its status and by whether the device is still there.
 * Its status alone is never believed: it is 0 after the drive has vanished.
 */
#ifndef NTT_IMAGER_RUN_H
#define NTT_IMAGER_RUN_H

#include "phase.h"

enum imager_end {
	IMAGER_ENDED,		/* it did what it could */
	IMAGER_STALLED,		/* no new byte for too long; stopped */
	IMAGER_TIME,		/* the time of the whole run is over */
	IMAGER_INTERRUPTED,	/* by a signal; the map is saved */
	IMAGER_FULL,		/* no room for the image or its map */
	IMAGER_GONE,		/* the device */
	IMAGER_SILENT,		/* the device does not answer */
	IMAGER_FAILED
};

struct imager {
	struct imager_setup setup;
	int lock;		/* held by ddrescue too, should it survive us */
	int image_fd;
	/* seconds; 0: none */
	double stall, chunk, pause;
	double deadline;	/* of the clock of imager_now() */
	int silence_ms;		/* how long a device may take to answer */
	/* called about once a second */
	void (*tick)(int phase, const struct map_sum *sum);

	struct map_sum sum;	/* what the map says now */
	char *reason;		/* of what is no IMAGER_ENDED; NULL if none */
	int status;		/* ddrescue's exit status, as child_wait() */
	int orphan;		/* it hangs in the kernel and has the lock */
};

double imager_now(void);	/* seconds of a clock that only goes on */

/*
 * Runs the phase on what the map has.  What a device that is gone seemed to be
 * unable to read is taken out of the map again: it was not the sectors' fault.
 */
enum imager_end imager_run(struct imager *im, int phase);

/* The phase that ddrescue's log calls begun and not ended; 0: none. */
int imager_logged_phase(const char *log);

/*
 * Does the image hold bytes other than zero where the map has nothing?  Then
 * zeros that are read there must be written, and --sparse will not do.  1, 0,
 * or -1 with errno.
 */
int imager_unread_data(int image, const struct mapfile *m);

#endif
