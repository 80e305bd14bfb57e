/*
 * Reading a blob, checked while it is read: the last block is given only if the
 * BLAKE3 of the whole blob is right, so a caller never gets all of a wrong
 * content.
 */
#ifndef NTT_BLOB_READ_H
#define NTT_BLOB_READ_H

#include <stddef.h>

#include "store/store.h"

enum { BLOB_BLOCK = 1 << 20 };

enum blob_outcome {
	BLOB_GOOD,
	BLOB_BAD,		/* other bytes than its name says */
	BLOB_MISSING,
	BLOB_UNREADABLE,	/* errno */
	BLOB_STOPPED,		/* stop() said so */
	BLOB_NOT_TAKEN		/* put() failed: errno */
};

struct blob_sink {
	char *buf;		/* BLOB_BLOCK bytes */
	/* 0, or -1 with errno */
	int (*put)(void *arg, const void *bytes, size_t len);
	void *arg;
	int (*stop)(void);	/* or NULL */
};

enum blob_outcome blob_read(const struct store *s, const char *id,
	const struct blob_sink *sink);

/* Is the content of fd, from its beginning, that of the blob? */
enum blob_outcome blob_compare(int fd, const char *id,
	const struct blob_sink *sink);

/*
 * The state to record in the catalogue: "bad", "missing", "unreadable"; NULL:
 * the blob is not at fault.  err is errno of BLOB_UNREADABLE.
 */
const char *blob_state_name(enum blob_outcome outcome, int err);
/* What a message says of it: "the blob … is missing"; static. */
const char *blob_why(enum blob_outcome outcome);

#endif
