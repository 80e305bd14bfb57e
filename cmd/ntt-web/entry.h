/* One entry of a medium: the one at the path that is asked for. */
#ifndef NTT_WEB_ENTRY_H
#define NTT_WEB_ENTRY_H

#include <stdint.h>

#include "answer.h"
#include "store/store.h"

struct entry {
	char type;
	const char *status;
	const char *blob;		/* NULL: not stored */
	const char *excluded, *error;	/* NULL: none */
	int damaged;
	const char *lost;		/* NULL: not known which */
	int64_t size;
	int64_t mode, uid, gid;		/* -1: not known */
	int64_t mtime, nlink;
	const char *mime, *state, *checked;	/* NULL: not known */
	int64_t blob_size;
	int fresh;			/* checked within NTT_RECHECK days */
};

/* Refuses with 404 if there is none. */
void entry_get(struct entry *e);
/* The medium and the folders above it, for the header of its page. */
void entry_header(const struct shown_medium *m);

/* A paragraph: why it cannot be given, if so; 1: it can. */
int entry_can_be_given(const struct entry *e, struct buf *b);
/* Refuses with 409 if it cannot. */
void entry_need(const struct entry *e);

/* The store; refuses with 503 if its disk is not there. */
void entry_store(struct store *s);

#endif
