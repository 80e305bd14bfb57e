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

/*
 * Nanoseconds that passed, and those of them this process ran or waited for a
 * CPU (/proc/self/schedstat); the rest it waited for something else.  Both
 * count from some fixed moment.  0, or -1 with errno.
 */
int process_times(uint64_t *wall, uint64_t *busy);

#endif
