/*
 * A zstd file of independent frames with a table of them at its end
 * (seektable.h): read by every zstd, and by us from any position.
 *
 * Functions that can fail return -1 or NULL with errno.  EBADMSG: the file is
 * damaged, and seekable_error() says where.
 */
#ifndef NTT_SEEKABLE_H
#define NTT_SEEKABLE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Content of a frame: what a reader of one byte decompresses. */
enum { SEEKABLE_FRAME = 64 << 20 };

/*
 * Writing, to fd from its current position 0.  threads 0: as many as there are
 * CPUs and memory allows (about 300 MB in all).
 */
struct seekable_writer;

struct seekable_writer *seekable_create(int fd, int level, int threads);
int seekable_write(struct seekable_writer *w, const void *bytes, size_t len);
/* Ends the file; its bytes are not synced. */
int seekable_finish(struct seekable_writer *w);
void seekable_writer_free(struct seekable_writer *w);

/*
 * A frame at the beginning whose len bytes are known only at the end.  Call
 * seekable_reserve() before all others.  After everything is written, and also
 * after seekable_finish(), call seekable_fill() with exactly len bytes.
 */
int seekable_reserve(struct seekable_writer *w, size_t len);
int seekable_fill(struct seekable_writer *w, const void *bytes, size_t len);

/*
 * Reading.  ahead: decompress the next frames meanwhile in this many threads
 * (for reading front to back); 0: on demand.  ENOMSG: there is no table, so
 * this is an ordinary file or one that was cut.  The descriptor stays the
 * caller's.
 */
struct seekable;

struct seekable *seekable_open(int fd, int ahead);
void seekable_close(struct seekable *s);
uint64_t seekable_size(const struct seekable *s);	/* of the content */
uint64_t seekable_tell(const struct seekable *s);
/*
 * Reads on, at most to the end of the frame.  Returns the number of bytes, 0 at
 * the end.
 */
ssize_t seekable_next(struct seekable *s, const void **bytes);
/* Only without ahead; beyond the end is the end. */
void seekable_seek(struct seekable *s, uint64_t position);
/* "frame 3, bytes 1000 to 2000 of the file: …"; "" for none. */
const char *seekable_error(const struct seekable *s);

#endif
