/*
 * The text that stands beside every medium: what of it is missing and why.
 * Made when somebody looks at it, and kept for a minute.
 */
#ifndef NTT_BROWSE_MISSING_H
#define NTT_BROWSE_MISSING_H

#include <stddef.h>
#include <stdint.h>

#define MISSING_SUFFIX ".omissions.txt"

struct shown;

struct text {
	char *data;
	size_t len;
	/* private */
	int64_t at;
	unsigned int changes;
	int refs;
};

/* Referred to; NULL with errno as of ask(). */
struct text *missing_text(struct shown *m);
void missing_put(struct text *t);

#endif
