/*
 * Several copiers of one medium, in a process group of their own.
 */
#ifndef NTT_CREW_H
#define NTT_CREW_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/spawn.h"

enum { CREW_MOST = 64 };

struct crew {
	const char *medium;
	uint64_t limit;		/* of inodes, for each copier; 0: none */
	unsigned int workers;
	/* private */
	struct child children[CREW_MOST];
	pid_t group;		/* also when the first has ended */
	int running;
};

/* As many copiers as suit the disk that the medium is read from. */
unsigned int crew_default(PGconn *db, const char *medium);
/* Starts them, and notes them for ntt-stop-workers(1). */
void crew_start(struct crew *c);
/*
 * Waits until each has ended, shows the progress of all, and passes signals on.
 * Returns the worst of their results; work that is left is a failure, whatever
 * they said.  db NULL: the catalogue is away.
 */
int crew_wait(struct crew *c, PGconn *db);

#endif
