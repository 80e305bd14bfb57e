#define _GNU_SOURCE
#include "mount/dm_linear.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"

enum { SECTOR = 512, PARAMETERS = 40 };

/* One target of the table, as the kernel wants them one after another. */
struct target {
	struct dm_target_spec spec;
	char parameters[PARAMETERS];
};

struct request {
	struct dm_ioctl head;
	struct target targets[];
};

static struct request *
new_request(const char *name, size_t targets, uint32_t flags)
{
	size_t size = sizeof(struct request) + targets *
	    sizeof(struct target);
	struct request *r = xcalloc(1, size);

	r->head.version[0] = DM_VERSION_MAJOR;
	r->head.data_size = (uint32_t)size;
	r->head.data_start = sizeof r->head;
	r->head.target_count = (uint32_t)targets;
	r->head.flags = flags;
	snprintf(r->head.name, sizeof r->head.name, "%s", name);
	return r;
}

static int
command(int control, unsigned long what, const char *name, uint32_t flags,
    uint64_t *dev)
{
	struct request *r = new_request(name, 0, flags);
	int rc = ioctl(control, what, r), err = errno;

	if (rc == 0 && dev)
		*dev = r->head.dev;
	free(r);
	errno = err;
	return rc;
}

static int
load_table(int control, const char *name, const char *source,
    const struct dm_piece *pieces, size_t count)
{
	struct request *r = new_request(name, count, DM_READONLY_FLAG);
	uint64_t at = 0;
	size_t i;
	int rc, err;

	for (i = 0; i < count; i++) {
		struct target *t = &r->targets[i];

		t->spec.sector_start = at;
		t->spec.length = pieces[i].size / SECTOR;
		t->spec.next = sizeof *t;
		strcpy(t->spec.target_type, "linear");
		snprintf(t->parameters, sizeof t->parameters, "%s %llu",
		    source, (unsigned long long)(pieces[i].start / SECTOR));
		at += t->spec.length;
	}
	rc = ioctl(control, DM_TABLE_LOAD, r);
	err = errno;
	free(r);
	errno = err;
	return rc;
}

int
dm_linear_create(const char *name, const char *source,
    const struct dm_piece *pieces, size_t count, char device[24])
{
	int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	uint64_t dev = 0;
	int rc = -1, err;

	if (control < 0)
		return -1;
	/* one that a killed run left */
	command(control, DM_DEV_REMOVE, name, 0, NULL);
	if (command(control, DM_DEV_CREATE, name, DM_READONLY_FLAG,
	    &dev) == 0) {
		if (load_table(control, name, source, pieces, count) == 0 &&
		    command(control, DM_DEV_SUSPEND, name, 0, NULL) == 0)
			rc = 0;
		err = errno;
		if (rc < 0)
			command(control, DM_DEV_REMOVE, name, 0, NULL);
		errno = err;
	}
	err = errno;
	close(control);
	/* the minor number: its low eight bits, and the rest above the major */
	snprintf(device, 24, "/dev/dm-%u", (unsigned int)((dev & 0xff) |
	    (dev >> 12 & 0xfff00)));
	errno = err;
	return rc;
}

void
dm_linear_release(const char *name)
{
	int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return;
	command(control, DM_DEV_REMOVE, name, DM_DEFERRED_REMOVE, NULL);
	close(control);
}
