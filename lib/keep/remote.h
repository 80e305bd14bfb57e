/*
 * The objects of a remote place, through rclone(1), which knows the protocols.
 * Objects are written from a pipe and read through a pipe.
 *
 * Encrypted objects go through a crypt remote of rclone, which is configured by
 * environment variables.  The key is in a file of ours that has the form of
 * rclone.conf.
 */
#ifndef NTT_REMOTE_H
#define NTT_REMOTE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/spawn.h"

/* The rclone that reads or writes one object. */
struct remote_io {
	struct child child;
	int fd;			/* ours */
};

/* "NTT_HOME/places/NAME.key", or beside ntt.env; caller frees. */
char *remote_key_path(const char *name);
/* Makes a key, if there is none: 1 it is new; 0; -1 with errno. */
int remote_make_key(const char *file, const char *name, const char *url);

/*
 * Uses the objects of url from now on, encrypted with the key of the file
 * unless that is NULL.  0, or -1 with errno.
 */
int remote_use(const char *url, const char *key_file);

/* Length 0: to the end.  0, or -1 with errno when rclone could not be run. */
int remote_get(struct remote_io *io, const char *object, uint64_t offset,
	uint64_t length);
int remote_put(struct remote_io *io, const char *object);
/* Closes the pipe and waits: rclone's exit status. */
int remote_end(struct remote_io *io);
/* Gives up at once. */
void remote_abort(struct remote_io *io);

/* An object, or the names in a directory by lines: rclone's exit status. */
int remote_read(const char *object, struct buf *out, size_t max);
int remote_list(const char *directory, struct buf *out, size_t max);
int remote_move(const char *object, const char *to);
int remote_delete(const char *object);

/* Statuses of rclone(1): neither is a failure. */
enum { REMOTE_NO_DIRECTORY = 3, REMOTE_NO_OBJECT = 4 };

#endif
