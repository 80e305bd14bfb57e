/* What could not be given back: each is named, and the exit status is 3. */
#ifndef NTT_RESTORE_LEFT_H
#define NTT_RESTORE_LEFT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The medium of paths from now on. */
void left_medium(const char *medium);
/* A path of the medium and the reason, a clause. */
void left_out(const char *path, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for what was given back, but not as it was. */
void left_changed(const char *path, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * Those of this medium so far as lines, to be written into an archive: a quoted
 * path, a tab, the reason.
 */
struct buf *left_lines(void);
/* How many were named. */
uint64_t left_count(void);

#endif
