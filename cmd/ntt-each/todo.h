/*
 * Which contents: chosen once, in a temporary table of the server, so that
 * memory stays flat; then, for each thing that is to be done, those for which
 * it is not done yet, in the order of their ids.
 */
#ifndef NTT_EACH_TODO_H
#define NTT_EACH_TODO_H

#include <libpq-fe.h>
#include <stdint.h>

#include "catalogue/pgarray.h"
#include "store/store.h"

/* Whose answers: the key of content_fact beside the content. */
struct tool {
	const char *name, *version;
};

struct content {
	char id[STORE_ID + 1];
	uint64_t size;
	char *mime;		/* NULL: not known; the todo's */
	int has_row;
	int trusted;		/* it was seen to be right lately */
};

struct todo {
	PGconn *db;
	uint64_t chosen;	/* contents in all */
	uint64_t contents, bytes;	/* of them, to be done */
	uint64_t failed;	/* of the others, failed before */
	/* private */
	struct pgarray ids;
	PGresult *page;
	int row;
	char last[STORE_ID + 1];
};

/* These end the program when the catalogue is away. */
void todo_open(struct todo *t, PGconn *db);
void todo_choose(struct todo *t, const char *id);
/* what: "mime" or "text", whose answers have rows of their own, or "". */
void todo_plan(struct todo *t, const char *what, const struct tool *tool,
	int failed, int again);
/* 1 and *c, valid until the next call; 0: that was all. */
int todo_next(struct todo *t, struct content *c);
void todo_close(struct todo *t);

#endif
