/*
 * Between the walker in the guest and those who ask it (sandbox_walk.h): part
 * of the keeper, which must never wait for either.
 *
 * One question at a time; the next one waits in the socket's queue.  When who
 * asked goes away, what the walker still has to say is read and dropped.
 */
#ifndef NTT_SANDBOX_RELAY_H
#define NTT_SANDBOX_RELAY_H

#include <poll.h>
#include <stddef.h>

#include "sandbox_walk.h"

struct sandbox;

struct sandbox_relay {
	int line;		/* the walker */
	int listener, client;	/* -1: none */
	int run_dir;
	char *name;		/* of the socket there */
	/* private */
	int walking;		/* until the last frame has come */
	struct sandbox_frame frame;
	size_t frame_have;	/* bytes of its header */
	size_t frame_left;	/* bytes behind it that are to come */
	char *bytes;		/* on their way to the client */
	size_t from, to;
};

/*
 * Listens in run_dir for questions about medium hash; line: ours from now on.
 * everybody: other users may ask.  0, or -1 with errno.
 */
int sandbox_relay_open(struct sandbox_relay *r, const char *run_dir,
	const char *hash, int line, int everybody);
void sandbox_relay_close(struct sandbox_relay *r);

enum { SANDBOX_RELAY_FDS = 3 };
/* What to wait for, and what to do when it has come. */
void sandbox_relay_poll(const struct sandbox_relay *r, struct pollfd *p);
/* 0, or -1: the guest is gone. */
int sandbox_relay_step(struct sandbox_relay *r, const struct sandbox *s,
	const struct pollfd *p);

#endif
