/*
 * How this machine is doing, from /proc and /sys.  What a kernel does not say
 * is unknown, and never an error.
 */
#ifndef NTT_DASH_SYSTEM_H
#define NTT_DASH_SYSTEM_H

#include <stdint.h>

struct dash_system {
	double busy, iowait;	/* shares since the reading before; -1 */
	double load[3];		/* -1: unknown */
	int cpus;
	uint64_t memory, available;	/* bytes; 0: unknown */
	double celsius;		/* of the hottest sensor; -1000: unknown */
	uint64_t ticks, idle_ticks, wait_ticks;	/* for the next reading */
};

/* before: the reading before, or NULL. */
void system_read(struct dash_system *s, const struct dash_system *before);

/* The parts of it that read text; each returns 0, or -1 and changes nothing. */
int system_parse_stat(struct dash_system *s, const char *text);
int system_parse_memory(struct dash_system *s, const char *text);
int system_parse_load(struct dash_system *s, const char *text);

#endif
