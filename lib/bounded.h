/*
 * Work that may hang or crash, done in a child that can be given up.
 *
 * The child has no standard streams and no descriptor but keep: one that
 * hangs in the kernel, where no signal reaches it, holds no lock and no pipe.
 */
#ifndef NTT_BOUNDED_H
#define NTT_BOUNDED_H

enum bounded_rights {
	BOUNDED_SAME,
	/* nobody, no new rights; can read keep, compute, and open nothing */
	BOUNDED_NONE
};

/*
 * Runs work(arg) in a child and returns what it returned (0 to 255), or -1
 * with errno: ETIMEDOUT after timeout_ms (killed, or left alone where it
 * cannot be), EBADMSG it died by a signal, others: it could not be started.
 */
int bounded_run(int (*work)(void *arg), void *arg, int keep, int timeout_ms,
	enum bounded_rights rights);

#endif
