/*
 * JSONL logs: NTT_LOG_DIR/<program>.jsonl, one object a line, one write(2)
 * with O_APPEND each, at most 4096 bytes, so that lines of several processes
 * never mix.
 *
 *	struct buf e = BUF_INIT;
 *
 *	log_begin(&e, "load_done");		ts, prog, pid, medium, stage
 *	json_u64(&e, "rows", rows);
 *	log_end(&e);				written; e is empty again
 *
 * A log that cannot be written never stops the work: the first failure is
 * kept for log_failed().  An event over 4096 bytes is cut to its common fields
 * with "truncated": true.
 */
#ifndef NTT_LOG_H
#define NTT_LOG_H

#include "buf.h"

/* dir is made (0755) if it is missing.  medium may be NULL. */
int log_open(const char *dir, const char *prog, const char *medium);
void log_medium(const char *medium);	/* the medium of events from now on */
void log_begin(struct buf *event, const char *stage);
void log_end(struct buf *event);
int log_failed(void);			/* errno of the first failure, or 0 */

#endif
