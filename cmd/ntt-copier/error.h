/* Failures of reading a medium: their classes, and when one is final. */
#ifndef NTT_COPY_ERROR_H
#define NTT_COPY_ERROR_H

#include "catalogue/queue.h"
#include "file.h"

enum copy_class {
	COPY_PATH_ERROR,
	COPY_PERMISSION_ERROR,
	COPY_IO_ERROR,
	COPY_HASH_ERROR,
	COPY_UNKNOWN_ERROR
};

enum copy_class copy_class_of(int err);
const char *copy_class_name(enum copy_class c);	/* the catalogue's word */

/* Is it this machine's trouble and no file's (EMFILE, ENOMEM, …)? */
int copy_environment(int err);

/*
 * How many attempts an error of this class gets.  health_known: the medium has
 * a map; unrescued: the bytes are known to be lost.
 */
int copy_attempts(enum copy_class c, int health_known, int unrescued);
/* Milliseconds before the next attempt, after this many. */
int copy_backoff_ms(int attempts);

/* "path_error ENOENT: No such file or directory"; caller frees. */
char *copy_error_text(enum copy_class c, int err);

#endif
