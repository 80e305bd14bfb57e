/* Advisory locks on files under NTT_RUN_DIR, gone when their process is. */
#ifndef NTT_LOCK_H
#define NTT_LOCK_H

#include "base/buf.h"

enum lock_mode { LOCK_SHARED, LOCK_EXCLUSIVE };

/*
 * Opens and locks dir/name (both made if missing) without waiting.  Returns a
 * descriptor that is the lock, or -1 with errno; EWOULDBLOCK: somebody has it.
 */
int lock_try(const char *dir, const char *name, enum lock_mode mode);
/* The same, but waits; EINTR when a signal came. */
int lock_wait(const char *dir, const char *name, enum lock_mode mode);
void lock_release(int fd);

/*
 * Who holds dir/name, for a message: "1234 (ntt-copier), 1240 (ntt-copier)".
 * Read from /proc/locks, so it may be empty for another user's processes.
 */
void lock_holders(const char *dir, const char *name, struct buf *out);

#endif
