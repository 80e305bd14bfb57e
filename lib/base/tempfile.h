/*
 * Files that become real or vanish: written beside their final name, fsynced,
 * renamed, and the directory fsynced.  Where the file system has O_TMPFILE
 * SIGKILL leaves nothing behind but for a moment; elsewhere, or in that moment,
 * ".<name>.<sight>.<pid>.<32 digits>.tmp" stays (unique.h).  Whoever writes the
 * same name next removes it, if it sees that no such process is left; others do
 * after a day.  At exit(3) what was not committed is removed.
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
/* Durable under its final name, replacing what was there; closes fd. */
int tempfile_commit(struct tempfile *t);
void tempfile_abort(struct tempfile *t);	/* also fine when not open */

/*
 * A file in this directory that never gets a name, for what nobody else is to
 * read: its descriptor, or -1 with errno.
 */
int tempfile_unnamed(const char *dir);

#endif
