/*
 * A file system that has named streams, as its reader knows it.
 *
 * Everything read is hostile: a reader ends whatever the bytes are.  Strings
 * that say why are static.
 */
#ifndef NTT_STREAMS_FORMAT_H
#define NTT_STREAMS_FORMAT_H

#include "volume.h"

enum { STREAM_NAME = 768 };	/* 255 units of UTF-16 in UTF-8 and a NUL */

/* A stream, or, without a name, a file whose streams could not be listed. */
struct stream_found {
	uint64_t at;		/* where open() finds it again */
	uint64_t ino;
	uint64_t size;
	char name[STREAM_NAME];
	const char *why;	/* NULL: it can be opened */
};

enum listing {
	LIST_END,
	LIST_FOUND,
	LIST_ON			/* nothing yet: more was read than is quick */
};

struct stream_format {
	/* A state that close() frees, or NULL and *why. */
	void *(*open)(struct volume_bytes *v, const char **why);
	void (*close)(void *state);
	/*
	 * From the first to the last.  *blind grows by what could not be
	 * looked at, so that streams may be missing.
	 */
	enum listing (*next)(void *state, struct stream_found *f,
		uint64_t *blind);
	/* One of them, for read(): 0, or -1 and *why. */
	int (*select)(void *state, uint64_t at, const char *name,
		const char **why);
	/*
	 * len bytes of it at pos, inside its size.  0, or -1 and *why.
	 */
	int (*read)(void *state, void *bytes, size_t len, uint64_t pos,
		const char **why);
};

extern const struct stream_format format_ntfs, format_hfs;

/* UTF-16LE to UTF-8; a half without its partner becomes three bytes. */
void stream_name(char name[STREAM_NAME], const void *units, size_t count);

#endif
