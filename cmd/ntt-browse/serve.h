/* The requests of the kernel. */
#ifndef NTT_BROWSE_SERVE_H
#define NTT_BROWSE_SERVE_H

struct fuse_lowlevel_ops;
struct fuse_session;

extern const struct fuse_lowlevel_ops serve_operations;

struct serve_options {
	int store;		/* descriptor of BYHASH_ROOT */
	int zeros;		/* lost ranges read as zeros */
	/* the kernel has made friends: the mount answers */
	void (*answering)(void);
};

void serve_start(const struct serve_options *o);
/* The session exists: nodes may be swept from now on. */
void serve_sweep(struct fuse_session *session);

#endif
