/*
 * Reads an image in a process that can do nothing else.  Question and answer
 * go through memory that both share, so that no pipe is needed; a process that
 * crashes or hangs is a failure of the volume, and the next question starts
 * another.
 */
#ifndef NTT_STREAMS_READER_H
#define NTT_STREAMS_READER_H

#include <sys/types.h>

#include "format.h"

enum { READER_FOUND = 256, READER_LOST = 64, READER_BYTES = 1 << 20 };

struct reader_found {
	uint64_t at, ino, size;
	char name[STREAM_NAME];
	char why[96];		/* "": it can be read */
};

struct reader_lost {
	uint64_t from, to;	/* bytes of the stream */
};

/* What is known after an answer. */
struct reader_answer {
	int32_t ok, more;	/* 1 or 0 */
	char why[96];
	uint32_t count, lost_count;
	uint64_t blind;		/* places that could not be looked at */
	/* the last may be several in one */
	struct reader_lost lost[READER_LOST];
	struct reader_found found[READER_FOUND];
	unsigned char bytes[READER_BYTES];
};

struct reader {
	const struct view *view;
	const struct volume *volume;
	int image;
	pid_t pid;		/* 0: none */
	size_t len;		/* that were asked for */
	struct reader_shared *shared;
	struct reader_answer *answer;	/* nobody else's */
};

/* 1: a reader knows the file system of this volume. */
int reader_knows(const struct volume *v);

/* view, image and v stay as they are until reader_end().  0, or -1. */
int reader_begin(struct reader *r, const struct view *view, int image,
	const struct volume *v);
void reader_end(struct reader *r);

/*
 * r->answer says the rest.  0, or -1: answer->why is there, and, of a process
 * that was lost, r->pid is 0.
 *
 * The next streams of the volume, none when it took long; more: call it again.
 */
int reader_list(struct reader *r);
/* The stream that was found as f; lost_count starts anew. */
int reader_select(struct reader *r, uint64_t at, const char *name);
/* Bytes of it, at most READER_BYTES. */
int reader_read(struct reader *r, uint64_t pos, size_t len);

#endif
