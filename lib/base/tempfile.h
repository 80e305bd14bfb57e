/*
 * Files that appear complete or not at all: written beside their final name,
 * fsynced, renamed, and the directory fsynced.  If the file system has
 * O_TMPFILE, SIGKILL leaves nothing behind, except during one short moment.  In
 * that moment, or on other file systems, ".<name>.<sight>.<pid>.<32
 * digits>.tmp" stays (unique.h).  The next process that writes the same name
 * removes this file if it sees that its writer is gone, and otherwise after a
 * day.  exit(3) removes files that were not committed.
 */
#ifndef NTT_TEMPFILE_H
#define NTT_TEMPFILE_H

struct tempfile {
	int fd;			/* -1: not open */
	char *path;		/* the final name */
	char *temporary;	/* NULL: still without a name */
	struct tempfile *next;
};

/*
 * Parent directories are made.  0, or -1 with errno: ENOTSUP or EISDIR where
 * something that is no file has the name, and below /dev.
 */
int tempfile_open(struct tempfile *t, const char *path);
/* For a name that a person may have typed: see config_make_parents(). */
int tempfile_open_output(struct tempfile *t, const char *path);
/* Durable under its final name, replacing what was there; closes fd. */
int tempfile_commit(struct tempfile *t);
void tempfile_abort(struct tempfile *t);	/* also fine when not open */

/*
 * A file in this directory that never gets a name, for private data: its
 * descriptor, or -1 with errno.
 */
int tempfile_unnamed(const char *dir);

#endif
