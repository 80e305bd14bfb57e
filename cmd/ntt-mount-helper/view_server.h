/*
 * ntt-view(1) for a program with root rights: a view without a mount point.
 *
 * Root opens /dev/fuse and makes the mount, which nobody else sees and which
 * goes with the last of its files; ntt-view then serves it as nobody, with
 * nothing but the image, the view and the log of what it refused.
 *
 * The log is medium_refused(), readable by all (image/refused.h).  Who serves holds a lock (fcntl(2)) on it as long as it lives.
 */
#ifndef NTT_VIEW_SERVER_H
#define NTT_VIEW_SERVER_H

#include <sys/types.h>

#include "image/view.h"

struct view_server {
	int dir;		/* openat(2) "image" or "plain" from it */
	unsigned int connection;	/* /sys/fs/fuse/connections/N */
	pid_t pid;
};

/*
 * run: descriptor of NTT_RUN_DIR.  strict: ntt-view must belong to root, and
 * nobody else may be able to write to it.  0, or -1 with *why: one clause.
 */
int view_server_start(struct view_server *s, const struct view *view,
	int image, int run, const char *medium, int strict, const char **why);

/* Who serves the medium; 0: nobody. */
pid_t view_server_pid(const char *run_dir, const char *medium);

/*
 * Ends a server that its mounts have not ended, however it hangs, and removes
 * the log.  What is still read from it fails.
 */
void view_server_end(const char *run_dir, const char *medium,
	unsigned int connection);

#endif
