/*
 * Media as they come: for a machine that only copies.
 */
#ifndef NTT_ANY_H
#define NTT_ANY_H

/*
 * Copies one medium after the other, with so many copiers (0: as many as suit),
 * until a signal comes.  Takes only media whose images it sees.  If copying one
 * goes wrong, it takes others for ten minutes.  Returns the exit status.
 */
int copy_any(unsigned int workers);

#endif
