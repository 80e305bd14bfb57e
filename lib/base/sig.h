/*
 * Interruption: SIGINT, SIGTERM and SIGHUP set a flag and interrupt system
 * calls; the program looks at the flag between steps, cleans up, and exits
 * with EXIT_SIGNAL + n.
 *
 * A program that waits in a library for a server cannot look.  Ten seconds after
 * the first signal the sockets of sig_hang_up() are shut down, so that whoever
 * waits for one sees its end.
 */
#ifndef NTT_SIG_H
#define NTT_SIG_H

#include <sys/types.h>

void sig_catch(void);
/*
 * These signals wait (1), or no longer (0): for a program that runs itself again,
 * which would forget one that comes in between.
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
