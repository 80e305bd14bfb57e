#define _GNU_SOURCE
#include "error.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

const char *
copy_class_name(enum copy_class c)
{
	static const char *const names[] = { "path_error",
		"permission_error", "io_error", "hash_error", "unknown" };

	return names[c];
}

enum copy_class
copy_class_of(int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case ENAMETOOLONG:
	case ELOOP:
	case ESTALE:
	case EXDEV:
	case EINVAL:		/* a file of another type than catalogued */
		return COPY_PATH_ERROR;
	case EACCES:
	case EPERM:
		return COPY_PERMISSION_ERROR;
	case EIO:
	case EUCLEAN:
	case EBADMSG:
	case ENXIO:
	case ENODATA:
		return COPY_IO_ERROR;
	default:
		return COPY_UNKNOWN_ERROR;
	}
}

int
copy_environment(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOMEM ||
	    err == ENOBUFS || err == ENOSYS;
}

int
copy_attempts(enum copy_class c, int health_known, int unrescued)
{
	enum { IO = 3, KNOWN = 10, UNKNOWN_HEALTH = 5, MOST = 50 };

	if (c == COPY_IO_ERROR)
		return unrescued ? 1 : IO;
	/* nothing of a read-only image heals; what is unclear may */
	if (c == COPY_UNKNOWN_ERROR && health_known)
		return MOST;
	return health_known ? KNOWN : UNKNOWN_HEALTH;
}

int
copy_backoff_ms(int attempts)
{
	enum { FIRST_MS = 20, MOST_MS = 30000 };
	int ms = FIRST_MS;

	while (--attempts > 0 && ms < MOST_MS)
		ms *= 2;
	return ms < MOST_MS ? ms : MOST_MS;
}

char *
copy_error_text(enum copy_class c, int err)
{
	const char *name = strerrorname_np(err);

	return xasprintf("%s %s: %s", copy_class_name(c),
	    name ? name : "errno", strerror(err));
}
