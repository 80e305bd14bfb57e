/*
 * Interruption: SIGINT, SIGTERM and SIGHUP set a flag and interrupt system
 * calls; the program looks at the flag between steps, cleans up, and exits
 * with EXIT_SIGNAL + n.
 *
 * A program that waits for a server inside a library cannot look at the flag.
 * Ten seconds after the first signal the sockets of sig_hang_up() are shut
 * down, so that such a wait ends.
 */
#ifndef NTT_SIG_H
#define NTT_SIG_H

#include <sys/types.h>

void sig_catch(void);
/*
 * Holds these signals back (1), or no longer (0).  A program that executes
 * itself again needs this: it would forget a signal that comes in between.
 */
void sig_block(int wait);
/* The first signal that came, or 0; cheap. */
int sig_caught(void);
/* How many came: the second means "at once". */
int sig_count(void);
/* Until its descriptor is closed; at most eight, the oldest are forgotten. */
void sig_hang_up(int socket);
/* The sockets were shut down. */
int sig_hung_up(void);
/* Pass every such signal on to this child, until sig_unforward(). */
void sig_forward(pid_t pid);
void sig_unforward(pid_t pid);

#endif
