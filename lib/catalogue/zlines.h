/*
 * Lines in a file of zstd(1), written and read front to back.
 *
 * Functions return -1 or NULL with errno; EBADMSG: the file is damaged or
 * cut off.  Descriptors stay the caller's.
 */
#ifndef NTT_ZLINES_H
#define NTT_ZLINES_H

#include <stddef.h>

struct zlines_writer;

struct zlines_writer *zlines_create(int fd);
/* The line, and the newline that ends it. */
int zlines_put(struct zlines_writer *w, const void *line, size_t len);
/* Ends the file; its bytes are not synced. */
int zlines_finish(struct zlines_writer *w);
void zlines_writer_free(struct zlines_writer *w);	/* also NULL */

struct zlines;

struct zlines *zlines_open(int fd);
/* 1 and the next line without its newline, valid until the next call; 0 end. */
int zlines_next(struct zlines *z, const char **line, size_t *len);
void zlines_close(struct zlines *z);			/* also NULL */

#endif
