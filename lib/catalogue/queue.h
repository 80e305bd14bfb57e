/*
 * The work of a medium, shared by any number of copiers on any number of
 * hosts.
 *
 * The queue is work_range: runs of about a thousand consecutive inodes,
 * balanced by bytes.  A claim takes one row with SKIP LOCKED.  A worker is
 * alive as long as its session holds its advisory lock, so the ranges of a dead
 * worker are free as soon as the server sees its connection close.
 *
 * Every function returns -1 with db_error() when the catalogue failed.
 */
#ifndef NTT_QUEUE_H
#define NTT_QUEUE_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"
#include "catalogue/pgarray.h"
#include "hash/blake3.h"

struct queue {
	PGconn *db;
	char *medium;
	char *name;		/* of the worker: "host:pid" or --worker-id */
	int worker;		/* worker.id */
	int cursor;		/* number of the range to look for next */
};

struct queue_range {
	int number;
	int64_t dev, first_ino, last_ino;
	int directories;	/* were made by an earlier pass */
};

/* An inode to do, with its paths. */
struct queue_inode {
	int64_t dev, ino, size, mtime;
	int attempts;
	char fs_type;
	int pending;		/* 0: a directory, only to be made */
	/* "": unknown; else the blob it has if its ctime still is this */
	char same_as[2 * BLAKE3_OUT_LEN + 1];
	int64_t ctime;
	int32_t ctime_ns;
	int path_count;
	struct queue_path {
		char *bytes;	/* NUL-terminated */
		size_t len;
	} *paths;		/* those that are not excluded */
};

/* What became of an inode. */
enum queue_status {
	QUEUE_SUCCESS,
	QUEUE_RETRY,		/* stays pending, not before delay_ms */
	QUEUE_FAILED_RETRYABLE,
	QUEUE_FAILED_PERMANENT,
	QUEUE_EXCLUDED,		/* every path is excluded */
	QUEUE_NON_FILE		/* an unknown type turned out to be none */
};

/* What else is known of a file; -1 and NULL: nothing unusual, or nothing. */
struct queue_meta {
	int64_t flags, dos_attributes;
	char *holes;		/* a multirange */
	struct queue_xattr {
		char *name, *value;
		size_t len;
	} *xattrs;
	size_t xattr_count;
	char *unread;		/* which of them could not be read, and why */
	int unread_err;
	char *path;		/* of the file, where there are such */
	size_t path_len;
};

/* Of the contents, besides the blob's id. */
enum { QUEUE_DIGESTS_MAX = 3 };
struct queue_digests {
	size_t count;
	const char *names[QUEUE_DIGESTS_MAX];	/* "sha256" */
	unsigned int sizes[QUEUE_DIGESTS_MAX];
	unsigned char bytes[QUEUE_DIGESTS_MAX][32];
};

struct queue_result {
	int64_t dev, ino;
	enum queue_status status;
	char fs_type;		/* '\0': as it was */
	const char *blobid;	/* NULL without one */
	uint64_t blob_size;
	int links;		/* names made in the archived tree */
	int is_new;		/* the blob was not in the store */
	int is_link;		/* the blob is a target: it counts as no file */
	int taken_over;		/* the file was not read */
	const char *mime_type;
	const char *error_type;	/* NULL: no error */
	const char *error;	/* kept in errors[] */
	int delay_ms;		/* QUEUE_RETRY */
	const char *damage;	/* damage_of(): NULL, "", or lost ranges */
	int has_meta;		/* meta is all there is to know of the file */
	struct queue_meta *meta;
	struct queue_digests *digests;		/* NULL: none */
	/*
	 * The blob is not the inode's contents but the stream's of this name;
	 * only blobid, blob_size, is_new matter then.  NULL: it is.
	 */
	const char *stream;
};

/*
 * Is it one of the contents that programs count: new, of a regular file, and
 * not the empty one?  See "Counting contents" in ntt(7).
 */
