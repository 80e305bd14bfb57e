/* What the parts of ntt-each share: options, the store, what was counted. */
#ifndef NTT_EACH_H
#define NTT_EACH_H

#include <stdint.h>

#include "confine.h"
#include "todo.h"

struct each {
	/* options */
	unsigned int parallel;
	double timeout;
	uint64_t max_output;
	int again, failed, print, json;
	struct confine confine;
	/* */
	PGconn *db;		/* of todo, batch and statements */
	struct todo todo;
	struct store store;	/* to read from */
	char *root;		/* of the store, absolute */
	/* what came out, in this run */
	uint64_t done, bytes, wrong;	/* contents, their bytes, failures */
	uint64_t unread;	/* contents that could not be given */
	uint64_t left;		/* other things that end in 3 */
};

/*
 * A descriptor of the blob, which is there and has the right size, or, with
 * checked set and unless it was seen to be right lately, the right bytes; else
 * it is named, counted as unread, and -1.
 */
int each_open(struct each *e, const struct content *c, int checked);
/* The path of its file; caller frees. */
char *each_path(const struct each *e, const struct content *c);

/* A content is done; the line of progress. */
void each_progress(struct each *e, uint64_t size);
/* Ends with 128 + n if a signal came; first() is called before. */
void each_interrupted(void (*first)(void));

/* --mime-types; the media of the contents are given later, one by one. */
void each_mime(struct each *e, const char *const *media, size_t count);
/* --text, after that. */
void each_text(struct each *e);

#endif
