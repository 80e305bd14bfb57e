/*
 * The private PostgreSQL of NTT_HOME: data in pg/data, the socket and the log
 * in pg; unix socket only, peer authentication, one role "ntt".
 *
 * The server never runs as root: started by root it runs as the user who ran
 * sudo, or as postgres, to whom pg/ then belongs.  pg/data appears by a rename
 * after initdb has ended, so an existing cluster is complete.
 */
#ifndef NTT_CLUSTER_H
#define NTT_CLUSTER_H

#include "base/buf.h"

enum cluster_state {
	CLUSTER_NONE,
	CLUSTER_DOWN,
	CLUSTER_BUSY,		/* starting up, shutting down, standing still */
	CLUSTER_UP
};

enum cluster_state cluster_state(void);

/* The programs of a server are installed: 1 or 0. */
int cluster_possible(void);

/* These say on stderr what went wrong and return an exit status. */
int cluster_init(void);		/* makes it, down; fine if it is there */
int cluster_start(void);	/* fine if it runs already */
int cluster_stop(void);		/* fine if it does not run */

/*
 * libpq's connection string for a database of the cluster (NULL: the
 * catalogue).  Where the path of the socket is too long for a unix socket, the
 * string goes through a descriptor of this process and is of no use to others.
 */
void cluster_conninfo(struct buf *out, const char *database);
/* The same for people and other programs, as a URL; paths as they are. */
void cluster_url(struct buf *out);

extern const char cluster_database[];

#endif
