/*
 * The host's end of a guest's line (wire.h): requests go out, answers
 * come in, and nobody waits in here.
 *
 *	line_init(&l, fd, 60000);
 *	line_ask(&l, &request, path, strlen(path), answered, arg);
 *	for (;;) {
 *		poll() for line_events(&l), line_left(&l, now) milliseconds
 *		line_step(&l, revents, now);
 *	}
 *
 * Each request but CLOSE is answered once: by the guest, by ETIMEDOUT when the
 * guest said nothing for the whole limit, or by ENOTCONN when the line ended
 * or carried what no guest says.  While the guest is silent beyond the limit
 * every new request is refused with ETIMEDOUT at once, so that no number of
 * them adds up to a hang; when it is heard again, so is the next request.
 */
#ifndef NTT_SANDBOX_LINE_H
#define NTT_SANDBOX_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire.h"

/* bytes: of the answer, valid during the call; end: GUEST_END was set. */
typedef void line_answered(void *arg, int err, const char *bytes, size_t len,
	int end);

struct line_pending {
	uint32_t id;
	line_answered *answered;	/* NULL: nobody waits any more */
	void *arg;
	struct line_pending *next;
};

struct line {
	int fd;
	int limit_ms;
	long heard;		/* when the guest last said something, or had
				 * nothing to say: monotonic_ms() */
	int silent, dead;
	uint32_t last_id;
	struct line_pending *first, **last;	/* in the order of asking */
	struct buf out;
	size_t sent;		/* of out */
	struct buf in;
	size_t taken;		/* of in */
};

void line_init(struct line *l, int fd, int limit_ms);
void line_free(struct line *l);
/* id and len of the request are set here; answered may be called at once. */
void line_ask(struct line *l, const struct guest_request *r,
	const void *bytes, size_t len, line_answered *answered, void *arg);
/* The events of poll(2) to wait for. */
short line_events(const struct line *l);
/* How long nothing needs to be done, in milliseconds; -1: for ever. */
int line_left(const struct line *l, long now);
void line_step(struct line *l, short revents, long now);
/* Bytes as if they had come from the guest, and the end of the line. */
void line_hear(struct line *l, const char *bytes, size_t len);
void line_end(struct line *l);

#endif
