/* The options of ntt-verify, which ntt-verify-sudo has too. */
#ifndef NTT_VERIFY_OPTIONS_H
#define NTT_VERIFY_OPTIONS_H

#include <stdint.h>

struct verify_options {
	const char *medium, *from_file;
	int all, orphans, archive, manifest, uncached, migrate;
	uint64_t sample_rate;	/* 0: not given */
	uint64_t max, workers, rate, days;	/* 0: not given, no limit */
};

extern const char verify_usage[];

/* Reads the command line; ends the program when it makes no sense. */
void verify_options_parse(struct verify_options *o);

#endif
