/* The first run on a machine where nothing is set up. */
#ifndef NTT_RUN_SETUP_H
#define NTT_RUN_SETUP_H

/*
 * With NTT_HOME set and no cluster in it: makes one ("ntt-db init").  A user
 * other than root for whom nothing at all is configured, and who cannot reach
 * the default database: gets NTT_HOME in $HOME/ntt, written to
 * ~/.config/ntt/ntt.env so that every program finds it, and a cluster there.
 * Says what it does; ends the program when it cannot.
 */
void run_setup(void);

#endif
