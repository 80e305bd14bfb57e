/* Processes as /proc knows them. */
#ifndef NTT_PROCSTAT_H
#define NTT_PROCSTAT_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Start time in clock ticks after boot, field 22 of /proc/PID/stat (proc(5)):
 * with the pid it names one process for ever.  0 if there is none.
 */
uint64_t process_start_time(pid_t pid);

/* All CPUs since boot, in ticks. */
struct cpu_ticks {
	uint64_t all, idle;	/* idle: waiting for disks too */
};

/* 0, or -1 when /proc does not tell. */
int cpu_ticks(struct cpu_ticks *now);

/* Nanoseconds, milliseconds, seconds since some fixed moment. */
uint64_t monotonic_ns(void);
int64_t monotonic_ms(void);
double monotonic_s(void);

#endif