static inline int
queue_result_is_new_content(const struct queue_result *r)
{
	return r->is_new && r->blob_size > 0 && !r->is_link && !r->stream;
}

/* Registers a worker and makes the plan if there is none yet. */
int queue_open(struct queue *q, PGconn *db, const char *medium,
	const char *worker_name);
void queue_close(struct queue *q);	/* gives everything back */

/*
 * The next range: 1; 0 when there is nothing to do now, with *wait_ms until
 * the next attempt is due, or -1 if nothing will be.
 */
int queue_claim(struct queue *q, struct queue_range *range, int *wait_ms);

/* Its inodes, in order; *inodes is the caller's, freed below. */
int queue_fetch(struct queue *q, const struct queue_range *range,
	struct queue_inode **inodes, size_t *count);
void queue_inodes_free(struct queue_inode *inodes, size_t count);

/*
 * Of these sizes, those a blob of the store has (only of 1 MiB and more).
 * *known: sorted, the caller's.
 */
int queue_known_sizes(struct queue *q, struct pgarray *sizes, int64_t **known,
	size_t *count);

enum {
	QUEUE_FORGET,		/* dev, ino */
	QUEUE_META,		/* and flags, DOS attributes, holes */
	QUEUE_XATTRS,		/* and name, value */
	QUEUE_STREAMS,		/* and name, size, blobid */
	QUEUE_UNREAD,		/* and path, errno, detail */
	QUEUE_DIGESTS,		/* and blobid, algorithm, digest */
	QUEUE_ROWS,
	QUEUE_ROWS_COLUMNS = 5
};

/* A batch of results on its way into the catalogue. */
struct queue_batch {
	struct pgarray dev, ino, status, fs_type, blobid, blob_size, links;
	struct pgarray mime, error_type, error, delay, damage;
	/* rows of other tables, each in one statement */
	struct queue_rows {
		struct pgarray columns[QUEUE_ROWS_COLUMNS];
		size_t count;
	} rows[QUEUE_ROWS];
	/*
	 * Set by the caller: what was known of files before may have to go,
	 * also where there is nothing now.
	 */
	int forget;
	size_t count, damaged, unusual;
	size_t blobs, known;	/* results with a blob; not new ones */
	int64_t files, bytes, new_blobs, new_bytes, duplicates, errors;
};

void queue_batch_init(struct queue_batch *b);
void queue_batch_free(struct queue_batch *b);
void queue_batch_add(struct queue_batch *b, const struct queue_result *r);

/*
 * Commits the results, and the ends of ranges, in one transaction and one round
 * trip.  begin hands them over.  The server works while the caller does
 * something else and calls push now and then.  end waits for the answer and
 * empties the batch.  Call all three with the same arguments, and ask the
 * database nothing else between begin and end.  A crash of the server may lose
 * the commit until queue_finish_medium().
 */
int queue_commit_begin(struct queue *q, struct queue_batch *b,
	const struct queue_range *finished, size_t finished_count);
void queue_commit_push(struct queue *q);
int queue_commit_end(struct queue *q, struct queue_batch *b,
	const struct queue_range *finished, size_t finished_count);
/* Gives a claimed range back, undone. */
int queue_release(struct queue *q, const struct queue_range *range);

/*
 * When nothing is left pending: sets medium.copy_done in the transaction that
 * verified it.  1 done, 0 work remains; either way everything committed so far
 * is durable.
 */
int queue_finish_medium(struct queue *q);

/* The plan for what is pending, if there is none yet. */
int queue_plan(PGconn *db, const char *medium);
/*
 * Adds inodes to the plan, if there is one, inside the transaction that made
 * them pending.
 */
int queue_reopen(PGconn *db, const char *medium);
/* Until the transaction ends, no process makes a plan and no copier begins. */
int queue_plan_lock(PGconn *db, const char *medium);
/* Copiers at work on the medium, on any host; NULL: on any medium; -1. */
int queue_workers(PGconn *db, const char *medium);

#endif
