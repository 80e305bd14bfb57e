#define _GNU_SOURCE
#include "system.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"

enum { UNKNOWN = -1, COLD = -1000 };

/* The beginning of a file of the kernel, with a NUL; 0 or -1. */
static int
slurp(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read_full(fd, text, size - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return 0;
}

int
system_parse_stat(struct dash_system *s, const char *text)
{
	unsigned long long t[8] = { 0 };	/* user nice system idle … */
	const char *line;
	int i, cpus = 0;

	if (sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0],
	    &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) < 4)
		return -1;
	s->ticks = 0;
	for (i = 0; i < 8; i++)
		s->ticks += t[i];
	s->idle_ticks = t[3];
	s->wait_ticks = t[4];
	for (line = strstr(text, "\ncpu"); line;
	    line = strstr(line + 1, "\ncpu"))
		cpus++;
	s->cpus = cpus;
	return 0;
}

static int
kilobytes(const char *text, const char *name, uint64_t *bytes)
{
	const char *line = strstr(text, name);
	unsigned long long kb;

	if (!line || (line > text && line[-1] != '\n') ||
	    sscanf(line + strlen(name), ": %llu kB", &kb) != 1)
		return -1;
	*bytes = kb * 1024;
	return 0;
}

int
system_parse_memory(struct dash_system *s, const char *text)
{
	uint64_t all, free_now;

	if (kilobytes(text, "MemTotal", &all) < 0 ||
	    kilobytes(text, "MemAvailable", &free_now) < 0 || free_now > all)
		return -1;
	s->memory = all;
	s->available = free_now;
	return 0;
}

int
system_parse_load(struct dash_system *s, const char *text)
{
	double load[3];

	if (sscanf(text, "%lf %lf %lf", &load[0], &load[1], &load[2]) != 3)
		return -1;
	memcpy(s->load, load, sizeof load);
	return 0;
}

/* Millidegrees in dir/NAME/file of every name; the most of them. */
static void
hottest(double *celsius, const char *dir, const char *prefix,
    const char *suffix)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	char text[32], *path;
	double t;

	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name), m = strlen(suffix);

		if (strncmp(e->d_name, prefix, strlen(prefix)) || n < m ||
		    (*suffix != '/' && strcmp(e->d_name + n - m, suffix)))
			continue;
		path = xasprintf("%s/%s%s", dir, e->d_name,
		    *suffix == '/' ? suffix : "");
		/* sensors that are off say 0 or worse */
		if (slurp(path, text, sizeof text) == 0 &&
		    sscanf(text, "%lf", &t) == 1 && t > 0 && t < 200000 &&
		    t / 1000 > *celsius)
			*celsius = t / 1000;
		free(path);
	}
	if (d)
		closedir(d);
}

static void
read_sensors(struct dash_system *s)
{
	static const char hwmon[] = "/sys/class/hwmon";
	DIR *d = opendir(hwmon);
	const struct dirent *e;

	hottest(&s->celsius, "/sys/class/thermal", "thermal_zone", "/temp");
	while (d && (e = readdir(d))) {
		char *dir = xasprintf("%s/%s", hwmon, e->d_name);

		if (e->d_name[0] != '.')
			hottest(&s->celsius, dir, "temp", "_input");
		free(dir);
	}
	if (d)
		closedir(d);
}

void
system_read(struct dash_system *s, const struct dash_system *before)
{
	char *text = xmalloc(65536);
	double ticks;

	memset(s, 0, sizeof *s);
	s->busy = s->iowait = UNKNOWN;
	s->load[0] = s->load[1] = s->load[2] = UNKNOWN;
	s->celsius = COLD;
	if (slurp("/proc/stat", text, 65536) == 0 &&
	    system_parse_stat(s, text) == 0 && before &&
	    before->ticks && s->ticks > before->ticks) {
		ticks = (double)(s->ticks - before->ticks);
		/* the kernel's iowait may run backwards */
		s->iowait = s->wait_ticks > before->wait_ticks ?
		    (double)(s->wait_ticks - before->wait_ticks) / ticks : 0;
		s->busy = 1 - s->iowait - (s->idle_ticks > before->idle_ticks ?
		    (double)(s->idle_ticks - before->idle_ticks) / ticks : 0);
		if (s->busy < 0)
			s->busy = 0;
	}
	if (slurp("/proc/meminfo", text, 65536) == 0)
		system_parse_memory(s, text);
	if (slurp("/proc/loadavg", text, 65536) == 0)
		system_parse_load(s, text);
	read_sensors(s);
	free(text);
}
