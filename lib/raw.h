/*
 * The .raw stream, ntt-raw(5): the only module that knows its bytes.
 *
 *	type 034 dev 034 ino 034 nlink 034 size 034 mtime 034 path 000
 *
 * A reader splits at the first six separators; the rest up to the NUL is the
 * path, whatever it holds.  A record without its NUL is a truncated stream,
 * and so is a stream without a record: every enumeration has its root.
 *
 * A writer holds back the last NUL it was given until raw_finish(), and what it
 * writes to a pipe before that goes in atomic parts that do not end with one: a
 * producer that dies leaves a stream that every reader recognises as truncated,
 * wherever it was cut.
 */
#ifndef NTT_RAW_H
#define NTT_RAW_H

#include <stddef.h>
#include <stdint.h>

#include "blake3.h"

enum {
	/* A longer path is damage: it bounds the memory of every reader. */
	RAW_PATH_MAX = 1 << 20,
	/* What raw_encode() writes in front of the path, at most. */
	RAW_HEAD_MAX = 107
};

struct raw_record {
	char type;		/* f d l b c p s U ?; '?' in legacy files */
	unsigned int mode;	/* legacy files: the octal mode; else 0 */
	uint64_t dev, ino, nlink, size;
	int64_t mtime;		/* seconds since the epoch */
	const char *path;	/* NUL-terminated; never empty */
	size_t path_len;
	uint64_t path_at;	/* read: where in the stream the path begins */
};

struct raw_reader {
	int fd;
	uint64_t offset;	/* of the record last returned, or of the error */
	uint64_t records;	/* returned so far */
	int legacy;		/* -1 not known yet, 0 letters, 1 octal modes */
	const char *error;	/* why raw_next() returned -1; static text */
	/* private */
	char *buf;
	size_t start, end, size;
	uint64_t base;
	int eof, damaged;
};

void raw_reader_init(struct raw_reader *r, int fd);
void raw_reader_free(struct raw_reader *r);	/* does not close fd */

/*
 * 1 and a record, valid until the next call; 0 at the end; -1 with r->error
 * and r->offset when the stream is damaged (errno 0) or cannot be read
 * (errno set).  After damage every further call says the same until
 * raw_resync(); after a failed read (EINTR too) a call tries again.
 */
int raw_next(struct raw_reader *r, struct raw_record *rec);
/*
 * One record from memory: len bytes, the last of them the first NUL.  0, or
 * -1: it is none, or one of a legacy file.
 */
int raw_decode(struct raw_record *rec, const char *bytes, size_t len);
/*
 * Leaves the damaged record behind, up to and including its NUL: 1, or 0 if
 * the stream ends first.
 */
int raw_resync(struct raw_reader *r);

/*
 * Where the last n records of a file begin, found from its end.  0, or -1
 * with errno.  Bytes behind the last NUL count as a record, a truncated one.
 */
int raw_tail(int fd, uint64_t n, uint64_t *offset);

/*
 * One record as bytes; out has room for RAW_HEAD_MAX + path_len + 1.  The
 * type is a letter.  Returns their number.
 */
size_t raw_encode(char *out, const struct raw_record *rec);

struct raw_writer {
	int fd, tee;		/* tee: a second copy of every byte; -1 none */
	uint64_t records, bytes;
	blake3_hasher hash;	/* of all bytes, complete after raw_finish_fd() */
	int failed;		/* the descriptor that -1 was about */
	/*
	 * Asked when only a part could be written, which is how a signal
	 * shows: true ends raw_put() with EINTR.  May be NULL.
	 */
	int (*stop)(void);
	/* private */
	char *buf;
	size_t len, hashed;
	int fd_done;
};

void raw_writer_init(struct raw_writer *w, int fd, int tee);
/*
 * 0, or -1 with errno: EPIPE when the reader of a pipe has gone (SIGPIPE is
 * the caller's to ignore), EINTR when a signal came while a pipe was full.
 * The stream is lost then.
 */
int raw_put(struct raw_writer *w, const struct raw_record *rec);
/* Whole records, encoded already. */
int raw_put_encoded(struct raw_writer *w, const char *bytes, size_t len,
	uint64_t records);
/* Everything so far goes out, but for the last NUL. */
int raw_flush(struct raw_writer *w);
/* The last NUL too: the stream is complete. */
int raw_finish(struct raw_writer *w);
/*
 * The last NUL on fd only, so that fd can be made durable before raw_finish()
 * lets the reader of tee believe in the stream.
 */
int raw_finish_fd(struct raw_writer *w);
void raw_writer_free(struct raw_writer *w);

/*
 * The path relative to a root: prefix and the slashes after it removed; the
 * root itself gives "".  Slashes at the end of prefix do not matter.  NULL if
 * path is not at or below prefix.
 */
const char *raw_relative(const char *path, size_t len, const char *prefix,
	size_t prefix_len, size_t *relative_len);

#endif
