#define _GNU_SOURCE
#include "base/procstat.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t
process_start_time(pid_t pid)
{
	char path[64], text[1024], *p;
	unsigned long long start;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* the name of the program, field 2, may hold spaces and brackets */
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
	    "%*u %*u %*d %*d %*d %*d %*d %*d %llu", &start) != 1)
		return 0;
	return start;
}

uint64_t
monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int
cpu_ticks(struct cpu_ticks *now)
{
	/* user, nice, system, idle, iowait, irq, softirq, steal: proc(5) */
	unsigned long long t[8];
	FILE *stat = fopen("/proc/stat", "re");
	int n = 0, i;

	if (stat) {
		n = fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu",
		    &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
		fclose(stat);
	}
	if (n != 8)
		return -1;
	now->idle = t[3] + t[4];
	for (now->all = 0, i = 0; i < 8; i++)
		now->all += t[i];
	return 0;
}

int64_t
monotonic_ms(void)
{
	return (int64_t)(monotonic_ns() / 1000000);
}

double
monotonic_s(void)
{
	return (double)monotonic_ns() / 1e9;
}
