/*
 * A volume of the guest as a file system of this machine: the FUSE side of
 * wire.h, read-only, in one process and one loop that never waits for the
 * guest alone.
 *
 * Every call is answered with the guest's errno.  A read that the guest cuts
 * short of the size its directory gave is EIO.  A call that the guest does not
 * answer within limit_ms is ETIMEDOUT (line.h).  The target of a link, whatever
 * it is, and a name, whatever its bytes, are data.
 *
 * Inode numbers, link counts, sizes, times to the nanosecond, owners, modes
 * and extended attributes are the guest's; files of another device than the
 * root's, the subvolumes of btrfs, are told apart in the inode number
 * (tree_inode()).  "ntt.places.N" is guest/places.h.
 *
 * A directory is listed with the attributes of all its names, so that asking
 * for them costs nothing more; small files that follow each other in a
 * directory are read together, ahead of time, as long as that turns out to be
 * of use.
 */
#ifndef NTT_SANDBOX_CLIENT_H
#define NTT_SANDBOX_CLIENT_H

struct client_options {
	int line;		/* a socket to the server */
	const char *point;	/* an existing directory */
	int limit_ms;
	int alone;		/* each file by itself, nothing ahead of time */
	int everybody;		/* other users may enter, as modes allow */
	/* the user to become once it is mounted, for its rights to be gone;
	 * 0: stay */
	unsigned int user;
};

/*
 * Mounts, and serves until it is unmounted or told to end by a signal.  An
 * exit status.  The mount goes with the process, however it ends.
 */
int client_run(const struct client_options *o);

#endif
