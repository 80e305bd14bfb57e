#define _GNU_SOURCE
#include "store/blob_read.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "hash/blake3_hex.h"

static int
is_right(const blake3_hasher *h, const char *id, uint64_t size)
{
	char hex[STORE_ID + 1];

	if (size == 0 && !strcmp(id, store_old_empty_id))
		return 1;
	blake3_hex(h, hex);
	return !strcmp(hex, id);
}

static enum blob_outcome
put(const struct blob_sink *sink, size_t len)
{
	return !sink->put || len == 0 ||
	    sink->put(sink->arg, sink->buf, len) == 0 ? BLOB_GOOD :
	    BLOB_NOT_TAKEN;
}

enum blob_outcome
blob_compare(int fd, const char *id, const struct blob_sink *sink)
{
	enum blob_outcome outcome;
	uint64_t size = 0;
	blake3_hasher h;
	struct stat st;
	ssize_t n = 0;

	if (fstat(fd, &st) < 0)
		return BLOB_UNREADABLE;
	if (!S_ISREG(st.st_mode))
		return BLOB_BAD;
	blake3_hasher_init(&h);
	do {
		if (sink->stop && sink->stop())
			return BLOB_STOPPED;
		if (size < (uint64_t)st.st_size)
			n = read_full(fd, sink->buf, BLOB_BLOCK);
		if (n < 0)
			return BLOB_UNREADABLE;
		blake3_hasher_update(&h, sink->buf, (size_t)n);
		size += (uint64_t)n;
		if (n == 0 || size >= (uint64_t)st.st_size)
			return is_right(&h, id, size) ? put(sink, (size_t)n) :
			    BLOB_BAD;
		outcome = put(sink, (size_t)n);
	} while (outcome == BLOB_GOOD);
	return outcome;
}

enum blob_outcome
blob_read(const struct store *s, const char *id, const struct blob_sink *sink)
{
	enum blob_outcome outcome;
	int fd = store_read(s, id), err;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return BLOB_MISSING;
	if (fd < 0)
		return errno == ELOOP ? BLOB_BAD : BLOB_UNREADABLE;
	outcome = blob_compare(fd, id, sink);
	err = errno;
	close(fd);
	errno = err;
	return outcome;
}

const char *
blob_state_name(enum blob_outcome outcome, int err)
{
	switch (outcome) {
	case BLOB_BAD:
		return "bad";
	case BLOB_MISSING:
		return "missing";
	case BLOB_UNREADABLE:
		return err == EIO || err == EUCLEAN || err == EBADMSG ?
		    "unreadable" : NULL;
	default:
		return NULL;
	}
}

const char *
blob_why(enum blob_outcome outcome)
{
	switch (outcome) {
	case BLOB_BAD:
		return "its blob in the store has other bytes than its name "
		    "says";
	case BLOB_MISSING:
		return "its blob is missing in the store";
	case BLOB_UNREADABLE:
		return "its blob in the store could not be read";
	default:
		return "it was interrupted";
	}
}
