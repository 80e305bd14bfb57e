/* What came out of a medium, for people and for hooks. */
#ifndef NTT_RUN_SUMMARY_H
#define NTT_RUN_SUMMARY_H

#include "medium.h"

struct run_stage_time {
	const char *name;
	double seconds;		/* 0: it was done before */
};

/*
 * On standard output, and as members of an object into json; ends the program
 * when the catalogue fails.
 */
void run_summary(const struct run_medium *m, PGconn *db,
	const struct run_stage_time *stages, int count, struct buf *json);

#endif
