/*
 * The running copiers, NTT_RUN_DIR/workers.pids: a line "pid start medium"
 * each, start being process_start_time().  Lines of processes that are gone
 * mean nothing and are dropped by the next change.
 */
#ifndef NTT_PIDLIST_H
#define NTT_PIDLIST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/medium_name.h"

struct pidlist_entry {
	pid_t pid;
	uint64_t start;
	char medium[MEDIUM_MAX + 1];
};

/* NTT_RUN_DIR/workers.pids; caller frees. */
char *pidlist_path(void);
/*
 * The entries of processes that still run; a missing file has none.  0, or -1
 * with errno (EBADMSG: not such a file).  Caller frees.
 */
int pidlist_read(const char *path, struct pidlist_entry **entries,
	size_t *count);
/* Adds these to those that still run; 0 or -1 with errno. */
int pidlist_add(const char *path, const struct pidlist_entry *entries,
	size_t count);

#endif
