/*
 * Bytes put aside in a temporary file without a name: written front to back,
 * then read front to back.  A small amount never reaches the disk.
 *
 * The file lies in TMPDIR, else in RAW_ROOT where that can be written to, else
 * in /var/tmp.  Functions return -1 with errno.
 */
#ifndef NTT_SPOOL_H
#define NTT_SPOOL_H

#include <stddef.h>
#include <stdint.h>

struct spool {
	int fd;			/* -1: everything is in buf so far */
	uint64_t bytes;		/* written in all */
	/* private */
	char *buf;
	size_t start, end;
	uint64_t left;		/* not in buf yet, when reading */
	int reading;
};

void spool_init(struct spool *s);
int spool_put(struct spool *s, const void *bytes, size_t len);
/* From now on it is read, from the beginning; may be called again. */
int spool_rewind(struct spool *s);
/* The next len bytes: 1; 0 at the end; fewer than len are EIO. */
int spool_get(struct spool *s, void *bytes, size_t len);
/* Whatever comes next, up to max bytes: their number, 0 at the end. */
long spool_some(struct spool *s, void *bytes, size_t max);
void spool_free(struct spool *s);

#endif
