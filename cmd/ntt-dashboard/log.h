/*
 * What the JSONL logs of this machine tell someone who watches: the programs
 * at work and how far they are, and what failed lately.  Only the ends of the
 * files are read.
 */
#ifndef NTT_DASH_LOG_H
#define NTT_DASH_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "catalogue.h"

struct dash_activity {
	char *prog, *medium;	/* medium may be NULL */
	int pid;
	int64_t since, at;	/* its first and last line in sight */
	char *stage;		/* of its last line */
	const char *unit;	/* of done and all: "bytes", "inodes"; NULL */
	int64_t done, all;	/* all 0: unknown */
};

struct dash_logs {
	struct dash_activity *activities;
	struct dash_event *events;	/* newest first */
	size_t activity_count, event_count;
};

/* dir: NTT_LOG_DIR; one that is not there has no logs. */
void dash_logs_read(struct dash_logs *l, const char *dir);
void dash_logs_free(struct dash_logs *l);

/*
 * Takes in the lines of a log: for dash_logs_read(), tests and the fuzzer.
 * Lines that are none of ours are passed over; activities of processes that
 * are gone are still among them.
 */
void dash_logs_parse(struct dash_logs *l, const char *text, size_t len);

#endif
