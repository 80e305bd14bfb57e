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

/* Nanoseconds since some fixed moment. */
uint64_t monotonic_ns(void);

#endif
