/*
 * A sandbox of bubblewrap for a foreign program that reads hostile files.  The
 * program has no network and no rights, and sees only the programs of the
 * system and the files that the caller adds.
 *
 *	bubble_begin(&w, other);	bwrap, its rights, /usr, /proc, /dev
 *	bubble_bind(&w, from, to);	…
 *	bubble_end(&w, "/tmp", "/usr/bin:/bin");
 *	words_add(&w, "--");		more options may come before that
 *	if (other)
 *		bubble_become(&w, uid);
 *	words_add(&w, program);		and its arguments
 *
 * other: this process is root, and the program must run as another user.
 */
#ifndef NTT_BUBBLE_H
#define NTT_BUBBLE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/words.h"

void bubble_begin(struct words *w, int other);
/* Read-only. */
void bubble_bind(struct words *w, const char *from, const char *to);
/* The rest cannot be written to; the program is in dir, its home. */
void bubble_end(struct words *w, const char *dir, const char *path);
void bubble_become(struct words *w, uid_t uid);

/*
 * In the child that becomes bwrap: at most so much of a RLIMIT_…, and never more
 * than before.  0, or -1 with errno.
 */
int bubble_limit(int resource, uint64_t most);

#endif
