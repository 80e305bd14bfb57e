#define _GNU_SOURCE
#include "kmsg.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/json.h"

int
kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* DEVNAME= of /sys/dev/block/M:N/uevent; "" if there is none. */
static void
device_name(dev_t dev, char name[64])
{
	char path[64], text[1024], *p;
	ssize_t n;
	int fd;

	name[0] = '\0';
	snprintf(path, sizeof path, "/sys/dev/block/%u:%u/uevent",
	    major(dev), minor(dev));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read_full(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	p = strstr(text, "DEVNAME=");
	if (p)
		sscanf(p + 8, "%63s", name);
}

/* "loop1" is not part of "loop12". */
static int
names(const char *line, const char *device)
{
	size_t len = strlen(device);
	const char *p;

	for (p = line; (p = strstr(p, device)); p += len)
		if ((p == line || !isalnum((unsigned char)p[-1])) &&
		    !isalnum((unsigned char)p[len]))
			return 1;
	return 0;
}

void
kmsg_lines(int fd, dev_t dev, struct buf *json)
{
	char record[8192], device[64], *message;
	ssize_t n;

	if (fd < 0)
		return;
	device_name(dev, device);
	for (;;) {
		n = read(fd, record, sizeof record - 1);
		/* EPIPE: records were overwritten before we came */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			break;
		record[n] = '\0';
		/* "priority,number,µs,flags;text\n KEY=value…" */
		message = strchr(record, ';');
		if (!message || !*device)
			continue;
		message++;
		message[strcspn(message, "\n")] = '\0';
		if (names(message, device))
			json_text(json, NULL, message);
	}
}
