/*
 * The .raw stream, ntt-raw(5): the only module that knows its bytes.
 *
 *	type 034 dev 034 ino 034 nlink 034 size 034 mtime 034 path 000
 *
 * and of two kinds of record that find has not, an omission and the metadata of
 * the inode in front of it:
 *
 *	o 034 dev 034 ino 034 kind 034 errno 034 detail 034 path 000
 *	m 034 dev 034 ino 034 key=value 034 key=value … 000
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
#include <sys/types.h>

#include "base/buf.h"
#include "hash/blake3.h"

enum {
	/* A longer path is damage: it bounds the memory of every reader. */
	RAW_PATH_MAX = 1 << 20,
	/* What raw_encode() writes in front of the path, at most. */
	RAW_HEAD_MAX = 107,
	RAW_KIND_MAX = 40,	/* bytes of the kind of an omission */
	RAW_DETAIL_MAX = 1024,	/* bytes of its detail; more is cut off */
	/* what a record of metadata is at most; a reader takes no more */
	RAW_META_MAX = RAW_PATH_MAX
};

struct raw_span {
	const char *at;
	size_t len;
};

struct raw_record {
	char type;		/* f d l b c p s U ?; '?' in legacy files */
				/* RAW_OMISSION, RAW_META */
	unsigned int mode;	/* legacy files: the octal mode; else 0 */
	uint64_t dev, ino, nlink, size;
	int64_t mtime;		/* seconds since the epoch */
	const char *path;	/* NUL-terminated; never empty */
	size_t path_len;
	uint64_t path_at;	/* read: where in the stream the path begins */
	/* RAW_OMISSION; dev and ino may be 0, nlink, size, mtime are */
	struct raw_span kind;
	int err;		/* errno, 0: none */
	struct raw_span detail;	/* escaped: raw_unescape() */
	/* RAW_META, which has no path: raw_meta_next() */
	struct raw_span meta;
};

enum {
	RAW_OMISSION = 'o',	/* something of the source is not in the list */
	RAW_META = 'm'		/* what else is known of an inode */
};

/* What an entry of this mode is: f d l b c p s, or U. */
char raw_letter(mode_t mode);

/* Something on the medium that is missing from the list. */
struct raw_omission {
	uint64_t dev, ino;	/* of the entry at path; 0, 0: not known */
	const char *kind;	/* a word, [a-z_]+, see ntt-raw(5) */
	int err;		/* errno, 0: none */
	const char *detail;	/* a clause for people; NULL: none */
	const char *path;	/* the root itself for a whole volume */
	size_t path_len;
};

struct raw_reader {
	int fd;
	uint64_t offset;	/* of the record last returned, or of the error */
	uint64_t records;	/* entries returned so far */
	uint64_t others;	/* omissions and metadata returned so far */
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
/*
 * An omission as bytes, appended to b.  A kind or path that no reader would
 * take is a mistake of the caller.
 */
void raw_encode_omission(struct buf *b, const struct raw_omission *o);
/* The bytes that %XX stand for, appended to b. */
void raw_unescape(struct buf *b, struct raw_span text);

/*
 * Metadata as bytes: begun, any number of keys, ended.  A key is a word of
 * letters, digits, '_', ':' and '.'; anything else in it, and in values, is
 * escaped.
 */
void raw_meta_begin(struct buf *b, uint64_t dev, uint64_t ino);
void raw_meta_put(struct buf *b, const char *key, const void *value,
	size_t len);
void raw_meta_end(struct buf *b);
/* The same where no byte needs escaping: key is a word. */
void raw_meta_number(struct buf *b, const char *key, uint64_t n);
void raw_meta_octal(struct buf *b, const char *key, unsigned int n);
void raw_meta_time(struct buf *b, const char *key, int64_t seconds,
	uint32_t ns);
/*
 * The next key and value, both escaped, taken off the front of *meta: 1, or 0
 * when there is none.
 */
int raw_meta_next(struct raw_span *meta, struct raw_span *key,
	struct raw_span *value);

/* A point of time; ns is above a second where it is not known. */
struct raw_time {
	int64_t seconds;
	uint32_t ns;
};
enum { RAW_NO_TIME = 1000000000 };

/* What a record of metadata says. */
struct raw_meta {
	struct raw_time mtime, atime, ctime, btime;
	int64_t mode, uid, gid, rdev;	/* -1: not known */
	uint64_t attr;			/* of statx(2) */
	uint64_t flags;			/* of a directory, as chattr(1) */
	struct raw_span user, group;	/* escaped; len 0: not known */
	unsigned int xattrs;		/* how many keys are xattr:NAME */
};

/* Values that are not what they should be count as not known. */
void raw_meta_read(struct raw_span meta, struct raw_meta *m);

struct raw_writer {
	int fd, tee;		/* tee: a second copy of every byte; -1 none */
	uint64_t records;	/* entries */
	uint64_t bytes;
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
/* Whole records, encoded already, of which records are entries. */
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
