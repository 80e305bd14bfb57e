#define _GNU_SOURCE
#include "rotating.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* /sys/dev/block/M:N is a disk or a partition of the one above it. */
int
is_rotating(const char *path)
{
	static const char *const places[] = { "queue/rotational",
		"../queue/rotational" };
	struct stat st;
	unsigned int i;
	dev_t dev;

	if (stat(path, &st) < 0)
		return -1;
	dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	for (i = 0; i < 2; i++) {
		char name[128], digit;
		int fd;
		ssize_t n;

		snprintf(name, sizeof name, "/sys/dev/block/%u:%u/%s",
		    major(dev), minor(dev), places[i]);
		fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, &digit, 1);
		close(fd);
		if (n == 1)
			return digit == '1';
	}
	return -1;
}
