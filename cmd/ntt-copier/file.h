/*
 * One file into the store: read once, hashed while it is read, written only
 * when the store does not have it.
 */
#ifndef NTT_COPY_FILE_H
#define NTT_COPY_FILE_H

#include <sys/stat.h>

#include "store/store.h"
#include "digests.h"

struct copy_reader {
	struct store *store;
	char *buf;		/* COPY_BUFFER bytes, at the begin of a page */
	/*
	 * Is this content in the store, or about to be?  Asked with arg before
	 * anything is written for small files.
	 */
	int (*pending)(void *arg, const char *id);
	void *arg;
	/*
	 * The store has a file with the name of this content, or the
	 * catalogue says that it had one: doubt_ask(), and doubt_marked().
	 * NULL: it is believed.
	 */
	int (*doubt)(void *arg, const char *id, uint64_t size,
		const void *bytes);
	int (*marked)(void *arg, const char *id);
	/* shown the beginning of the content; may be NULL */
	void (*look)(void *arg, const char *head, size_t len);
	/* asked between buffers of a large file: nonzero stops it (EINTR) */
	int (*stop)(void);
	struct digests *digests;	/* to be computed, too */
	uint64_t waited_ns;	/* for the source, so far */
	/*
	 * What cannot be read becomes zeros, as in an image; zeroed: how many
	 * bytes of the file read last.
	 */
	int salvage;
	uint64_t zeroed;
	/* A file that changes while it is read is taken as it was read. */
	int settle;
	/* private */
	uint64_t size;		/* of the file being read */
};

enum { COPY_BUFFER = 1 << 20 };

enum copy_outcome {
	COPY_NEW,		/* temp holds the bytes, not published */
	COPY_KNOWN,		/* the store has it; temp is empty */
	COPY_SOURCE_FAILED,	/* errno of reading */
	COPY_SHORT,		/* the file ended before its size */
	COPY_CHANGED,		/* two reads differed, or it changed meanwhile */
	COPY_STORE_FAILED,	/* errno of the destination */
	COPY_STOPPED
};

struct copied {
	char id[STORE_ID + 1];
	uint64_t size;		/* bytes read */
	struct store_temp temp;	/* the caller's to publish or discard */
	int heals;		/* with COPY_NEW: the store's file is wrong */
	int unstable;		/* it changed meanwhile, and was to be settled */
	int taken_over;		/* nothing was read */
	int err;		/* errno, for the failures */
	struct queue_digests *digests;	/* of copy_file(), NEW or KNOWN; or NULL */
};

/*
 * fd: open for reading, at its beginning; st: its fstat(2).  likely_known: a
 * blob of this size exists, so a large file is hashed before it is written.
 */
enum copy_outcome copy_file(struct copy_reader *r, int fd,
	const struct stat *st, int likely_known, struct copied *out);

/*
 * A file that is known to have this content, without reading it: 1 and out, or
 * 0 if the store has no blob in good order.
 */
int copy_take_over(struct copy_reader *r, const char *id, uint64_t size,
	struct copied *out);

/* The same for bytes in memory (the target of a symbolic link). */
enum copy_outcome copy_bytes(struct copy_reader *r, const void *bytes,
	size_t len, struct copied *out);

/* Reads an unpublished blob back from the disk: 1 same, 0 differs, -1. */
int copy_read_back(struct copy_reader *r, const struct copied *c);

#endif
