/*
 * How fast it went in the last five minutes.  Samples are what was done
 * between two moments; before this process looked, there are those of the
 * minutes that the catalogue remembers.
 */
#ifndef NTT_DASH_RATE_H
#define NTT_DASH_RATE_H

#include <stddef.h>
#include <stdint.h>

enum { RATE_SPAN = 300, RATE_SAMPLES = 512 };

struct rate_sample {
	double from, to;	/* seconds since the epoch */
	double files, bytes;	/* done between them */
};

struct dash_rate {
	struct rate_sample samples[RATE_SAMPLES];	/* oldest first */
	size_t count;
	double at, files, bytes;	/* the last reading of the totals */
	int read;
};

/* Per second. */
struct rate_sum {
	double files_now, bytes_now;	/* the last sample */
	double files, low, average, high;	/* of five minutes; bytes */
	/* since work began, where that is less ago: what to reckon with */
	double files_at_work, bytes_at_work;
};

/* What was done from one moment to another, later than all before. */
void rate_add(struct dash_rate *r, double from, double to, double files,
	double bytes);
/* The totals at a moment: what they grew by is a sample. */
void rate_read(struct dash_rate *r, double at, double files, double bytes);
void rate_sum(const struct dash_rate *r, double now, struct rate_sum *sum);
/* Bytes per second in n equal parts of the five minutes that end now. */
void rate_graph(const struct dash_rate *r, double now, double *parts,
	size_t n);

#endif
