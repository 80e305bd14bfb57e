/*
 * Work that may hang or crash, done in a child that can be given up.
 *
 * The child has no standard streams and no descriptors but keep and the lock of
 * bounded_hold().  A child may hang in the kernel, where no signal reaches it.
 * Even then it holds no pipe, and no lock after its caller gave the lock up.
 */
#ifndef NTT_BOUNDED_H
#define NTT_BOUNDED_H

#include <sys/types.h>

enum bounded_rights {
	BOUNDED_SAME,
	/*
	 * Nobody, no new rights; can read keep, compute, and open nothing.  A
	 * caller that has given up the rights of root keeps its number.
	 */
	BOUNDED_NONE
};

/*
 * Runs work(arg) in a child and returns what it returned (0 to 255), or -1
 * with errno: ETIMEDOUT after timeout_ms (killed, or left alone where it
 * cannot be), EBADMSG it died by a signal, others: it could not be started.
 */
int bounded_run(int (*work)(void *arg), void *arg, int keep, int timeout_ms,
	enum bounded_rights rights);

/*
 * Starts work(arg) in such a child, which ends when this process does: its pid,
 * or -1 with errno.  The caller waits for it.
 */
pid_t bounded_start(int (*work)(void *arg), void *arg, int keep,
	enum bounded_rights rights);

/*
 * A flock(2) that children with BOUNDED_SAME hold, too.  If the caller is
 * killed, the lock stays until its child has ended.  The process that took the
 * lock must give it up with lock_release(): if it only closed the descriptor, a
 * hanging child would keep the lock.  -1: none.
 */
void bounded_hold(int lock);

#endif
