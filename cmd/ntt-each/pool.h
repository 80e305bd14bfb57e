/*
 * Programs that run side by side, each with a time limit and a bounded output.
 *
 *	pool_open(&p, 4);
 *	while (there are contents or p.running) {
 *		if (p.running < p.slots && there is one)
 *			pool_start(&p, argv, job);
 *		pool_step(&p, 1000, done);
 *	}
 *	pool_close(&p);
 *
 * When a program ends or its time is up, everything that it started ends too.
 */
#ifndef NTT_EACH_POOL_H
#define NTT_EACH_POOL_H

#include <stdint.h>

#include "base/buf.h"
#include "confine.h"

enum { POOL_ERRORS = 4096 };	/* bytes of stderr that are kept */

struct pool_answer {
	int exit;		/* 128 + n: ended by signal n */
	int signal;		/* 0: ended by itself */
	int timed_out;
	double seconds;
	struct buf out, err;	/* at most so many bytes */
	uint64_t out_bytes;	/* that it wrote */
};

struct pool_slot;

struct pool {
	struct confine *confine;
	double timeout;
	uint64_t max_output;
	unsigned int slots, running;
	/* private */
	struct pool_slot *slot;
	unsigned int serial;
};

void pool_open(struct pool *p);
/* 0, or -1 with errno: it could not be started.  There is a free slot. */
int pool_start(struct pool *p, char *const argv[], void *job);
/*
 * Waits until something happens, so long at most; done() gets what has ended.
 * The answer is valid until it returns.
 */
void pool_step(struct pool *p, int timeout_ms,
	void (*done)(void *job, const struct pool_answer *a));
/* Ends what still runs. */
void pool_close(struct pool *p);

#endif
