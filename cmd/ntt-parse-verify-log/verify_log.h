/* What a log of ntt-verify, or its standard output, says. */
#ifndef NTT_VERIFY_LOG_H
#define NTT_VERIFY_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/verify_finding.h"

enum { VERIFY_LOG_SAMPLES = 5 };

struct verify_log {
	uint64_t lines, bad_lines;	/* bad: no JSON object */
	uint64_t runs, verified, bytes;	/* of the runs that were completed */
	uint64_t counts[FINDING_KINDS];
	struct buf samples[FINDING_KINDS];	/* the first lines of each */
	struct buf ids;			/* 64 digits and a newline each */
};

#define VERIFY_LOG_INIT { 0 }

/* Takes one line without its newline. */
void verify_log_line(struct verify_log *l, const char *line, size_t len);
/* Sorts the ids and drops those that come twice. */
void verify_log_unique(struct verify_log *l);
void verify_log_free(struct verify_log *l);

#endif
