/*
 * What the logs (log.h) know of the stages of a medium and the catalogue does
 * not: how long each took.  Needs libjansson.
 */
#ifndef NTT_REPORT_LOG_H
#define NTT_REPORT_LOG_H

#include <stdint.h>

enum report_stage { STAGE_IMAGE, STAGE_LIST, STAGE_LOAD, STAGE_COPY,
	STAGE_ARCHIVE, STAGE_VERIFY, REPORT_STAGES };

/* Of the last time that the stage was done; seconds < 0: not known. */
struct report_stage_log {
	char end[32];		/* RFC 3339, "" not known */
	double seconds;
	uint64_t rows, bytes, findings;
};

/* Logs that are missing, or lines that are no JSON, count for nothing. */
void report_log(const char *dir, const char *medium,
	struct report_stage_log stages[REPORT_STAGES]);

#endif
