/*
 * JSONL logs: NTT_LOG_DIR/<program>.jsonl, one object a line, one write(2)
 * with O_APPEND each, at most 4096 bytes, so that lines of several processes
 * never mix.
 *
 *	struct buf e = BUF_INIT;
 *
 *	log_begin(&e, LOG_LOAD_DONE);		ts, prog, pid, medium, stage
 *	json_u64(&e, "rows", rows);
 *	log_end(&e);				written; e is empty again
 *
 * If the log cannot be written, the work goes on; the first failure is kept for
 * log_failed().  An event over 4096 bytes is cut to its common fields with
 * "truncated": true.
 */
#ifndef NTT_LOG_H
#define NTT_LOG_H

#include "base/buf.h"

/*
 * Every event there is.  Those of the check for several partitions are
 * script_start to cleanup; other programs than ours read them too.
 */
enum log_event {
	LOG_ACCEPTED,
	LOG_ARCHIVE_COMPLETE,
	LOG_ARCHIVE_ERROR,
	LOG_ARCHIVE_PROVEN,
	LOG_ARCHIVE_START,
	LOG_ARCHIVE_WRITTEN,
	LOG_CLEANUP,
	LOG_DUPLICATE_PATH,
	LOG_ENUM_BEGIN,
	LOG_ENUM_CRAWL,
	LOG_ENUM_DONE,
	LOG_ENUM_ERROR,
	LOG_ENUM_FAILED,
	LOG_ENUM_OMISSION,
	LOG_ENUM_STALL,
	LOG_EXCLUDED,
	LOG_EXTRACTION_START,
	LOG_FINDING,
	LOG_HEALED,
	LOG_IMAGE_END,
	LOG_IMG_FOUND,
	LOG_INCLUDED,
	LOG_INODE_FAILED,
	LOG_LOAD_BEGIN,
	LOG_LOAD_BLOCKED,
	LOG_LOAD_DONE,
	LOG_LOAD_DROPPED,
	LOG_LOAD_FAILED,
	LOG_LOAD_PATTERN,
	LOG_PARTITION_CHECK,
	LOG_PHASE_END,
	LOG_PHASE_START,
	LOG_PROGRESS,
	LOG_RELINK_DONE,
	LOG_RELINK_FAILED,
	LOG_RELINK_PROGRESS,
	LOG_RESET_FAILURES,
	LOG_SCRIPT_COMPLETE,
	LOG_SCRIPT_START,
	LOG_SOURCE_REMOVED,
	LOG_STAGE_END,
	LOG_STAGE_START,
	LOG_VERIFY_COMPLETE,
	LOG_VERIFY_PROGRESS,
	LOG_VERIFY_START,
	LOG_EVENTS			/* how many */
};

/* As in the log: "load_done". */
const char *log_event_name(enum log_event e);

/* dir is made (0755) if it is missing.  medium may be NULL. */
int log_open(const char *dir, const char *prog, const char *medium);
void log_medium(const char *medium);	/* the medium of events from now on */
void log_begin(struct buf *event, enum log_event stage);
void log_end(struct buf *event);
int log_failed(void);			/* errno of the first failure, or 0 */

/* Seconds since the epoch of "2026-11-20T19:31:49.834Z"; -1: it is none. */
double log_time(const char *ts);

#endif
