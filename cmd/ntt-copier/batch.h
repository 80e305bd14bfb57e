/*
 * Results of a copier on their way to being true: written, durable, named,
 * durable again, committed.
 *
 * Two batches are under way.  The one being gathered holds blobs without a
 * name, as open descriptors; the one published has names that may not be
 * durable yet.  One sync of the store serves both: it makes the names of the
 * published durable, which are then committed to the catalogue, and the bytes
 * of the gathered, which then get their names.  So no blob ever has its name
 * before its bytes are on the disk, and no row says success before the name is,
 * for one sync a batch.
 */
#ifndef NTT_COPY_BATCH_H
#define NTT_COPY_BATCH_H

#include "catalogue/queue.h"
#include "store/archived.h"
#include "doubt.h"
#include "file.h"

struct copy_totals {
	uint64_t inodes;	/* finished, whatever became of them */
	uint64_t files, bytes, new_blobs, new_bytes, duplicates;
	uint64_t taken_over;	/* of the files: not read */
	uint64_t failed, retries, excluded, non_files, directories, overflows;
	uint64_t shortened;	/* names of the tree */
	uint64_t damaged;	/* over areas that were not rescued */
	uint64_t undetermined;	/* nobody can tell whether they are */
	uint64_t unread;	/* with attributes that could not be read */
};

struct copy_batch {
	struct queue *queue;
	struct store *store;
	struct archived *archived;
	struct doubt *doubt;		/* NULL: duplicates are believed */
	struct copy_reader *reader;	/* --paranoid: reads back; else NULL */
	struct copy_totals totals;	/* of what was committed */
	/* private */
	struct copy_half {
		struct copy_item *items;
		size_t count, size;
		struct queue_range *ranges;
		size_t range_count;
		size_t open_files;
		uint64_t bytes;
		char *since;	/* server's time before its links were made */
		size_t meta_bytes;
	} gathered, published;
	struct queue_batch rows;
	uint32_t *slots;		/* ids gathered: item + 1 */
	size_t slot_count;
	int64_t since;			/* ns, of the last flush */
	int64_t pause;			/* ns, before the next one */
	size_t most_open;
};

/* 0, or -1 with errno. */
int copy_batch_init(struct copy_batch *b, struct queue *q, struct store *s,
	struct archived *a, struct doubt *d, struct copy_reader *paranoid);
void copy_batch_free(struct copy_batch *b);	/* drops what is not committed */

/* Is the blob gathered (and so about to be in the store)? */
int copy_batch_pending(const struct copy_batch *b, const char *id);

/*
 * Takes over a result.  temp: the blob, or fd -1.  paths: names it gets in the
 * archived tree (link: the target of a symbolic link, or NULL), taken over
 * too, and so are r->meta and r->digests.  Strings of r are copied.
 */
void copy_batch_add(struct copy_batch *b, const struct queue_result *r,
	struct store_temp *temp, struct queue_path *paths, int path_count,
	const char *link);
/* The range ends after what was added so far. */
void copy_batch_range(struct copy_batch *b, const struct queue_range *range);

/* Time to flush, with batches of n results, or of a suitable number (0)? */
int copy_batch_full(const struct copy_batch *b, size_t n);

enum copy_flush {
	COPY_FLUSHED,
	COPY_NO_STORE,		/* errno of the store or the archived tree */
	COPY_NO_DATABASE	/* db_error() */
};

/* No room: errno of a full disk, or of a quota. */
int copy_is_full(int err);

/*
 * Publishes what was gathered, commits what was published before.  If the store
 * is full (COPY_NO_STORE), what fitted is published and committed and the rest
 * is dropped.
 */
enum copy_flush copy_batch_flush(struct copy_batch *b);
/* Everything to the end. */
enum copy_flush copy_batch_finish(struct copy_batch *b);

#endif
