#define _GNU_SOURCE
#include "base/use_lock.h"

#include <errno.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/medium_files.h"
#include "base/medium_name.h"

static char *
lock_name(const char *medium)
{
	if (!medium_valid(medium) && !medium_mountable(medium)) {
		errno = EINVAL;
		return NULL;
	}
	return medium_use_lock(medium);
}

int
use_lock(const char *medium, enum lock_mode mode)
{
	char *name = lock_name(medium);
	int fd, err;

	if (!name)
		return -1;
	fd = lock_try(config_get(CONFIG_RUN_DIR), name, mode);
	err = errno;
	free(name);
	errno = err;
	return fd;
}

void
use_lock_release(int fd)
{
	lock_release(fd);
}

void
use_lock_holders(const char *medium, struct buf *out)
{
	char *name = lock_name(medium);

	buf_reset(out);
	if (name)
		lock_holders(config_get(CONFIG_RUN_DIR), name, out);
	if (!out->len)
		buf_puts(out, "another process");
	free(name);
}
