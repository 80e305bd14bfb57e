/* Exit statuses, the same in every program of the suite (ntt(7)). */
#ifndef NTT_EXITS_H
#define NTT_EXITS_H

enum {
	EXIT_DONE = 0,		/* done, and durable */
	EXIT_FAILED = 1,	/* failed, or the answer is no */
	EXIT_REFUSED = 2,	/* already done or refused by state */
	EXIT_PARTIAL = 3,	/* finished; some items failed, recorded */
	EXIT_USAGE = 64,	/* wrong usage or configuration */
	EXIT_AGAIN = 75,	/* database away, lock held, disk full */
	EXIT_NOEXEC = 126,	/* a program could not be executed */
	EXIT_NOPROG = 127,	/* a program was not found */
	EXIT_SIGNAL = 128	/* plus the number of the signal */
};

/*
 * The status for a failure with this errno: EXIT_AGAIN when the machine and
 * not the input is to blame (disk full, out of memory or descriptors).
 */
int exit_for_errno(int err);

#endif
