/*
 * Which bytes of a file were not rescued, by the view in which reading them
 * fails (account.md, ntt-view(1)).
 *
 * The volumes of a damaged image are mounted twice.  Contents come from where
 * lost areas are zeros.  Each file is then looked at where they are errors: its
 * extents where the file system tells them, else all of its bytes.  A file
 * during which the view refused something is marked, whatever was said.
 */
#ifndef NTT_LOST_H
#define NTT_LOST_H

#include <libpq-fe.h>

#include "damage.h"
#include "source.h"

struct lost;

/*
 * The views of a mounted medium; NULL: it has none.  Before rights are given
 * up.
 */
struct lost *lost_open(const char *medium);
void lost_close(struct lost *l);	/* NULL is fine */

/* Volumes where reading fails; for what has a name only there. */
struct source *lost_source(struct lost *l);

/* Something of this volume is lost (0: that of the medium itself). */
int lost_within(const struct lost *l, unsigned int partition);

/*
 * As damage_of(), for the file that was found at path and is open as fd.
 */
char *lost_of(struct lost *l, const struct damage *d, int fd,
	const struct stat *st, const char *path, unsigned int partition,
	int *beyond_end);
/* The same for a symbolic link with a target of len bytes. */
char *lost_of_link(struct lost *l, const char *path, uint64_t ino,
	unsigned int partition, size_t len);

/*
 * When all is copied: an omission for each volume whose file system asked for
 * lost areas that nothing marked explains.  How many bytes these have, or -1:
 * db_error().
 */
int64_t lost_unexplained(const struct lost *l, const struct damage *d,
	PGconn *db, const char *medium);

#endif
