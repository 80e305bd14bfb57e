/*
 * Processes without any rights that ask libmagic: they get the first bytes of
 * contents through a socket, and answer with a MIME type and an encoding.  One
 * that hangs or crashes is replaced.
 */
#ifndef NTT_EACH_MAGIC_POOL_H
#define NTT_EACH_MAGIC_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/mime.h"

struct magic_slot;

struct magic_pool {
	unsigned int slots, running;
	/* private */
	magic_t magic;
	struct magic_slot *slot;
};

struct magic_answer {
	const char *type;	/* "image/jpeg"; NULL: there is none */
	const char *charset;	/* "binary", "utf-8", "utf-16le" … */
	int signal;		/* the process was ended by it */
	int timed_out;
};

/* Ends the program if libmagic has no database. */
void magic_pool_open(struct magic_pool *p);
/* head: len bytes, MIME_HEAD at most.  0, or -1 with errno. */
int magic_pool_start(struct magic_pool *p, const void *head, size_t len,
	void *job);
void magic_pool_step(struct magic_pool *p, int timeout_ms,
	void (*done)(void *job, const struct magic_answer *a));
void magic_pool_close(struct magic_pool *p);

#endif
