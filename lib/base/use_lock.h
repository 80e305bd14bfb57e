/*
 * The lock on a medium's use.  A program that reads the mount holds it shared.
 * A program that unmounts, archives or cleans up needs it exclusively; if it
 * cannot get it, it says who is using the medium.  File
 * NTT_RUN_DIR/use-MEDIUM.lock; never removed, since a lock on a removed file
 * protects nothing.
 */
#ifndef NTT_USE_LOCK_H
#define NTT_USE_LOCK_H

#include "base/buf.h"
#include "base/lock.h"

/*
 * A descriptor that is the lock, without waiting, or -1 with errno:
 * EWOULDBLOCK when the medium is in use, EINVAL for a bad medium name.
 * Configuration must be loaded.
 */
int use_lock(const char *medium, enum lock_mode mode);
void use_lock_release(int fd);

/*
 * Who uses it: "1234 (ntt-copier)", or "another process" when the kernel does
 * not say.  The caller itself is named too while it holds the lock.
 */
void use_lock_holders(const char *medium, struct buf *out);

#endif
